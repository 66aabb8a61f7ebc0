package slim

import (
	"path"
	"regexp"
	"strings"

	"github.com/pare-image/pare/layers"
)

// groupPerlEncode is Perl's character encodings: Encode loads Encode::JP and
// its like when the name of an encoding is first met (Encode::Config's table,
// Encode::getEncoding), and names come with pages and mails.
var groupPerlEncode = group{
	name:      "perl-encode",
	triggered: func(p string) bool { return perlEncode.MatchString(p) },
	add: func(s *selection, r Reason) {
		for _, lib := range s.homes(perlEncode) {
			s.addFiles(r, path.Join(lib, "Encode.pm"))
			s.addTrees(r, notPerlCode, path.Join(lib, "Encode"), path.Join(lib, "auto/Encode"))
		}
	},
}

// perlEncode matches Encode and what is below it, in a directory of @INC.
var perlEncode = regexp.MustCompile(`^(/.*/perl(?:5|-base)?(?:/.+?)?)/(?:Encode\.pm|(?:auto/)?Encode/.+\.(?:pm|pl|so))$`)

// notPerlCode says that a file is none that require or XSLoader opens.
func notPerlCode(e *layers.Entry) bool {
	switch path.Ext(e.Path) {
	case ".pm", ".pl", ".so":
		return false
	}
	return e.Type != layers.Directory && !strings.HasSuffix(e.Path, ".al")
}
