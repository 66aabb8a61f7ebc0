package layers

import (
	"path"
	"strings"
)

// The names of layer.md, "Whiteouts", and of AUFS before it.
const (
	whiteoutPrefix = ".wh."
	whiteoutMeta   = ".wh..wh."
	opaqueMarker   = ".wh..wh..opq"
)

// cleanName makes "/a/b" of "./a/b", "a//b/", "/a/./b". A ".." never leaves
// the root ("../../a" is "/a"); climbs says that it would have.
func cleanName(name string) (clean string, dotdot, climbs bool) {
	if !strings.Contains(name, "..") {
		return path.Clean("/" + name), false, false
	}
	depth := 0
	for c := range strings.SplitSeq(name, "/") {
		switch c {
		case "", ".":
		case "..":
			dotdot = true
			depth--
			climbs = climbs || depth < 0
		default:
			depth++
		}
	}
	return path.Clean("/" + name), dotdot, climbs
}

// classify says what an entry called p (clean) means. drop: AUFS's own
// bookkeeping, which is nothing of the image.
func classify(p string) (kind recordKind, target string, drop bool, err error) {
	if !strings.Contains(p, "/"+whiteoutPrefix) {
		return recordEntry, p, false, nil
	}
	dir, base := path.Split(p)
	if strings.Contains(dir, "/"+whiteoutMeta) {
		return 0, "", true, nil
	}
	if strings.Contains(dir, "/"+whiteoutPrefix) {
		return 0, "", false, invalid("a whiteout has no children")
	}
	dir = path.Clean(dir)
	hidden, _ := strings.CutPrefix(base, whiteoutPrefix)
	switch {
	case base == opaqueMarker:
		return recordOpaque, dir, false, nil
	case strings.HasPrefix(base, whiteoutMeta):
		return 0, "", true, nil
	case hidden == "" || hidden == "." || hidden == "..":
		return 0, "", false, invalid("the whiteout names no file")
	}
	return recordWhiteout, path.Join(dir, hidden), false, nil
}

func (l *Limits) checkPath(what, p string) error {
	if len(p) > l.PathBytes {
		return overLimit("a %s of %d bytes, at most %d", what, len(p), l.PathBytes)
	}
	if n := strings.Count(p, "/"); n > l.PathDepth {
		return overLimit("a %s %d deep, at most %d", what, n, l.PathDepth)
	}
	return nil
}
