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
	if path.Base(path.Dir(dir)) == hwcaps {
		s.addLevels(path.Dir(path.Dir(dir)), name, r)
		return
	}
	s.addLevels(dir, name, r)
	s.addSiblings(dir, name, r)
}}

const (
	hwcaps = "glibc-hwcaps"
	// maxLevels bounds the subdirectories of glibc-hwcaps; glibc knows a
	// handful for each machine.
	maxLevels = 64
)

// cpuVariants is what ruleCPUDispatch has done, so that each set of variants
// is looked for once.
type cpuVariants struct {
	done     map[string]bool                       // baselines
	siblings map[string]map[string][]*layers.Entry // directory -> stem -> files with a feature in their name
}

func newCPUVariants() cpuVariants {
	return cpuVariants{map[string]bool{}, map[string]map[string][]*layers.Entry{}}
}

// first says that the variants of a baseline were not looked for before.
func (c *cpuVariants) first(baseline string) bool {
	seen := c.done[baseline]
	c.done[baseline] = true
	return !seen
}

// addLevels keeps a library of dir and its variants in dir/glibc-hwcaps.
func (s *selection) addLevels(dir, name string, r Reason) {
	if !s.cpu.first(path.Join(dir, hwcaps, name)) {
		return
	}
	levels := s.tree.Children(path.Join(dir, hwcaps))
	if len(levels) == 0 {
		return
	}
	s.addIfThere(path.Join(dir, name), r)
	for _, level := range levels[:min(len(levels), maxLevels)] {
		s.addIfThere(path.Join(level.Path, name), r)
	}
}

// addSiblings keeps the library of dir that is called like name but for CPU
// features, and those that are with other ones. libfoo.so.1 without a feature
// has no siblings: its version is not of the name.
func (s *selection) addSiblings(dir, name string, r Reason) {
	stem, special := cpuStem(name)
	if !special && !strings.HasSuffix(name, ".so") || !s.cpu.first(path.Join(dir, stem)) {
		return
	}
	for _, k := range s.withFeatures(dir)[stem] {
		s.add(k.Path, r)
	}
	if special {
		s.addIfThere(path.Join(dir, stem), r)
	}
}

// withFeatures are the files of dir that have a CPU feature in their name.
func (s *selection) withFeatures(dir string) map[string][]*layers.Entry {
	byStem, ok := s.cpu.siblings[dir]
	if ok {
		return byStem
	}
	byStem = map[string][]*layers.Entry{}
	for _, k := range s.tree.Children(dir) {
		if stem, special := cpuStem(k.Name()); special && k.Type != layers.Directory {
			byStem[stem] = append(byStem[stem], k)
		}
	}
	s.cpu.siblings[dir] = byStem
	return byStem
}

func (s *selection) addIfThere(p string, r Reason) {
	if e, ok := s.tree.Lookup(p); ok && e.Type != layers.Directory {
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
