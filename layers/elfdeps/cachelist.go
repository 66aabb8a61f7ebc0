package elfdeps

import "path"

// CacheEntries lists the libraries that ldconfig(8) would put into
// ld.so.cache: those in dirs (see [Resolver.Directories]) and below their
// glibc-hwcaps, in this order, each under its soname. A nil keep takes all;
// else it is asked by the library's path.
func CacheEntries(t Tree, dirs []string, keep func(p string) bool) []CacheEntry {
	var out []CacheEntry
	for _, dir := range dirs {
		out = append(out, cacheDir(t, dir, "", keep)...)
		variants := path.Join(dir, "glibc-hwcaps")
		for _, level := range t.ReadDir(variants) {
			out = append(out, cacheDir(t, path.Join(variants, level), level, keep)...)
		}
	}
	return out
}

func cacheDir(t Tree, dir, level string, keep func(string) bool) []CacheEntry {
	var out []CacheEntry
	for _, name := range t.ReadDir(dir) {
		p := path.Join(dir, name)
		if keep != nil && !keep(p) {
			continue
		}
		final, ok := t.ResolveFile(p)
		if !ok {
			continue
		}
		info := t.ELF(final)
		if info == nil || info.Soname != name {
			continue
		}
		out = append(out, CacheEntry{Soname: name, Path: p, Info: info, HWCaps: level})
	}
	return out
}
