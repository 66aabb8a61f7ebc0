package slim

import (
	"path"
	"slices"
	"strings"
)

// groupGIO is the modules that GIO loads for what a program first asks of it:
// TLS, proxies, settings (gio-querymodules(1); GIOModule in GIO's reference).
// With giomodule.cache only those of the extension point in question are
// opened. The compiled settings schemas and the table of content types are
// each one file that is read on first use; without the schemas GSettings
// aborts the program.
var groupGIO = group{
	name: "gio",
	triggered: func(p string) bool {
		return strings.HasPrefix(path.Base(p), "libgio-2.0.so") || inLibraries("gio")(p) || slices.Contains(gioData, p)
	},
	add: func(s *selection, r Reason) {
		s.addLibraryTrees(r, "gio/modules")
		s.addFiles(r, gioData...)
	},
}

var gioData = []string{"/usr/share/glib-2.0/schemas/gschemas.compiled", "/usr/share/mime/mime.cache"}
