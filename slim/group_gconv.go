package slim

// groupGconv is the character set converters that iconv(3) loads by name
// (gconv-modules.cache and the modules it names).
var groupGconv = group{
	name:      "gconv",
	triggered: inLibraries("gconv"),
	add:       func(s *selection, r Reason) { s.addLibraryTrees(r, "gconv") },
}
