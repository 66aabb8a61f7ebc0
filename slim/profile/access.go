package profile

import (
	"path"
	"strings"
)

// OnlyLink says that a symlink was looked at and never followed.
func (a *Access) OnlyLink() bool {
	for _, k := range a.Kinds {
		if k != Readlink && k != Delete {
			return false
		}
	}
	return true
}

// Mounted says that a path lies where runtimes mount file systems of the
// kernel: what is there is not the image's.
func Mounted(p string) bool {
	p = path.Clean(p)
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}
