package slim

import (
	"path"
	"strings"
)

// groupImageMagick is ImageMagick's coders and filters, and its configuration:
// policy.xml, delegates.xml, types and colours. A coder is opened by the name
// of the format that an image has or is to have (magick/module.c,
// OpenModule), through its libtool file where it was built so; a coder that is
// gone is "no decode delegate for this image format". A configuration file is
// read when first needed; without policy.xml every limit and ban is lifted.
var groupImageMagick = group{
	name: "imagemagick",
	triggered: func(p string) bool {
		return strings.HasPrefix(path.Base(p), "libMagickCore-") || inImageMagick(p)
	},
	add: func(s *selection, r Reason) {
		for _, dir := range append(s.libraryRoots(), "/etc", "/usr/share") {
			for _, e := range s.tree.Children(dir) {
				if strings.HasPrefix(e.Name(), imageMagick) {
					s.addTrees(r, nil, e.Path)
				}
			}
		}
	},
}

// imageMagick begins the names of its directories, which end in a version.
const imageMagick = "ImageMagick-"

// inImageMagick says that a path is in a directory that groupImageMagick adds.
func inImageMagick(p string) bool {
	dir, _, ok := strings.Cut(p, "/"+imageMagick)
	return ok && (dir == "/etc" || dir == "/usr/share" || libraryDir.MatchString(dir))
}
