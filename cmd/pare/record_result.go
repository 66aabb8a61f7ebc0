package main

import (
	"fmt"
	"strings"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record"
	"github.com/pare-image/pare/slim/record/probe"
)

// recordDocument is the JSON of pare record.
type recordDocument struct {
	envelope
	Profile       string            `json:"profile"` // the file that was written
	ProfileDigest string            `json:"profileDigest"`
	Image         profile.Image     `json:"image"`
	Ready         string            `json:"ready"`
	Exit          recordExit        `json:"exit"`
	Sessions      []profile.Session `json:"sessions"`
	Accesses      int               `json:"accesses"`
	Lost          int64             `json:"lost"`
	NotSeen       *record.Coverage  `json:"notSeen"`
}

type recordExit struct {
	Code    int  `json:"code"`
	Signal  int  `json:"signal,omitempty"`
	Stopped bool `json:"stopped"`
	Killed  bool `json:"killed"`
}

func (a *app) tellRecord(c recordCommand, r *recorded) error {
	p := r.Profile
	a.term.note("%s", recordText(c, r))
	for _, w := range recordWarnings(r) {
		a.term.warn("%s", w)
	}
	if !c.json {
		if c.output == "-" {
			return nil
		}
		return a.term.result("%s", oneLine(c.output))
	}
	digest, err := p.Digest()
	if err != nil {
		return err
	}
	return a.term.json(recordDocument{
		envelope: newEnvelope("record"), Profile: c.output, ProfileDigest: digest, Image: p.Image, Ready: r.Ready,
		Exit:     recordExit{Code: r.Exit.Code, Signal: r.Exit.Signal, Stopped: r.Stopped, Killed: r.Killed},
		Sessions: p.Sessions, Accesses: len(p.Accesses), Lost: p.Lost(), NotSeen: r.coverage,
	})
}

// recordText is what was recorded and, above all, what was not.
func recordText(c recordCommand, r *recorded) string {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n  %-10s %s", name, text)
		}
	}
	fmt.Fprintf(&b, "recorded %s", oneLine(c.image))
	line("ready", oneLine(r.Ready))
	line("asked", askedText(r.Profile))
	line("ended", endedText(r))
	line("touched", touchedText(r))
	b.WriteString("\nnot seen by this recording, and so not in a slim image:")
	n := b.Len()
	v := r.coverage
	line("ports", numbers(v.PortsNotAsked, "nobody asked"))
	line("programs", list(v.ProgramsNotRun, "named by the config, never ran:"))
	line("routes", list(v.RoutesNotAsked, ""))
	line("apps", shares(v.Apps))
	line("packages", shares(v.Packages))
	if v.PackagesUntouched > 0 {
		line("", fmt.Sprintf("%d others were not touched at all", v.PackagesUntouched))
	}
	if b.Len() == n {
		b.WriteString(" nothing that can be told")
	}
	if c.output != "" {
		fmt.Fprintf(&b, "\n  %-10s pare slim %s -p %s -o DEST", "next", oneLine(c.image), oneLine(c.output))
	}
	return b.String()
}

func askedText(p *profile.Profile) string {
	var all, failed, volatile int
	for _, s := range p.Sessions {
		for _, q := range s.Probes {
			all++
			if q.Answer.Error != "" {
				failed++
			}
			if len(q.Answer.Volatile) > 0 {
				volatile++
			}
		}
	}
	if all == 0 {
		return "nothing"
	}
	text := fmt.Sprintf("%d questions, each twice", all)
	if volatile > 0 {
		text += fmt.Sprintf("; %d answered differently the second time", volatile)
	}
	if failed > 0 {
		text += fmt.Sprintf("; %d got no answer", failed)
	}
	return text
}

func endedText(r *recorded) string {
	text := fmt.Sprintf("with exit code %d", r.Exit.Code)
	switch {
	case r.Killed:
		text += ", killed"
	case r.Stopped:
		text += ", after its stop signal"
	}
	return text
}

func touchedText(r *recorded) string {
	found := 0
	for _, acc := range r.Profile.Accesses {
		if acc.Exists {
			found++
		}
	}
	return fmt.Sprintf("%d paths, and asked for %d that do not exist", found, len(r.Profile.Accesses)-found)
}

// recordWarnings are what makes a recording doubtful.
func recordWarnings(r *recorded) []string {
	var out []string
	p := r.Profile
	if n := p.Lost(); n > 0 {
		out = append(out, fmt.Sprintf("%d events were lost: the profile is not complete", n))
	}
	if r.Killed {
		out = append(out, "the program did not end after its stop signal and was killed: what it would read at shutdown was not seen (--stop-timeout)")
	}
	for _, n := range r.Notes {
		out = append(out, oneLine(n))
	}
	for _, s := range p.Sessions {
		for _, v := range s.Privileges {
			if v.Denied {
				out = append(out, fmt.Sprintf("%s gained no privilege under the recorder (%s), so what it would have done was not seen; record with engine builtin as root, or with --sensor-cap SYS_ADMIN", oneLine(v.Path), v.Kind))
			}
		}
		for _, f := range s.Findings {
			out = append(out, fmt.Sprintf("%s (first %s; %d times)", oneLine(f.Text), oneLine(f.By), f.Count))
		}
		for _, q := range s.Probes {
			switch {
			case q.Answer.Error != "":
				out = append(out, fmt.Sprintf("%s got no answer: %s", oneLine(probe.Line(q)), oneLine(q.Answer.Error)))
			case q.Kind == profile.ProbeRun && q.Answer.ExitCode != 0:
				out = append(out, fmt.Sprintf("%s failed with exit code %d on the image as it is: what it would have gone on to ask was not seen", oneLine(probe.Line(q)), q.Answer.ExitCode))
			}
		}
	}
	return out
}

// list shows the first few of names.
func list(all []string, head string) string {
	if len(all) == 0 {
		return ""
	}
	var out []string
	for _, name := range all[:min(shown, len(all))] {
		out = append(out, oneLine(name))
	}
	return strings.TrimSpace(head + " " + withRest(out, len(all)))
}

func numbers(all []int, head string) string {
	var out []string
	for _, n := range all {
		out = append(out, fmt.Sprint(n))
	}
	return list(out, head)
}

// shares shows those of which least was touched.
func shares(all []record.Share) string {
	var out []string
	for _, s := range all[:min(shown, len(all))] {
		out = append(out, fmt.Sprintf("%s %d of %d files", printable(s.Name), s.Touched, s.Files))
	}
	return withRest(out, len(all))
}
