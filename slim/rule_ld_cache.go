package slim

import (
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// ruleLdCache writes ld.so.cache anew from the kept libraries, when the
// source has one: a stale one sends the loader to files that are gone. The
// loader's configuration stays, for who adds libraries later.
var ruleLdCache = rule{
	name: "ld.so.cache",
	settle: func(s *selection) {
		if !s.hasLdCache() {
			return
		}
		for _, f := range s.libs.ConfigFiles() {
			if !s.keep.Has(f) {
				s.add(f, Reason{Rule: "ld.so.cache"})
			}
		}
	},
	finish: func(s *selection) {
		if !s.hasLdCache() {
			return
		}
		b, err := elfdeps.WriteCache(s.cacheEntries())
		if err != nil {
			s.risk("ld-cache", ldCache, err.Error())
			return
		}
		s.generate(Generated{
			Path: ldCache, Header: layers.Header{Type: layers.Regular, Mode: 0o644}, Content: b,
			Reason: Reason{Rule: "ld.so.cache"}, Like: ldCache,
		})
	},
}

const ldCache = "/etc/ld.so.cache"

func (s *selection) hasLdCache() bool {
	r, err := s.tree.Resolve(ldCache)
	return err == nil && r.Entry.Type == layers.Regular
}

// cacheEntries lists the kept libraries in the directories of ldconfig, in
// their order, each under its soname.
func (s *selection) cacheEntries() []elfdeps.CacheEntry {
	return elfdeps.CacheEntries(s.elf(), s.libraryDirs(), func(p string) bool {
		res, err := s.tree.ResolveLink(p)
		return err == nil && s.keep.Has(res.Entry.Path)
	})
}

// libraryDirs are ldconfig's directories for the machines of kept libraries.
func (s *selection) libraryDirs() []string {
	var dirs []string
	known := map[string]bool{} // by real name: /lib may be a link
	machines := map[uint32]bool{}
	for _, p := range s.keep.order {
		info := s.elf().ELF(p)
		if info == nil || machines[uint32(info.Machine)<<8|uint32(info.Class)] {
			continue
		}
		machines[uint32(info.Machine)<<8|uint32(info.Class)] = true
		for _, d := range s.libs.Directories(info) {
			if res, err := s.tree.Resolve(d); err == nil && !known[res.Entry.Path] {
				known[res.Entry.Path] = true
				dirs = append(dirs, d)
			}
		}
	}
	return dirs
}
