package slim

import (
	"path"
	"regexp"
	"strings"

	"github.com/pare-image/pare/layers"
)

// ruleCPUDispatch keeps the variants of a library for other CPUs: production
// may run on another one than the recording. The loader chooses among
// glibc-hwcaps subdirectories (ld.so(8)); some libraries choose among
// siblings called after CPU features (libfoo_avx2.so).
var ruleCPUDispatch = rule{name: "cpu-dispatch", visit: func(s *selection, e *layers.Entry) {
	if e.Type == layers.Directory || !strings.Contains(e.Name(), ".so") {
		return
	}
	r := Reason{Rule: "cpu-dispatch", From: e.Path}
	dir, name := path.Split(e.Path)
	dir = path.Clean(dir)
	if path.Base(path.Dir(dir)) == "glibc-hwcaps" {
		base := path.Dir(path.Dir(dir))
		s.addIfThere(path.Join(base, name), r)
		for _, level := range s.tree.Children(path.Dir(dir)) {
			s.addIfThere(path.Join(level.Path, name), r)
		}
		return
	}
	for _, level := range s.tree.Children(path.Join(dir, "glibc-hwcaps")) {
		s.addIfThere(path.Join(level.Path, name), r)
	}
	stem, special := cpuStem(name)
	if !special && !strings.HasSuffix(name, ".so") {
		return // libfoo.so.1 has no siblings called after features
	}
	for _, k := range s.tree.Children(dir) {
		if other, is := cpuStem(k.Name()); (is || special) && other == stem && k.Type != layers.Directory {
			s.add(k.Path, r)
		}
	}
}}

func (s *selection) addIfThere(p string, r Reason) {
	if _, ok := s.tree.Lookup(p); ok {
		s.add(p, r)
	}
}

// cpuFeature matches a CPU feature or family in a file name, with its separator.
var cpuFeature = regexp.MustCompile(`(?i)[-_.](sse[234]?(\.?[12a])?|ssse3|avx|avx2|avx512[a-z]*|fma[34]?|neon|asimd|sve2?|haswell|skylakex?|zen[0-9]?|nehalem|sandybridge|icelake|alderlake|sse42|sse41|x64|x86[-_]64[-_]v[234])([-_.])`)

// cpuStem is a file name without the CPU feature in it; false when it has none.
func cpuStem(name string) (string, bool) {
	if !cpuFeature.MatchString(name) {
		return name, false
	}
	return cpuFeature.ReplaceAllString(name, "$3"), true
}
