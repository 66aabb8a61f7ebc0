package slim

import (
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
)

// rulePerl keeps what belongs to a kept module of Perl wherever it lies: its
// extension and what AutoSplit cut off it (auto/NAME; XSLoader, AutoLoader),
// and of an extension its module. Perl itself brings what it loads by name
// when a program does something that a recording may not show.
var rulePerl = rule{
	name: "perl",
	seed: func(s *selection) {
		from := s.firstTouched(func(p string) bool { return perlRootOf(p) != "" && isPerl(path.Base(p)) })
		for _, root := range s.perlEnv().roots {
			if s.isPerlCore(root) {
				for _, name := range perlLoads {
					s.addFiles(Reason{Rule: "perl", From: from}, path.Join(root, name))
				}
			}
		}
	},
	visit: func(s *selection, e *layers.Entry) {
		root := perlRootOf(e.Path)
		if e.Type == layers.Directory || root == "" {
			return
		}
		r := Reason{Rule: "perl", From: e.Path}
		inside := strings.TrimPrefix(e.Path, root+"/")
		if module, ok := strings.CutSuffix(inside, ".pm"); ok {
			s.addPerlAuto(path.Join(root, "auto", module), r)
			return
		}
		if auto, ok := strings.CutPrefix(inside, "auto/"); ok {
			s.addFiles(r, path.Join(root, path.Dir(auto)+".pm"))
		}
	},
}

// perlLoads are the modules that the interpreter loads from C, by name, for a
// construct of the language (Perl 5.36: gv.c for %!, %+ and methods of file
// handles; op.c for attributes and glob; perlio.c for layers of files;
// mro_core.c; toke.c for \N{}), what those load in turn, and the halves that
// modules of Perl load when they are first needed.
var perlLoads = []string{
	"Errno.pm", "Tie/Hash/NamedCapture.pm", "attributes.pm", "File/Glob.pm", "PerlIO/scalar.pm", "PerlIO/encoding.pm",
	"mro.pm", "_charnames.pm", "utf8.pm", "feature.pm", "Carp.pm", "Exporter/Heavy.pm", "Carp/Heavy.pm", "Config_heavy.pl", "Config_git.pl",
	"bytes_heavy.pl", "utf8_heavy.pl",
	"IO/File.pm", "IO/Handle.pm", "IO/Seekable.pm", "IO.pm", "Fcntl.pm", "Symbol.pm", "SelectSaver.pm", "Exporter.pm", "XSLoader.pm",
}

// addPerlAuto keeps the files of a module in its directory below auto: others
// there are directories of other modules.
func (s *selection) addPerlAuto(dir string, r Reason) {
	for _, e := range s.tree.Children(dir) {
		if e.Type != layers.Directory && isPerl(e.Name()) {
			s.add(e.Path, r)
		}
	}
}
