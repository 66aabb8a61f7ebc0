package slim

import (
	"path"

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
	var out []elfdeps.CacheEntry
	seen := map[string]bool{}
	for _, dir := range s.libraryDirs() {
		res, err := s.tree.Resolve(dir)
		if err != nil || seen[res.Entry.Path] {
			continue // the same directory by another name, as after usr-merge
		}
		seen[res.Entry.Path] = true
		out = append(out, s.cacheDir(res.Entry.Path, dir, "")...)
		for _, level := range s.tree.Children(path.Join(res.Entry.Path, "glibc-hwcaps")) {
			out = append(out, s.cacheDir(level.Path, path.Join(dir, "glibc-hwcaps", level.Name()), level.Name())...)
		}
	}
	return out
}

// libraryDirs are ldconfig's directories for the machines of kept libraries.
func (s *selection) libraryDirs() []string {
	var dirs []string
	known := map[string]bool{}
	machines := map[uint32]bool{}
	for _, p := range s.keep.order {
		info := elfTree{s.tree}.ELF(p)
		if info == nil || machines[uint32(info.Machine)<<8|uint32(info.Class)] {
			continue
		}
		machines[uint32(info.Machine)<<8|uint32(info.Class)] = true
		for _, d := range s.libs.Directories(info) {
			if !known[d] {
				known[d] = true
				dirs = append(dirs, d)
			}
		}
	}
	return dirs
}

func (s *selection) cacheDir(real, name, level string) []elfdeps.CacheEntry {
	var out []elfdeps.CacheEntry
	for _, e := range s.tree.Children(real) {
		if e.Type == layers.Directory || !s.keep.Has(e.Path) {
			continue
		}
		final, ok := elfTree{s.tree}.ResolveFile(e.Path)
		if !ok {
			continue
		}
		info := elfTree{s.tree}.ELF(final)
		if info == nil || info.Soname != e.Name() {
			continue
		}
		out = append(out, elfdeps.CacheEntry{Soname: info.Soname, Path: path.Join(name, e.Name()), Info: info, HWCaps: level})
	}
	return out
}
