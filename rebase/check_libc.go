package rebase

import (
	"context"
	"fmt"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// checkLibc wants the new base to have a C library of the family that the
// image's own programs are made for.
var checkLibc = check{name: FindingLibc, run: func(_ context.Context, s *scene) ([]Finding, error) {
	counts, first := map[string]int{}, map[string]*layers.Entry{}
	for e := range s.next.All() {
		if e.Type != layers.Regular || !s.isUpper(e) {
			continue
		}
		elf := e.Sniff().ELF
		if elf == nil || elf.Interp == "" {
			continue
		}
		family := elfdeps.LibcFamily(elf.Interp)
		if _, err := s.next.Resolve(elf.Interp); err == nil || family == "" {
			continue
		}
		if _, err := s.app.Resolve(elf.Interp); err != nil {
			continue
		}
		if counts[family]++; first[family] == nil {
			first[family] = e
		}
	}
	var out []Finding
	for _, family := range sortedKeys(counts) {
		e := first[family]
		f := Finding{
			Name: FindingLibc, Severity: SeverityError, Path: utf8Path(e.Path), Layer: s.layerOfApp(e.Layer),
			Text: fmt.Sprintf("%d programs of the image are made for %s, whose loader %s the new base does not have", counts[family], family, e.Sniff().ELF.Interp),
			Next: "choose a base with " + family + ", or build the image anew on this one",
		}
		if _, err := s.base.Resolve(e.Sniff().ELF.Interp); err == nil {
			f.Text = fmt.Sprintf("%d programs of the image are made for %s, whose loader %s the new base has, and layers of the image hide", counts[family], family, e.Sniff().ELF.Interp)
			f.Next = "build the image anew on this base"
		}
		out = append(out, f)
	}
	return out, nil
}}
