package rebase

import (
	"context"
	"fmt"

	"github.com/pare-image/pare/layers"
)

// FindingScript: a script's interpreter is not on the new base.
const FindingScript = "missing-script-interpreter"

// checkScripts wants scripts of upper layers to have their interpreter, where
// they had it: what the "#!" line names, and the program that env(1) looks
// for.
var checkScripts = check{name: FindingScript, run: func(_ context.Context, s *scene) ([]Finding, error) {
	var out []Finding
	for e := range s.next.All() {
		if e.Type != layers.Regular || e.Mode&0o111 == 0 || !s.isUpper(e) {
			continue
		}
		interp, program := layers.ParseShebang(e.Sniff().Shebang)
		for _, name := range []string{interp, program} {
			if name == "" || hasProgram(s.next, name) || !hasProgram(s.app, name) {
				continue
			}
			out = append(out, Finding{
				Name: FindingScript, Severity: SeverityError, Path: utf8Path(e.Path), Layer: s.layerOfApp(e.Layer),
				Text: fmt.Sprintf("its #! line names %q, which the new base does not have", name),
				Next: "build the image anew on this base, or choose a base that has it",
			})
		}
	}
	return out, nil
}}

func hasProgram(t *layers.Tree, name string) bool {
	_, ok := findProgram(t, name)
	return ok
}
