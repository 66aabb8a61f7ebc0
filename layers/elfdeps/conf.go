package elfdeps

import (
	"path"
	"slices"
	"strings"
)

// Bounds of the loader's configuration: an include may name itself.
const (
	maxConfDepth = 8
	maxConfFiles = 256
	maxConfDirs  = 4096
)

// confFiles collects the directories of ld.so.conf(5) files (see ldconfig(8)).
type confFiles struct {
	dirs  []string
	files []string
}

func (c *confFiles) sorted() []string {
	slices.Sort(c.files)
	return slices.Compact(c.files)
}

func (c *confFiles) read(t Tree, file string, depth int) {
	b := t.ReadFile(file)
	if b == nil || depth > maxConfDepth || len(c.files) == maxConfFiles {
		return
	}
	c.files = append(c.files, file)
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if pats, ok := cutWord(line, "include"); ok {
			for pat := range strings.FieldsSeq(pats) {
				c.include(t, file, pat, depth)
			}
			continue
		}
		// "hwcap 0 nosegneg" lines of old glibc name no directory.
		if dir, _, _ := strings.Cut(line, "="); path.IsAbs(dir) && len(c.dirs) < maxConfDirs {
			c.dirs = append(c.dirs, path.Clean(strings.TrimSpace(dir)))
		}
	}
}

func cutWord(line, word string) (string, bool) {
	rest, ok := strings.CutPrefix(line, word)
	return rest, ok && rest != "" && (rest[0] == ' ' || rest[0] == '\t')
}

// include reads the files that a pattern matches; wildcards in the last
// component only, as everybody writes it.
func (c *confFiles) include(t Tree, from, pattern string, depth int) {
	if !path.IsAbs(pattern) {
		pattern = path.Join(path.Dir(from), pattern)
	}
	dir, last := path.Split(pattern)
	for _, name := range t.ReadDir(path.Clean(dir)) {
		if ok, err := path.Match(last, name); ok && err == nil {
			c.read(t, path.Join(dir, name), depth+1)
		}
	}
}

// readMusl returns musl's search path: /etc/ld-musl-ARCH.path, else its
// built-in one (musl, ldso/dynlink.c); nil when the tree has no musl.
func (r *Resolver) readMusl() []string {
	var arch string
	for _, name := range r.tree.ReadDir("/lib") {
		if rest, ok := strings.CutPrefix(name, "ld-musl-"); ok {
			arch, _, _ = strings.Cut(rest, ".so")
		}
	}
	if arch == "" {
		return nil
	}
	file := "/etc/ld-musl-" + arch + ".path"
	b := r.tree.ReadFile(file)
	if b == nil {
		return []string{"/lib", "/usr/local/lib", "/usr/lib"}
	}
	r.conf.files = append(r.conf.files, file)
	return strings.FieldsFunc(string(b), func(c rune) bool { return c == ':' || c == '\n' })
}
