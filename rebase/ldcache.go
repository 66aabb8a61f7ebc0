package rebase

import (
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

// cacheFaults is [elfdeps.CacheFaults] of the cache of t.
func cacheFaults(t *layers.Tree, entries []elfdeps.CacheEntry) map[string]bool {
	return elfdeps.CacheFaults(layers.ELFTree{Tree: t}, cacheOf(t), entries)
}

// cacheOf is the cache of t; nil when it cannot be read.
func cacheOf(t *layers.Tree) []byte {
	b, err := readMerged(t, ldCache)
	if err != nil {
		return nil
	}
	return b
}

// cacheEntries are the libraries in ldconfig's directories, for every machine
// that the image has a loader of.
func cacheEntries(t *layers.Tree) []elfdeps.CacheEntry {
	tree := layers.ELFTree{Tree: t}
	var files []*elfdeps.Info
	for e := range t.All() {
		if elf := e.Sniff().ELF; elf != nil {
			files = append(files, elf)
		}
	}
	dirs := elfdeps.CacheDirectories(elfdeps.NewResolver(tree), files, func(dir string) (string, bool) {
		r, err := t.Resolve(dir)
		if err != nil {
			return "", false
		}
		return r.Entry.Path, true
	})
	out := elfdeps.CacheEntries(tree, dirs, nil)
	return append(out, elfdeps.UnnamedEntries(tree, cacheOf(t), out)...)
}
