package elfdeps

import "path"

// CacheDirectories are those that ldconfig(8) would look into for all of the
// given files; resolve says where a directory leads, so that each appears once.
func CacheDirectories(r *Resolver, files []*Info, resolve func(dir string) (string, bool)) []string {
	type machine struct {
		machine uint16
		class   byte
	}
	machines, known := map[machine]bool{}, map[string]bool{}
	var dirs []string
	for _, info := range files {
		m := machine{info.Machine, info.Class}
		if machines[m] {
			continue
		}
		machines[m] = true
		for _, d := range r.Directories(info) {
			if real, ok := resolve(d); ok && !known[real] {
				known[real] = true
				dirs = append(dirs, d)
			}
		}
	}
	return dirs
}

// CacheFaults says what is wrong with an ld.so.cache in a tree for which
// ldconfig would list entries: the libraries that it lacks ("missing PATH"),
// and those that it names and that are not there ("gone PATH"). Which of
// several names of a file is listed does not matter: Debian's ldconfig passes
// over /lib64. A cache that cannot be read lists nothing.
func CacheFaults(t Tree, cache []byte, entries []CacheEntry) map[string]bool {
	faults, listed := map[string]bool{}, map[[2]string]bool{}
	for _, line := range cacheLines(cache) {
		final, ok := t.ResolveFile(line[1])
		if !ok {
			faults["gone "+line[1]] = true
		}
		listed[[2]string{line[0], final}] = true
	}
	for _, e := range entries {
		if final, ok := t.ResolveFile(e.Path); ok && !listed[[2]string{e.Soname, final}] {
			faults["missing "+e.Path] = true
		}
	}
	return faults
}

// UnnamedEntries are the libraries that an ld.so.cache lists besides those of
// named: under a name that is not in them, as ldconfig does for those without
// a soname.
func UnnamedEntries(t Tree, cache []byte, named []CacheEntry) []CacheEntry {
	have := map[string]bool{}
	for _, e := range named {
		have[e.Path] = true
	}
	var out []CacheEntry
	for _, line := range cacheLines(cache) {
		final, ok := t.ResolveFile(line[1])
		if !ok || have[line[1]] || path.Base(path.Dir(path.Dir(line[1]))) == "glibc-hwcaps" {
			continue
		}
		have[line[1]] = true
		if info := t.ELF(final); info != nil {
			out = append(out, CacheEntry{Soname: line[0], Path: line[1], Info: info})
		}
	}
	return out
}

func cacheLines(cache []byte) [][2]string {
	lines, err := ReadCache(cache)
	if err != nil {
		return nil
	}
	return lines
}
