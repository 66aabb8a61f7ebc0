package rebase

import (
	"path"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

const ldCache = "/etc/ld.so.cache"

// staleCache returns what ld.so.cache has to be in the result, where an upper
// layer carries one that is wrong as it was not before: the loader would not
// find the new base's libraries. A whiteout would not do, since it then finds
// none outside of its default directories. false when all is well.
func staleCache(s *scene) (want, bool, error) {
	r, err := s.next.Resolve(ldCache)
	if err != nil || r.Entry.Type != layers.Regular || !s.isUpper(r.Entry) {
		return want{}, false, nil //nolint:nilerr // no cache
	}
	entries := cacheEntries(s.next)
	before := cacheFaults(s.app, cacheEntries(s.app))
	stale := false
	for fault := range cacheFaults(s.next, entries) {
		stale = stale || !before[fault]
	}
	if !stale {
		return want{}, false, nil
	}
	b, err := elfdeps.WriteCache(entries)
	return contentOf(RepairLdCache, b, r.Entry.Header), true, err
}

// cacheFaults are the libraries that the cache of t lacks, and those that it
// names and that are not there. Which of several names of a file is listed does
// not matter: Debian's ldconfig passes over /lib64.
func cacheFaults(t *layers.Tree, entries []elfdeps.CacheEntry) map[string]bool {
	faults, listed := map[string]bool{}, map[[2]string]bool{}
	tree := layers.ELFTree{Tree: t}
	for _, line := range cacheLines(t) {
		final, ok := tree.ResolveFile(line[1])
		if !ok {
			faults["gone "+line[1]] = true
		}
		listed[[2]string{line[0], final}] = true
	}
	for _, e := range entries {
		if final, ok := tree.ResolveFile(e.Path); ok && !listed[[2]string{e.Soname, final}] {
			faults["missing "+e.Path] = true
		}
	}
	return faults
}

// cacheLines are the names and paths in the cache of t; nil when it cannot be
// read.
func cacheLines(t *layers.Tree) [][2]string {
	b, err := readMerged(t, ldCache)
	if err != nil {
		return nil
	}
	lines, err := elfdeps.ReadCache(b)
	if err != nil {
		return nil
	}
	return lines
}

// cacheEntries are the libraries in ldconfig's directories, for every machine
// that the image has a loader of.
func cacheEntries(t *layers.Tree) []elfdeps.CacheEntry {
	tree := layers.ELFTree{Tree: t}
	libs := elfdeps.NewResolver(tree)
	machines, known := map[[2]uint16]bool{}, map[string]bool{}
	var dirs []string
	for e := range t.All() {
		elf := e.Sniff().ELF
		if elf == nil || machines[[2]uint16{elf.Machine, uint16(elf.Class)}] {
			continue
		}
		machines[[2]uint16{elf.Machine, uint16(elf.Class)}] = true
		for _, d := range libs.Directories(elf) {
			if r, err := t.Resolve(d); err == nil && !known[r.Entry.Path] {
				known[r.Entry.Path] = true
				dirs = append(dirs, d)
			}
		}
	}
	out := elfdeps.CacheEntries(tree, dirs, nil)
	return append(out, unnamed(t, out)...)
}

// unnamed are the libraries that the cache lists besides: under a name that
// is not in them, as ldconfig does for those without a soname.
func unnamed(t *layers.Tree, named []elfdeps.CacheEntry) []elfdeps.CacheEntry {
	tree := layers.ELFTree{Tree: t}
	have := map[string]bool{}
	for _, e := range named {
		have[e.Path] = true
	}
	var out []elfdeps.CacheEntry
	for _, line := range cacheLines(t) {
		final, ok := tree.ResolveFile(line[1])
		if !ok || have[line[1]] || path.Base(path.Dir(path.Dir(line[1]))) == "glibc-hwcaps" {
			continue
		}
		have[line[1]] = true
		if info := tree.ELF(final); info != nil {
			out = append(out, elfdeps.CacheEntry{Soname: line[0], Path: line[1], Info: info})
		}
	}
	return out
}
