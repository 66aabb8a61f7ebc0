package slim

import (
	"path"
	"slices"
	"strings"
)

// groupMagic is the database of libmagic, compiled or not, and local additions
// (magic(5); the default of MAGIC is /etc/magic:/usr/share/misc/magic). It is
// opened by magic_load(3), which a program may call with the first upload; and
// of the places it may be in, the first that is there.
var groupMagic = group{
	name: "magic",
	triggered: func(p string) bool {
		return strings.HasPrefix(path.Base(p), "libmagic.so") || slices.ContainsFunc(magicFiles, func(f string) bool { return below(p, f) })
	},
	add: func(s *selection, r Reason) { s.addTrees(r, nil, magicFiles...) },
}

var magicFiles = []string{
	"/etc/magic", "/etc/magic.mime", "/usr/share/misc/magic", "/usr/share/misc/magic.mgc", "/usr/share/misc/magic.mime", "/usr/share/misc/magic.mime.mgc",
	"/usr/share/file/magic", "/usr/share/file/magic.mgc", "/usr/lib/file/magic.mgc", "/usr/share/magic", "/usr/share/magic.mgc",
}
