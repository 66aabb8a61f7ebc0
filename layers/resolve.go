package layers

import (
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// maxLinks is Linux's limit on symlinks in one path (path_resolution(7)).
const maxLinks = 40

// Resolution is the outcome of following a path.
type Resolution struct {
	// Entry is what the path names in the end, never a symlink for Resolve.
	Entry *Entry
	// Links are the symlinks passed, in order.
	Links []string
	// Missing is, when there is no Entry, the first path (links resolved)
	// that does not exist.
	Missing string
}

// Resolve follows path as the kernel does in a chroot: symlinks and ".."
// stay inside the root, at most 40 links. The error is a *fs.PathError with
// fs.ErrNotExist, ENOTDIR or ELOOP; Links and Missing are filled even then.
func (t *Tree) Resolve(path string) (Resolution, error) {
	return resolve(t.root, path, true, nil)
}

// ResolveLink is Resolve, but the last component is not followed (lstat).
func (t *Tree) ResolveLink(path string) (Resolution, error) {
	return resolve(t.root, path, false, nil)
}

// resolver walks a path. The directories passed are a stack, so that ".."
// costs nothing.
type resolver struct {
	res     Resolution
	dirs    []*Entry // root first
	pending []string
}

func resolve(root *Entry, name string, follow bool, steps *int) (Resolution, error) {
	r := &resolver{dirs: []*Entry{root}, pending: strings.Split(name, "/")}
	var err error
	for len(r.pending) > 0 && err == nil {
		if steps != nil {
			if *steps++; *steps > maxSteps {
				return r.res, errSteps()
			}
		}
		err = r.step(follow)
	}
	if err != nil {
		return r.res, &fs.PathError{Op: "resolve", Path: name, Err: err}
	}
	if r.res.Entry == nil {
		r.res.Entry = r.dirs[len(r.dirs)-1]
	}
	return r.res, nil
}

// step handles the next component.
func (r *resolver) step(follow bool) error {
	name := r.pending[0]
	r.pending = r.pending[1:]
	dir := r.dirs[len(r.dirs)-1]
	if r.res.Entry != nil { // something that is no directory, with more to come
		if name == "" && len(r.pending) == 0 {
			return nil
		}
		r.res.Missing = path.Join(r.res.Entry.Path, name)
		r.res.Entry = nil
		return syscall.ENOTDIR
	}
	switch name {
	case "", ".":
		return nil
	case "..":
		r.dirs = r.dirs[:max(1, len(r.dirs)-1)]
		return nil
	}
	e := dir.child(name)
	switch {
	case e == nil:
		r.res.Missing = path.Join(dir.Path, name)
		return fs.ErrNotExist
	case e.Type == Symlink && (follow || len(r.pending) > 0):
		return r.follow(e)
	case e.Type == Directory:
		r.dirs = append(r.dirs, e)
	default:
		r.res.Entry = e
	}
	return nil
}

func (r *resolver) follow(e *Entry) error {
	r.res.Links = append(r.res.Links, e.Path)
	if len(r.res.Links) > maxLinks {
		return syscall.ELOOP
	}
	if e.Linkname == "" {
		r.res.Missing = e.Path
		return fs.ErrNotExist
	}
	if strings.HasPrefix(e.Linkname, "/") {
		r.dirs = r.dirs[:1]
	}
	r.pending = append(strings.Split(e.Linkname, "/"), r.pending...)
	return nil
}
