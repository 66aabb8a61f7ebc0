package slim

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/layers/pkgdb"
)

// perlEnv is what the image has of Perl, as far as the workload used it: the
// directories of modules (@INC) and the distributions of CPAN in them. Rules
// share it; it is made when one first asks.
type perlEnv struct {
	roots []string // all directories of modules, sorted; none when none was touched
	dists []*langpkg.CPAN
	of    map[string]*langpkg.CPAN // by file
}

// perlRoot matches a directory of modules at the head of a path: those of
// Debian (perl-base, perl/5.36.0, perl5, perl5/5.36), of Perl's own build
// (perl5/5.38.2, perl5/site_perl/5.38.2/x86_64-linux-gnu), of Alpine
// (perl5/vendor_perl) and of local::lib (lib/perl5/x86_64-linux-gnu-thread-multi).
var perlRoot = regexp.MustCompile(`^(.*?/(?:perl-base|perl5?(?:/(?:site|vendor|core)_perl)?(?:/5\.[0-9]+(?:\.[0-9]+)?)?(?:/[^/]+-linux[^/]*)?))/`)

// perlRootOf is the directory of modules that p is in, by its name alone; ""
// for none.
func perlRootOf(p string) string {
	if !strings.Contains(p, "/perl") { // what nearly all paths come to
		return ""
	}
	m := perlRoot.FindStringSubmatch(p)
	if m == nil {
		return ""
	}
	return m[1]
}

// perlEnv finds it once.
func (s *selection) perlEnv() *perlEnv {
	if s.perl != nil {
		return s.perl
	}
	s.perl = &perlEnv{of: map[string]*langpkg.CPAN{}}
	s.perl.roots = s.perlRoots()
	for _, root := range s.perl.roots {
		dists, err := s.langs.CPAN(root)
		s.err = cmp.Or(s.err, err)
		s.perl.dists = append(s.perl.dists, dists...)
	}
	for _, d := range s.perl.dists {
		for _, f := range d.Files {
			if s.perl.of[f] == nil {
				s.perl.of[f] = d
			}
		}
	}
	return s.perl
}

// perlRoots are those of modules that were touched, those that hold them or
// are in them, for one architecture, and those that distributions have.
func (s *selection) perlRoots() []string {
	roots := map[string]bool{}
	for _, p := range s.touchedIn {
		if root := perlRootOf(p); root != "" && isPerl(path.Base(p)) {
			roots[root] = true
			if parent := path.Dir(root); perlRootOf(root) == parent {
				roots[parent] = true
			}
		}
	}
	if len(roots) == 0 {
		return nil
	}
	for _, lib := range append(s.libraryRoots(), "/usr/share", "/usr/local/share") {
		for _, dir := range []string{"perl-base", "perl", "perl5", "perl5/site_perl", "perl5/vendor_perl", "perl5/core_perl"} {
			dir = path.Join(lib, dir)
			roots[dir] = true
			for _, e := range s.tree.Children(dir) {
				if root := perlRootOf(e.Path + "/x"); root == e.Path {
					roots[root] = true
				}
			}
		}
	}
	for _, root := range sortedKeys(roots) {
		for _, e := range s.tree.Children(root) {
			if e.Type == layers.Directory && perlRootOf(e.Path+"/x") == e.Path {
				roots[e.Path] = true
			}
		}
	}
	return s.realDirs(sortedKeys(roots))
}

// isPerl says that Perl loads a file by this name: a module, a library, code
// that was split off a module, or an extension.
func isPerl(name string) bool {
	return slices.Contains([]string{".pm", ".pl", ".ph", ".al", ".ix", ".so"}, path.Ext(name))
}

// isPerlCore says that a directory of modules is of Perl itself.
func (s *selection) isPerlCore(root string) bool {
	return s.has(path.Join(root, "strict.pm")) || s.has(path.Join(root, "Config.pm"))
}

// isPerlDist says that a file is of a distribution that is none of Perl's own.
func (s *selection) isPerlDist(p string) bool {
	root := perlRootOf(p)
	return root != "" && isPerl(path.Base(p)) && !s.isPerlCore(root)
}

// perlFiles are what an OS package has of modules, without their
// documentation; nil for Perl's own.
func (s *selection) perlFiles(pkg *pkgdb.Package) []string {
	var out []string
	for _, p := range pkg.Paths() {
		if perlRootOf(p) == "" || isPerlDoc(p) {
			continue
		}
		if e, ok := s.tree.Lookup(p); !ok || e.Type == layers.Directory {
			continue
		}
		if s.isPerlCore(perlRootOf(p)) {
			return nil
		}
		out = append(out, p)
	}
	return out
}

// isPerlDoc says that no program loads a file: pages for man, and Pod apart
// from code.
func isPerlDoc(p string) bool {
	return strings.HasSuffix(p, ".pod") || strings.Contains(p, "/man/man")
}
