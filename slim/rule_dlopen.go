package slim

import (
	"path"

	"github.com/pare-image/pare/layers"
)

// opensByName are the libraries that a library itself opens by name, by its
// soname, for what may happen in any program: no DT_NEEDED tells of them, and
// a recording shows them only when it happens.
var opensByName = map[string][]string{
	// glibc, misc/unwind-link.c: pthread_cancel, pthread_exit and backtrace
	// unwind with it; a thread that ends without it aborts the program.
	"libc.so.6": {"libgcc_s.so.1"},
}

// ruleDlopen keeps what kept libraries open by name.
var ruleDlopen = rule{name: "dlopen", visit: func(s *selection, e *layers.Entry) {
	if e.Type != layers.Regular {
		return
	}
	info := e.Sniff().ELF
	if info == nil {
		return
	}
	for _, name := range opensByName[info.Soname] {
		for _, dir := range s.libs.Directories(info) {
			if s.addLibrary(path.Join(dir, name), Reason{Rule: "dlopen", From: e.Path}) {
				break // as the loader stops at the first
			}
		}
	}
}}

// addLibrary keeps a file or a link to one, if it is there.
func (s *selection) addLibrary(p string, r Reason) bool {
	res, err := s.tree.Resolve(p)
	if err != nil || res.Entry.Type != layers.Regular {
		return false
	}
	s.add(p, r)
	return true
}
