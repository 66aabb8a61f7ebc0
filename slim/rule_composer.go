package slim

import (
	"bytes"
	"path"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/layers/pkgdb"
)

// ruleComposer is granularity auto for PHP: a package of Composer of which the
// workload used a file comes whole, with the installed packages that it
// requires; of one that an OS package brought (Debian's php-*), what this and
// those that it depends on have of libraries. At any granularity, Composer's
// list of packages loses those of which nothing is kept: scanners believe it.
var ruleComposer = rule{
	name: "composer",
	seed: func(s *selection) {
		if s.options.Granularity == GranularityFile {
			return
		}
		var q wholeQueue[composerPackage]
		done := map[*pkgdb.Package]bool{}
		for _, p := range s.usedCode() {
			r := Reason{Rule: "composer", From: p}
			if c, ok := s.phpEnv().composerOf(p); ok {
				q.add(c, r)
			} else if owner, ok := s.packages.Owner(p); ok && below(p, phpLibrary) {
				s.addOSLibrary(owner, r, done, func(pkg *pkgdb.Package) []string { return s.phpFiles(pkg.Paths()) })
			}
		}
		for it, ok := q.next(); ok && s.err == nil; it, ok = q.next() {
			s.addComposer(it, &q)
		}
	},
	finish: func(s *selection) {
		for _, vendor := range s.phpEnv().vendors {
			s.filterComposer(vendor)
		}
	},
}

// addComposer keeps one package whole and queues what it requires.
func (s *selection) addComposer(it whole[composerPackage], q *wholeQueue[composerPackage]) {
	c := it.of
	if c.Dir != "" {
		s.addTree(c.Dir, it.reason, func(e *layers.Entry) bool {
			return e.Type == layers.Directory && slices.Contains(notApplication, e.Name())
		})
	}
	for _, bin := range c.Bin {
		s.addFiles(it.reason, path.Join(c.vendor, "bin", path.Base(bin)))
	}
	for _, name := range c.Requires {
		r := it.reason
		r.Note = quoted(c.Name + " requires " + name)
		for _, need := range s.phpEnv().byName[c.vendor+"\x00"+name] {
			q.add(need, r)
		}
	}
}

// filterComposer writes a kept list of packages anew when some of them lost
// all of their files.
func (s *selection) filterComposer(vendor string) {
	list := langpkg.ComposerList(vendor)
	res, err := s.tree.Resolve(list)
	if err != nil || !s.keep.Has(res.Entry.Path) {
		return
	}
	b, err := s.tree.ReadContent(res.Entry.Inode, maxRead)
	if err != nil {
		return // larger than any list
	}
	gone := map[string]bool{}
	for _, c := range s.phpEnv().packages[vendor] {
		gone[c.Name] = c.Dir != "" && !s.keepsBelow(c.Dir)
	}
	if left := langpkg.FilterComposer(b, func(name string) bool { return !gone[name] }); !bytes.Equal(left, b) {
		s.generate(generatedText(res.Entry.Path, left, Reason{Rule: "package-database", From: vendor}))
		s.riskPackageList(path.Join(vendor, "composer/installed.php"))
		s.riskPackageList(path.Join(path.Dir(vendor), "composer.lock"))
	}
}

// riskPackageList marks a kept list of packages that cannot be cut to those
// that are kept: code, or what a program may compare with a digest.
func (s *selection) riskPackageList(p string) {
	if res, err := s.tree.Resolve(p); err == nil && s.keep.Has(res.Entry.Path) {
		s.risk("package-list", res.Entry.Path, "it lists packages of which no file is kept; scanners may believe it")
	}
}

// keepsBelow says that a file in dir is kept.
func (s *selection) keepsBelow(dir string) bool {
	for _, e := range s.tree.Children(dir) {
		if e.Type == layers.Directory && s.keepsBelow(e.Path) || e.Type != layers.Directory && s.keep.Has(e.Path) {
			return true
		}
	}
	return false
}
