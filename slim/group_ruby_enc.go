package slim

import (
	"path"
	"regexp"
)

// groupRubyEnc is Ruby's encodings and the converters between them, each an
// extension that is loaded when its name is first met (encoding.c, load_encoding;
// transcode.c, load_transcoder_entry), and the tables that
// String#unicode_normalize requires from C.
var groupRubyEnc = group{
	name:      "ruby-enc",
	triggered: func(p string) bool { return rubyEnc.MatchString(p) || rubyNormalize.MatchString(p) },
	add: func(s *selection, r Reason) {
		for _, lib := range s.homes(rubyEnc) {
			s.addTrees(r, nil, path.Join(lib, "enc"))
		}
		for _, lib := range s.homes(rubyNormalize) {
			s.addTrees(r, nil, path.Join(lib, "unicode_normalize"))
		}
	},
}

// rubyEnc matches an encoding in a directory of the architecture:
// /usr/lib/x86_64-linux-gnu/ruby/3.1.0, /usr/local/lib/ruby/3.3.0/x86_64-linux,
// /usr/lib64/ruby. rubyNormalize matches in the one for source. Gems are below
// further directories, which have names.
var (
	rubyEnc       = regexp.MustCompile(`^(/.*/lib(?:64)?(?:/[^/]+-linux[^/]*)?/ruby(?:/[0-9.]+)?(?:/[^/]+-linux[^/]*)?)/enc/(?:trans/)?[a-z0-9_]+\.so$`)
	rubyNormalize = regexp.MustCompile(`^(/.*/(?:lib(?:64)?|share)/ruby(?:/[0-9.]+)?)/unicode_normalize/[a-z]+\.rb$`)
)
