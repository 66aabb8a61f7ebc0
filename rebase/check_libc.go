package rebase

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
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
		family := libcFamily(elf.Interp)
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
		out = append(out, Finding{
			Name: FindingLibc, Severity: SeverityError, Path: utf8Path(e.Path), Layer: s.layerOfApp(e.Layer),
			Text: fmt.Sprintf("%d programs of the image are made for %s, whose loader %s the new base does not have", counts[family], family, e.Sniff().ELF.Interp),
			Next: "choose a base with " + family + ", or build the image anew on this one",
		})
	}
	return out, nil
}}

// libcFamily is the C library that a loader belongs to; "" when it is none
// that is known.
func libcFamily(interp string) string {
	switch name := path.Base(interp); {
	case strings.HasPrefix(name, "ld-musl-"):
		return "musl"
	case strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld64.so") || strings.HasPrefix(name, "ld.so"):
		return "glibc"
	}
	return ""
}
