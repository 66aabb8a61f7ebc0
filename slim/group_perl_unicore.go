package slim

import (
	"path"
	"regexp"
)

// groupPerlUnicore is Perl's Unicode database: each property, table of case
// and name is a file that is read when a pattern or a string first asks for it
// (perluniprops, Unicode::UCD, charnames).
var groupPerlUnicore = group{
	name:      "perl-unicore",
	triggered: func(p string) bool { return perlUnicore.MatchString(p) || perlUnicoreUser.MatchString(p) },
	add: func(s *selection, r Reason) {
		for _, lib := range s.homes(perlUnicore) {
			s.addTrees(r, nil, path.Join(lib, "unicore"))
		}
	},
}

// perlUnicore matches a file of the database, in a directory of @INC.
var perlUnicore = regexp.MustCompile(`^(/.*/perl(?:5|-base)?(?:/.+)?)/unicore/.+$`)

// perlUnicoreUser matches the modules that read it when they are asked.
var perlUnicoreUser = regexp.MustCompile(`^/.*/perl(5|-base)?(/.+)?/(Unicode/UCD|_charnames)\.pm$`)
