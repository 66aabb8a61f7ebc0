package slim

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// Bounds on DT_RPATH, which libraries inherit: each file may be loaded by many
// that hand on other directories, and a hostile image has all combinations.
const (
	maxInherited = 64 // directories
	maxLoaders   = 16 // sets of them, for one file
	// maxLookups bounds needed libraries times directories searched, of all
	// files: ten times what large images come to, and less than a minute.
	maxLookups = 50_000_000
)

// need is a name in a file's DT_NEEDED.
type need struct{ file, name string }

// ruleELF keeps the interpreter and the libraries that a kept ELF file needs,
// where the loader would find them (ld.so(8)), and what LD_PRELOAD and
// /etc/ld.so.preload name. A library that is not found is a risk mark, as the
// source lacks it too.
var ruleELF = rule{
	name: "elf",
	seed: func(s *selection) {
		s.addPreloads(s.config.env["LD_PRELOAD"], "config:LD_PRELOAD")
		if list := s.read(ldPreload); list != nil {
			s.add(ldPreload, Reason{Rule: "elf"})
			s.addPreloads(string(list), ldPreload)
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
	finish: func(s *selection) {
		for n, found := range s.needs {
			if !found {
				s.risk("unresolved-needed", n.file, "needs "+quoted(n.name)+", which the source does not have either")
			}
		}
	},
}

const ldPreload = "/etc/ld.so.preload"

func (s *selection) addPreloads(list, from string) {
	for _, lib := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(" :\n\t", r) }) {
		if strings.HasPrefix(lib, "/") {
			s.add(lib, Reason{Rule: "elf", From: from})
		}
	}
}

// addNeeds keeps what f needs. Libraries found through a DT_RPATH that f
// hands on are followed here, since they inherit it; all others when they are
// visited.
func (s *selection) addNeeds(f elfdeps.File) {
	key := sha256.Sum256([]byte(f.Final + "\x00" + f.Path + "\x00" + strings.Join(f.Inherited, ":")))
	if s.elfSeen[key] || s.elfLoaders[f.Final] == maxLoaders {
		return
	}
	s.elfSeen[key] = true
	s.elfLoaders[f.Final]++
	if !s.spendLookups(s.lookupsOf(f)) {
		return
	}
	hands := s.libs.Hands(f)
	hands = hands[:min(len(hands), maxInherited)]
	for _, lib := range s.libs.Deps(f, s.config.libraryPath()) {
		n := need{f.Final, lib.Name}
		s.needs[n] = s.needs[n] || lib.Path != ""
		if lib.Path == "" {
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

// spendLookups counts look-ups that come; false when they are too many.
func (s *selection) spendLookups(n int) bool {
	if s.lookups += n; s.lookups > maxLookups {
		s.err = fmt.Errorf("finding libraries: %w: what the ELF files of this image need takes over %d look-ups", layers.ErrLimit, maxLookups)
		return false
	}
	return true
}

// lookupsOf is about how many names finding what f needs will look up.
func (s *selection) lookupsOf(f elfdeps.File) int {
	info := s.elf().ELF(f.Final)
	if info == nil {
		return 0
	}
	const always = 16 // ld.so.conf, default directories, variants
	return len(info.Needed) * (len(info.RPath) + len(info.RunPath) + len(f.Inherited) + always)
}
