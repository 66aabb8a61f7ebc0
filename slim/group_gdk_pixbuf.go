package slim

import (
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
)

// groupGdkPixbuf is the image loaders that gdk-pixbuf opens by name, and the
// list of them (loaders.cache, gdk-pixbuf-query-loaders(1)): it loads that of
// the format which an image turns out to have (gdk-pixbuf-io.c,
// _gdk_pixbuf_load_module). The program that writes the list is not of it.
var groupGdkPixbuf = group{
	name: "gdk-pixbuf",
	triggered: func(p string) bool {
		return strings.HasPrefix(path.Base(p), "libgdk_pixbuf-2.0.so") || inLibraries("gdk-pixbuf-2.0")(p)
	},
	add: func(s *selection, r Reason) {
		for _, root := range s.libraryRoots() {
			s.addTrees(r, func(e *layers.Entry) bool { return e.Name() == "gdk-pixbuf-query-loaders" }, path.Join(root, "gdk-pixbuf-2.0"))
		}
	},
}
