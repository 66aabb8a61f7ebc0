package verify

import (
	"encoding/json"
	"io"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// MediaType of a report as JSON.
const MediaType = "application/vnd.pare.verify.v1+json"

// The verdicts.
const (
	OK      = "ok"
	Differs = "differs"
)

// What answers are compared with.
const (
	BaselineProfile = "profile" // those of the recording
	BaselineSource  = "source"  // fresh ones of the source
)

// Report is what a verification found.
type Report struct {
	SchemaVersion int    `json:"schemaVersion"`
	Kind          string `json:"kind"` // "pare.verify"
	Verdict       string `json:"verdict"`
	Image         Image  `json:"image"`
	// Source is the zero value when it was not at hand.
	Source     Image       `json:"source,omitzero"`
	Profile    string      `json:"profileDigest"`
	Engine     string      `json:"engine"`
	Baseline   string      `json:"baseline"`
	Conditions *Conditions `json:"conditions"`
	// Workloads are the ways in which the recording started the image, one
	// for each command line.
	Workloads []Workload `json:"workloads"`
	Missing   []Missing  `json:"missing"`
	// NotVerified says plainly what this verification does not show.
	NotVerified []string `json:"notVerified"`

	// unforeseen are changes that the source made and the conditions do not
	// allow for, because the profile does not have them: what [RepairLoop]
	// adds beside what is missing.
	unforeseen []profile.Access
}

// Image names an image.
type Image struct {
	Reference string `json:"reference,omitempty"`
	Digest    string `json:"digest"`
	Platform  string `json:"platform"`
}

// Workload is what came of one command line.
type Workload struct {
	Argv    []string `json:"argv"` // each as [Text]
	Start   Check    `json:"start"`
	Probes  []Probe  `json:"probes"`
	Stop    Check    `json:"stop"`
	Restart Check    `json:"restart"`
}

// Check is one thing that was tried.
type Check struct {
	OK   bool          `json:"ok"`
	Text string        `json:"text"`
	Took time.Duration `json:"tookNs"`
}

// Probe is one question with both answers.
type Probe struct {
	OK       bool           `json:"ok"`
	Question string         `json:"question"` // on one line
	Want     profile.Answer `json:"want"`
	Got      profile.Answer `json:"got"`
	// Differences are those that count; Volatile what is shown and not
	// compared, because the baseline differed from itself.
	Differences []string      `json:"differences"`
	Volatile    []string      `json:"volatile"`
	Took        time.Duration `json:"tookNs"`
}

// OK says whether the slim image does what the source does.
func (r *Report) OK() bool { return r.Verdict == OK }

// judge decides the verdict.
func (r *Report) judge() {
	r.Verdict = OK
	ok := len(r.Missing) == 0
	for i := range r.Workloads {
		ok = ok && r.Workloads[i].OK()
	}
	if !ok {
		r.Verdict = Differs
	}
}

// OK says whether every check of the workload passed.
func (w *Workload) OK() bool {
	ok := w.Start.OK && w.Stop.OK && w.Restart.OK
	for i := range w.Probes {
		ok = ok && w.Probes[i].OK
	}
	return ok
}

// Write writes the report as JSON.
func (r *Report) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(r)
}
