package slim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Provenance is what an image of [Build] says that it was made of.
type Provenance struct {
	Source  string // the digest of the image that was slimmed
	Profile string // the digest of the profile that it was slimmed by
	// Options are those of the slim, with its Origin, and no Version.
	Options Options
}

// ErrProvenance says that an image does not tell well enough how it was made.
var ErrProvenance = errors.New("the image does not say how it was slimmed")

// IsSlim says that an image is one of [Build] on scratch, and not one that was
// built on it since: that has its labels too.
func IsSlim(c *v1.ConfigFile) bool {
	if c.Config.Labels[LabelSource] == "" || len(c.History) != len(c.RootFS.DiffIDs) {
		return false
	}
	for _, h := range c.History {
		if !strings.HasPrefix(h.CreatedBy, createdByPare) {
			return false
		}
	}
	return true
}

// ReadProvenance reads an image's labels, which anybody may have written. The
// error is an ErrProvenance.
func ReadProvenance(labels map[string]string) (*Provenance, error) {
	p := &Provenance{Source: labels[LabelSource], Profile: labels[LabelProfile]}
	origin := Origin{Source: labels[LabelOriginSource], Base: labels[LabelOriginBase], Profiles: digestList(labels[LabelOriginProfiles])}
	for _, l := range []struct {
		name    string
		digests []string
	}{
		{LabelSource, []string{p.Source}},
		{LabelProfile, []string{p.Profile}},
		{LabelOptions, []string{labels[LabelOptions]}},
		{LabelOriginSource, given(origin.Source)},
		{LabelOriginBase, given(origin.Base)},
		{LabelOriginProfiles, origin.Profiles},
	} {
		for _, d := range l.digests {
			if _, err := v1.NewHash(d); err != nil {
				return nil, fmt.Errorf("%w: its label %s is %q; want a digest", ErrProvenance, l.name, d)
			}
		}
	}
	text := labels[LabelOptionsText]
	if text == "" {
		return nil, fmt.Errorf("%w: it has no label %s, so it is of an older pare, or its options take more than %d bytes", ErrProvenance, LabelOptionsText, maxOptionsText)
	}
	o, err := readOptions(text)
	if err != nil {
		return nil, fmt.Errorf("%w: its label %s: %w", ErrProvenance, LabelOptionsText, err)
	}
	if o.digest() != labels[LabelOptions] {
		return nil, fmt.Errorf("%w: its label %s is not what %s is of", ErrProvenance, LabelOptionsText, LabelOptions)
	}
	p.Options = o
	p.Options.Origin = origin
	return p, nil
}

// given is a list of what may not be there.
func given(digest string) []string {
	if digest == "" {
		return nil
	}
	return []string{digest}
}

// digestList is a list of digests; nil for none.
func digestList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Fields(text)
}

// readOptions reads the text of options strictly: an option that is not known
// would be left out in silence.
func readOptions(text string) (Options, error) {
	var o Options
	if len(text) > maxOptionsText {
		return o, fmt.Errorf("more than %d bytes", maxOptionsText)
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return o, fmt.Errorf("%w; slim the source again with today's pare", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return o, errors.New("more data after the options")
	}
	if err := o.Check(); err != nil {
		return o, err
	}
	return o.withDefaults()
}

// Recorded is the digest of the image that the profile was recorded on, as far
// as the image tells: its source, or that of which its source is a rebase.
func (p *Provenance) Recorded() string {
	if o := p.Options.Origin.Source; o != "" {
		return o
	}
	return p.Source
}

// Profiles are the digests of the profiles that were given, before they were
// carried over to another image.
func (p *Provenance) Profiles() []string {
	if o := p.Options.Origin.Profiles; len(o) > 0 {
		return o
	}
	return []string{p.Profile}
}
