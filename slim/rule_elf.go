package slim

import (
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// ruleELF keeps the interpreter and the libraries that a kept ELF file needs,
// where the loader would find them (ld.so(8)), and what LD_PRELOAD and
// /etc/ld.so.preload name. A library that is not found is a risk mark, as the
// source lacks it too.
var ruleELF = rule{
	name: "elf",
	seed: func(s *selection) {
		preload := s.config.env["LD_PRELOAD"] + " " + string(s.read("/etc/ld.so.preload"))
		for _, lib := range strings.FieldsFunc(preload, func(r rune) bool { return strings.ContainsRune(" :\n\t", r) }) {
			if strings.HasPrefix(lib, "/") {
				s.add(lib, Reason{Rule: "elf", From: "config:LD_PRELOAD"})
			}
		}
		if s.read("/etc/ld.so.preload") != nil {
			s.add("/etc/ld.so.preload", Reason{Rule: "elf"})
		}
	},
	visit: func(s *selection, e *layers.Entry) {
		if e.Type != layers.Regular {
			return
		}
		if sn := e.Sniff(); sn.ELFError != "" {
			s.risk("unreadable-elf", e.Path, sn.ELFError)
		} else if sn.ELF != nil && sn.ELF.Dynamic {
			s.addNeeds(elfdeps.File{Path: e.Path, Final: e.Path})
		}
	},
}

// addNeeds keeps what f needs. Libraries found through a DT_RPATH that f
// hands on are followed here, since they inherit it; all others when they are
// visited.
func (s *selection) addNeeds(f elfdeps.File) {
	key := f.Final + "\x00" + f.Path + "\x00" + strings.Join(f.Inherited, ":")
	if s.elfSeen[key] {
		return
	}
	s.elfSeen[key] = true
	hands := s.libs.Hands(f)
	for _, lib := range s.libs.Deps(f, s.config.libraryPath()) {
		if lib.Path == "" {
			s.risk("unresolved-needed", f.Final, "needs "+lib.Name+", which the source does not have either")
			continue
		}
		r := Reason{Rule: "elf", From: f.Final, Note: lib.Via}
		if lib.Via == "hwcaps" {
			r.Rule = "cpu-dispatch"
		}
		s.add(lib.Path, r)
		if lib.Path != lib.Final || len(hands) > 0 {
			s.addNeeds(elfdeps.File{Path: lib.Path, Final: lib.Final, Inherited: hands})
		}
	}
}
