package rebase

import (
	"context"
	"fmt"

	"github.com/pare-image/pare/layers"
)

// checkLinks wants symlinks of upper layers to lead somewhere where they did.
var checkLinks = check{name: FindingLink, run: func(_ context.Context, s *scene) ([]Finding, error) {
	var out []Finding
	for e := range s.next.All() {
		if e.Type != layers.Symlink || !s.isUpper(e) {
			continue
		}
		if _, err := s.next.Resolve(e.Path); err == nil {
			continue
		}
		was, err := s.app.Resolve(e.Path)
		if err != nil {
			continue
		}
		out = append(out, Finding{
			Name: FindingLink, Severity: SeverityError, Path: utf8Path(e.Path), Layer: s.layerOfApp(e.Layer),
			Text: fmt.Sprintf("this link led to %q, which the new base does not have", was.Entry.Path),
			Next: "build the image anew on this base, or, if nothing needs the link, allow it with --allow " + FindingLink,
		})
	}
	return out, nil
}}
