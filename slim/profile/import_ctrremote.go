package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ctrRemoteEntry is a line of the file that `ctr-remote optimize --record-out`
// writes: recorder.Entry of containerd/stargz-snapshotter, filled in by its
// analyzer/recorder/recorder.go (commit 0b9f220). Paths have no leading slash and are
// those of layers' tar entries, links resolved; each comes once, in the order
// of first access. What reads such files (export.go) needs the path alone.
type ctrRemoteEntry struct {
	Path           string `json:"path"`
	ManifestDigest string `json:"manifestDigest,omitempty"`
	LayerIndex     *int   `json:"layerIndex,omitempty"`
}

// importCtrRemote reads such a file. It names the image's manifest.
func importCtrRemote(r io.Reader, o ImportOptions) (*Profile, *ImportReport, error) {
	in := newLines(r)
	objs := newObjects(in)
	c := ctrRemoteImport{
		collector: newCollector(),
		report:    &ImportReport{Unit: "line", Lossy: ctrRemoteLossy},
		session:   Session{Engine: string(FormatCtrRemote)},
	}
	for {
		raw, err := objs.next()
		if errors.Is(err, io.EOF) {
			break
		}
		c.report.Lines++
		if err := c.line(raw, err); err != nil {
			return nil, nil, fmt.Errorf("reading record line %d: %w", c.report.Lines, err)
		}
	}
	img, err := ctrRemoteImage(o.Image, c.manifest)
	if err != nil {
		return nil, nil, err
	}
	c.session.ID = in.id()
	p, err := c.collector.profile(img, c.session)
	return p, c.report, err
}

var ctrRemoteLossy = []string{
	"files whose content was opened are all that ctr-remote records: no stat, no links on the way, nothing that was not found",
	"writes, programs, users, ports, HOME",
	"what came after its time was up (--period, 10 s unless told)",
}

type ctrRemoteImport struct {
	collector *collector
	report    *ImportReport
	session   Session
	manifest  string // of the image, "" not named yet
}

// line reads a line; err is what finding it gave.
func (c *ctrRemoteImport) line(raw []byte, err error) error {
	e, reason, err := parseCtrRemote(raw, err)
	if err != nil {
		return err
	}
	if reason != "" {
		c.report.skip(reason)
		if lossy(reason) {
			c.session.Lost++
		}
		return nil
	}
	if c.manifest == "" {
		c.manifest = e.ManifestDigest
	}
	if e.ManifestDigest != "" && e.ManifestDigest != c.manifest {
		return fmt.Errorf("%w: manifests %s and %s", ErrDifferentImage, printable(c.manifest), printable(e.ManifestDigest))
	}
	first := int64(c.report.Used)
	c.report.Used++
	return c.collector.add(Access{Path: e.Path, Exists: true, Kinds: []Kind{Open}, FirstMS: first})
}

// parseCtrRemote reads a line, its path made a profile's; or gives the reason
// why it cannot be used. err is what finding the line gave.
func parseCtrRemote(raw []byte, err error) (e ctrRemoteEntry, reason string, _ error) {
	if reason = damage(err); err != nil {
		if reason != "" {
			err = nil
		}
		return e, reason, err
	}
	if !utf8.Valid(raw) {
		return e, skipBytes, nil
	}
	if json.Unmarshal(raw, &e) != nil {
		return e, skipForeign, nil
	}
	e.Path, reason = place("/", strings.TrimPrefix(e.Path, "/"))
	return e, reason, nil
}

// ctrRemoteImage is the image that a record names, unless another was given.
func ctrRemoteImage(img Image, manifest string) (Image, error) {
	switch {
	case manifest == "":
	case img.Digest == "" && img.Config == "":
		img.Digest = manifest
	case img.Digest != manifest:
		return img, fmt.Errorf("importing record: %w: it is of manifest %s, and %s was given; give the image that ctr-remote ran, as its registry has it", ErrDifferentImage, printable(manifest), printable(img.Digest))
	}
	return img, nil
}
