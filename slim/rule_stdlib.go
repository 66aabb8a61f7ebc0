package slim

import (
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// ruleStdlib is granularity auto for the library that a language brings with
// it: code imports its modules when it first needs them, and they import each
// other inside of functions and by names that they make up. So of each OS
// package of which the workload used a module, all modules come. Headers,
// static libraries and test suites are in packages of their own. Where no
// package owns a module, and it is in no application directory
// (/usr/local/python3, /root/.pyenv), its library comes without these.
var ruleStdlib = rule{name: "stdlib", seed: func(s *selection) {
	if s.options.Granularity == GranularityFile {
		return
	}
	done := map[string]bool{}
	for _, p := range s.usedCode() {
		owner, ok := s.packages.Owner(p)
		if root := ownLibrary(p); !ok && root != "" && !done[root] && s.appRoot(p) == "" {
			done[root] = true
			s.addTree(root, Reason{Rule: "stdlib", From: p}, notLibrary)
		}
		if !ok || done[owner.ID()] || !s.isStdlib(p) {
			continue
		}
		done[owner.ID()] = true
		s.addPaths(slices.DeleteFunc(slices.Clone(owner.Paths()), func(p string) bool { return !s.isStdlib(p) }),
			Reason{Rule: "stdlib", From: p, Note: quoted(owner.ID())})
	}
}}

// stdlibs match what is in a language's own library, by its path alone, with
// the version in it: what is installed beside (site-packages, gems, vendor_perl)
// has rules of its own.
var stdlibs = []*regexp.Regexp{
	// docs.python.org/3/library/sysconfig.html, "stdlib" and "platstdlib"
	regexp.MustCompile(`/lib(64)?/(pypy|python)(2\.7|3\.[0-9]+)/`),
	// RbConfig's rubylibdir and rubyarchdir, and the gems that are bundled with
	// Ruby: they were of its library, and code requires them like it
	regexp.MustCompile(`/lib(64)?(/[^/]+-linux-[^/]+)?/ruby/(gems/)?[0-9]+\.[0-9.]+/`),
	// perl -V's privlib and archlib of Debian and Alpine; perl-base is Debian's smallest one
	regexp.MustCompile(`/(share|lib(/[^/]+-linux-[^/]+)?)/(perl/5\.[0-9.]+|perl5/core_perl|perl-base)/`),
}

// isStdlib is inAnyStdlib, and tells Fedora's library of Perl (/usr/share/perl5)
// from what Debian installs in a directory of that name.
func (s *selection) isStdlib(p string) bool {
	root := perlRootOf(p)
	return inAnyStdlib(p) || root != "" && s.isPerlCore(root)
}

// ownLibrary is the directory of the library that p is in, where no
// distribution has it; "" for none. What Ruby has in a home of gems is gems.
func ownLibrary(p string) string {
	if siteOf(p) != "" || under("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share")(p) {
		return ""
	}
	for _, r := range stdlibs {
		if m := r.FindStringIndex(p); m != nil && !strings.Contains(p[m[0]:m[1]], "/gems/") {
			return p[:m[1]-1]
		}
	}
	return ""
}

// notLibrary takes out what packages of the OS have apart, and what is
// installed in the library.
func notLibrary(e *layers.Entry) bool {
	if e.Type != layers.Directory {
		return isPerlDoc(e.Path)
	}
	return siteOf(e.Path) == e.Path || slices.Contains([]string{"test", "tests", "idle_test"}, e.Name()) || strings.HasPrefix(e.Name(), "config-")
}

func inAnyStdlib(p string) bool {
	return siteOf(p) == "" && slices.ContainsFunc(stdlibs, func(r *regexp.Regexp) bool { return r.MatchString(p) })
}
