package slim

import (
	"path"
	"regexp"
	"slices"

	"github.com/pare-image/pare/layers"
)

// groupFontconfig is the configuration of fontconfig (fonts-conf(5)), the
// fonts that are installed and the caches that list them. Which font is opened
// depends on the characters of a text and on the family that a document names;
// with a cache, a recording shows only those that its pages used. A library
// that is merely loaded says nothing: whoever draws reads fonts.conf first
// (FcInit).
var groupFontconfig = group{
	name:      "fontconfig",
	triggered: under(fontDirs...),
	add: func(s *selection, r Reason) {
		s.addTrees(r, nil, fontDirs...)
		s.addTrees(r, notFont, s.configuredFontDirs()...)
	},
}

// fontDirs hold configuration, fonts and caches in the distributions'
// fonts.conf; what of conf.avail is in use, links of conf.d name.
var fontDirs = []string{
	"/etc/fonts", "/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/X11/fonts", "/usr/share/ghostscript/fonts",
	"/var/cache/fontconfig", "/usr/lib/fontconfig/cache",
}

// fontDir matches a directory of fonts in fonts.conf; those with a prefix
// attribute are relative to a user's home.
var fontDir = regexp.MustCompile(`<dir>\s*(/[^<]*?)\s*</dir>`)

// Bounds that only a hostile configuration meets.
const (
	maxFontConfigs = 1024
	maxFontDirs    = 64
)

// configuredFontDirs are the directories that the image's own configuration
// adds, which may hold more than fonts.
func (s *selection) configuredFontDirs() []string {
	files := []string{"/etc/fonts/fonts.conf", "/etc/fonts/local.conf"}
	if res, err := s.tree.Resolve("/etc/fonts/conf.d"); err == nil {
		for _, e := range s.tree.Children(res.Entry.Path) {
			files = append(files, e.Path)
		}
	}
	var out []string
	for _, f := range files[:min(len(files), maxFontConfigs)] {
		for _, m := range fontDir.FindAllSubmatch(s.readConfig(f), -1) {
			dir := path.Clean(string(m[1]))
			if dir != "/" && !slices.Contains(fontDirs, dir) && !slices.Contains(out, dir) && len(out) < maxFontDirs {
				out = append(out, dir)
			}
		}
	}
	return out
}

// fontFile matches what FreeType opens as a font, and what goes with it.
var fontFile = regexp.MustCompile(`(?i)\.(ttf|ttc|otf|otc|otb|pfa|pfb|afm|pfm|bdf|pcf|woff2?)(\.gz)?$`)

func notFont(e *layers.Entry) bool {
	return e.Type != layers.Directory && !fontFile.MatchString(e.Path)
}
