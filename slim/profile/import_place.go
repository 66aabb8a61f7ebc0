package profile

import (
	"path"
	"strings"
)

// Why accesses are not used. Those that were accesses are counted as lost.
const (
	skipRelative = "a relative path, and the working directory is not recorded"
	skipBytes    = "a path whose bytes the recorder lost (it is not UTF-8)"
	skipInvalid  = "no path that can exist (a NUL in it, or longer than 4096 bytes)"
	skipCut      = "a path that the recorder may have cut off"
	skipNoFile   = "a pipe, a socket or memory, no file"
	skipNoPath   = "an event without a path"
	skipKind     = "an event of a kind that is not read for paths"
	skipLayer    = "of another container, or of a layer that --root does not name"
	skipOutside  = "outside of the container's root"
)

// place makes a profile's path of what a recorder wrote, below dir when it is
// relative; or gives the reason why there is none.
func place(dir, name string) (p, reason string) {
	switch {
	case name == "":
		return "", skipNoPath
	case strings.Contains(name, "\uFFFD"):
		return "", skipBytes
	case anonymous(name):
		return "", skipNoFile
	case path.IsAbs(name):
	case path.IsAbs(dir):
		name = dir + "/" + name
	default:
		return "", skipRelative
	}
	if name = clean(name); checkPath(name) != nil {
		return "", skipInvalid
	}
	return name, ""
}

// anonymous tells what the kernel writes for what has no name: "pipe:[123]",
// "anon_inode:[eventfd]", "memfd:x".
func anonymous(name string) bool {
	for _, kind := range []string{"pipe:[", "socket:[", "anon_inode:", "memfd:", "/memfd:", "net:[", "mnt:["} {
		if strings.HasPrefix(name, kind) {
			return true
		}
	}
	return false
}

// lossy says whether an access is missing when it was not used for a reason.
func lossy(reason string) bool {
	switch reason {
	case skipNoFile, skipNoPath, skipKind, skipLayer, skipOutside:
		return false
	}
	return true
}

// inRoot is a path below the container's root as the recorder saw it.
func inRoot(root, p string) (string, bool) {
	root = clean(root)
	if root == "" || root == "/" {
		return p, true
	}
	if p == root {
		return "/", true
	}
	inside, ok := strings.CutPrefix(p, root+"/")
	return "/" + inside, ok
}

// missing says whether an error number or name of Linux tells that the path
// does not lead anywhere; with any other error there was something.
func missing(errno string) bool {
	switch strings.TrimPrefix(errno, "-") {
	case "2", "ENOENT", "20", "ENOTDIR", "40", "ELOOP", "36", "ENAMETOOLONG", "14", "EFAULT":
		return true
	}
	return false
}

// Bits of open(2)'s flags, the same on amd64 and arm64.
const (
	openAccess = 0o3
	openCreate = 0o100
	openTrunc  = 0o1000
)

// flagKinds are the kinds of an open whose flags are given by number.
func flagKinds(flags int64) []Kind {
	names := "O_RDONLY"
	if flags&openAccess != 0 {
		names = "O_RDWR"
	}
	if flags&openCreate != 0 {
		names += "|O_CREAT"
	}
	if flags&openTrunc != 0 {
		names += "|O_TRUNC"
	}
	return openKinds(names)
}
