package slim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// findDrift tells of a profile that was recorded on another image and carried
// to this one: what is gone, and that nobody has verified the result.
func (pl *planner) findDrift() {
	gone := map[drifted][]string{}
	for _, d := range pl.profile.Derived {
		for _, g := range d.Gone {
			k := pl.drifted(g)
			gone[k] = append(gone[k], unquoted(g.Path))
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(gone), drifted.compare) {
		pl.finding(k.finding(slices.Min(gone[k]), len(gone[k])))
	}
	for _, d := range pl.profile.Unverified() {
		pl.risk("derived-profile", "", fmt.Sprintf("recorded on %s, carried over to this image, and not verified on it: run pare verify", imageText(d.From)))
	}
}

// imageText names a recorded image.
func imageText(i profile.Image) string {
	text := cmp.Or(i.Digest, i.Config, "an image that the profile does not name")
	if i.Platform != "" {
		text += " (" + i.Platform + ")"
	}
	return text
}

// drifted is what one finding is about: paths that are gone for one reason.
type drifted struct {
	severity      Severity
	inImage       bool
	owner, reason string
}

func (d drifted) compare(e drifted) int {
	known := func(d drifted) string { return strconv.FormatBool(d.inImage) }
	return cmp.Or(cmp.Compare(d.severity, e.severity), cmp.Compare(d.owner, e.owner), cmp.Compare(d.reason, e.reason), cmp.Compare(known(d), known(e)))
}

// drifted says how bad it is that a path is gone. What the workload used of
// the recorded image may have gone by another name that nobody can tell, and
// that would be missing; where the whole of it comes along anyway, or it was
// only looked at, or the workload may have made it, there is less to fear.
func (pl *planner) drifted(g profile.Gone) drifted {
	d := drifted{SeverityWarning, g.InImage, g.Package, g.Text}
	if g.InImage && g.Used && !pl.comesWhole(g) {
		d.severity = SeverityError
	}
	return d
}

// comesWhole says that a path was of an application directory or a group,
// which are kept whole.
func (pl *planner) comesWhole(g profile.Gone) bool {
	p := unquoted(g.Path)
	if g.Package == "" && pl.options.Granularity != GranularityFile && pl.appRoot(p) != "" {
		return true
	}
	return slices.ContainsFunc(groups, func(g group) bool { return g.triggered(p) && pl.firstTouched(g.triggered) != "" })
}

func unquoted(p string) string {
	if s, err := strconv.Unquote(p); err == nil && strings.HasPrefix(p, `"`) {
		return s
	}
	return p
}

// finding is about n paths, of which first is the first.
func (d drifted) finding(first string, n int) Finding {
	f := Finding{
		Name: FindingProfileDrift, Severity: d.severity, Path: first,
		Text: "the recorded image had it, this one does not: " + d.reason,
		Next: "--keep what took its place, record this image, or, if the program no longer needs it, --allow " + FindingProfileDrift,
	}
	if !d.inImage {
		f.Text = "it existed when the workload ran, and is not in this image: " + d.reason
		f.Next = "if the recorded image had it (--recorded-on IMAGE tells), --keep what took its place"
	}
	if n > 1 {
		of := ""
		if d.owner != "" {
			of = " of " + d.owner
		}
		f.Text += fmt.Sprintf("; so are %d more%s", n-1, of)
	}
	return f
}
