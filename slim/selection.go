package slim

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/profile"
)

// selection is the state of one Select: what rules look at and add to.
type selection struct {
	tree     *layers.Tree
	config   configView
	profile  *profile.Profile
	options  Options
	user     *patterns
	packages *pkgdb.DB
	libs     *elfdeps.Resolver
	keep     *KeepSet
	who      User // whom the output runs as
	accounts accounts

	base         *Base     // nil on scratch
	basePackages *pkgdb.DB // likewise

	queue     []*layers.Entry
	touchedBy map[string]*profile.Access // entries that the profile saw
	touchedIn []string                   // their paths, sorted
	excluded  map[string]string          // paths that never come from the source, with the rule

	licensed map[*pkgdb.Package]bool // of ruleLicence: packages that were seen to
	cpu      cpuVariants             // of ruleCPUDispatch

	// of ruleELF
	elfSeen    map[[sha256.Size]byte]bool // files with what they inherit
	elfLoaders map[string]int             // of a file, how often in elfSeen
	needs      map[need]bool              // whether it was found, by any loader
	lookups    int
	opened     map[libraryName]string // of ruleDlopen: where names lead to; "" for nowhere

	langs       *langpkg.Reader
	python      *pythonEnv                     // see [selection.pythonEnv]
	pythonSites map[string]bool                // of rulePython: seen to
	pythonInfos map[*langpkg.Distribution]bool // likewise
	pythonDirs  map[string]bool                // likewise
	pythonStart map[string]map[string]bool     // of rulePip, by site
	pythonVenvs map[string]bool                // of rulePip: venvs that see the system's, by site
	nodeDirs    map[string]bool                // of ruleNode: directories that were seen to
	ruby        *rubyEnv                       // see [selection.rubyEnv]
	rubyLibs    map[string][]string            // see [selection.rubyDirs]
	rubyGems    map[*langpkg.Gem]bool          // of ruleRuby: seen to
	rubyApps    map[string]bool                // likewise: directories
	perl        *perlEnv                       // see [selection.perlEnv]
	php         *phpEnv                        // see [selection.phpEnv]
	phpDirs     map[string]bool                // of rulePHP: seen to
	graphs      map[string]*graph              // of reachRule
	used        []string                       // see [selection.usedCode]

	steps int   // of symlinks that were followed
	err   error // of a rule: ends the selection
}

// Select computes the closure of profile and options over the tree.
func Select(ctx context.Context, t *layers.Tree, p *profile.Profile, o Options) (*KeepSet, error) {
	s, err := newSelection(t, p, o)
	if err != nil {
		return nil, fmt.Errorf("selecting files: %w", err)
	}
	if len(s.touchedIn) == 0 {
		return nil, fmt.Errorf("%w: record the image while it does its work", ErrEmptyProfile)
	}
	if err := s.run(ctx, rules()); err != nil {
		return nil, err
	}
	return s.keep, nil
}

func newSelection(t *layers.Tree, p *profile.Profile, o Options) (*selection, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &selection{
		tree: t, config: viewConfig(t.Config()), profile: p, options: o, keep: newKeepSet(),
		licensed: map[*pkgdb.Package]bool{}, cpu: newCPUVariants(), opened: map[libraryName]string{},
		langs: langpkg.NewReader(t), pythonSites: map[string]bool{}, pythonInfos: map[*langpkg.Distribution]bool{}, pythonDirs: map[string]bool{}, pythonStart: map[string]map[string]bool{}, pythonVenvs: map[string]bool{}, nodeDirs: map[string]bool{},
		rubyLibs: map[string][]string{}, rubyGems: map[*langpkg.Gem]bool{}, rubyApps: map[string]bool{}, phpDirs: map[string]bool{}, graphs: map[string]*graph{},
		elfSeen: map[[sha256.Size]byte]bool{}, elfLoaders: map[string]int{}, needs: map[need]bool{},
	}
	s.keep.selection = s
	if s.user, err = parsePatterns(o); err != nil {
		return nil, err
	}
	if s.packages, err = pkgdb.Read(t); err != nil {
		return nil, err
	}
	if s.base = o.Base; s.base != nil {
		if s.base.Tree == nil {
			return nil, fmt.Errorf("%w: the base %s is named, and not given", ErrRules, s.base.Digest)
		}
		if s.basePackages, err = pkgdb.Read(s.base.Tree); err != nil {
			return nil, fmt.Errorf("of the base: %w", err)
		}
	}
	s.libs = elfdeps.NewResolver(layers.ELFTree{Tree: t})
	s.exclude()
	s.touch()
	if s.accounts, err = s.readAccounts(); err != nil {
		return nil, err
	}
	if s.who, err = s.decideUser(); err != nil {
		return nil, err
	}
	return s, nil
}

// exclude names what is not carried over: the package database, which is
// written anew, and, unless asked for by name, SBOM files, which describe what
// the source was.
func (s *selection) exclude() {
	s.excluded = map[string]string{}
	for _, p := range s.packages.DatabasePaths() {
		s.excluded[p] = "package-database"
	}
	for e := range s.tree.All() {
		if e.Type == layers.Directory || !isSBOM(e.Path) {
			continue
		}
		if _, asked := s.user.keeps(e.Path, false); !asked {
			s.excluded[e.Path] = excludedSBOM
		}
	}
}

// excludedSBOM is the rule by which an SBOM of the source is left out.
const excludedSBOM = "source-sbom"

// isSBOM tells an SBOM by its name, as scanners do.
func isSBOM(p string) bool {
	name := strings.ToLower(path.Base(p))
	if strings.Contains(name, ".spdx.") || strings.HasSuffix(name, ".spdx") || strings.Contains(name, ".cdx.") {
		return true
	}
	stem, ext, _ := strings.Cut(name, ".")
	return (stem == "sbom" || stem == "bom") && (ext == "json" || ext == "xml") || strings.HasPrefix(p, "/var/lib/db/sbom/")
}

// touch finds the entries that the profile's accesses mean.
func (s *selection) touch() {
	s.touchedBy = map[string]*profile.Access{}
	for i := range s.profile.Accesses {
		a := &s.profile.Accesses[i]
		if !a.Exists || s.err != nil {
			continue
		}
		if a.OnlyLink() && !profile.Mounted(a.Path) {
			r, err := s.tree.ResolveLink(a.Path)
			s.touchResolved(r, err, a)
			continue
		}
		for _, p := range []string{a.Path, a.Resolved} {
			if p != "" && !profile.Mounted(p) {
				r, err := s.tree.Resolve(p)
				s.touchResolved(r, err, a)
			}
		}
	}
	slices.Sort(s.touchedIn)
}

func (s *selection) touchResolved(r layers.Resolution, err error, a *profile.Access) {
	s.follow(r.Links)
	for _, l := range r.Links {
		s.touched1(l, a)
	}
	if err == nil && r.Entry.Path != "/" {
		s.touched1(r.Entry.Path, a)
	}
}

// maxSteps bounds the components of all symlinks that are followed: half a
// minute, and hundreds for each path of a large recording.
const maxSteps = 500_000_000

// follow counts what following these symlinks took. A hostile image has very
// many that each lead through many more.
func (s *selection) follow(links []string) {
	for _, l := range links {
		if e, ok := s.tree.Lookup(l); ok {
			s.steps += 1 + strings.Count(e.Linkname, "/")
		}
	}
	if s.steps > maxSteps && s.err == nil {
		s.err = fmt.Errorf("following symlinks: %w: those of this image take over %d steps", layers.ErrLimit, maxSteps)
	}
}

// touched1 notes an access of an entry, and joins it with others of the same
// entry by another name.
func (s *selection) touched1(p string, a *profile.Access) {
	have, ok := s.touchedBy[p]
	if !ok {
		s.touchedBy[p] = a
		s.touchedIn = append(s.touchedIn, p)
		return
	}
	joined := *have
	joined.FirstMS = min(have.FirstMS, a.FirstMS)
	for _, k := range a.Kinds {
		if !joined.Has(k) {
			joined.Kinds = append(slices.Clip(joined.Kinds), k)
		}
	}
	if joined.FirstMS != have.FirstMS || len(joined.Kinds) != len(have.Kinds) {
		s.touchedBy[p] = &joined
	}
}

// run takes the rules to their fixpoint.
func (s *selection) run(ctx context.Context, rs []rule) error {
	for _, r := range rs {
		if r.seed != nil {
			r.seed(s)
		}
		if s.err != nil {
			return s.err
		}
	}
	for {
		if err := s.visitAll(ctx, rs); err != nil {
			return err
		}
		before := s.keep.Len()
		for _, r := range rs {
			if r.settle != nil {
				r.settle(s)
			}
		}
		if s.err != nil {
			return s.err
		}
		if s.keep.Len() == before {
			break
		}
	}
	for _, r := range rs {
		if r.finish != nil {
			r.finish(s)
		}
	}
	if s.langs.Exhausted() {
		s.risk("packages-not-followed", "", "packages of languages name so many others that not all of these were looked up; what is missing for that, a recording or --keep has to name")
	}
	s.findUnsafe()
	return s.err
}

func (s *selection) visitAll(ctx context.Context, rs []rule) error {
	for len(s.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := s.queue[0]
		s.queue = s.queue[1:]
		for _, r := range rs {
			if r.visit != nil {
				r.visit(s, e)
			}
		}
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

// add keeps path: every symlink on its way, the directories, and what it
// names in the end. Where nothing is, what exists of the way is kept, and add
// reports false.
func (s *selection) add(p string, r Reason) bool {
	res, err := s.tree.Resolve(p)
	return s.addResolved(res, err, r)
}

// addLink is add without following the last component.
func (s *selection) addLink(p string, r Reason) bool {
	res, err := s.tree.ResolveLink(p)
	return s.addResolved(res, err, r)
}

// addResolved keeps what was found before the links to it: a link may lead to
// a directory above it, and each reason must come from what is kept already.
func (s *selection) addResolved(res layers.Resolution, err error, r Reason) bool {
	s.follow(res.Links)
	found, byLink := err == nil && res.Entry != nil, r
	if found {
		s.put(res.Entry, r)
		if s.keep.Has(res.Entry.Path) {
			byLink = Reason{Rule: "link", From: res.Entry.Path}
		}
	}
	for _, l := range res.Links {
		if e, ok := s.tree.Lookup(l); ok {
			s.putFor(e, byLink, r)
		}
	}
	if found {
		return true
	}
	if errors.Is(err, fs.ErrNotExist) && res.Missing != "" {
		s.addExisting(path.Dir(res.Missing), r)
	}
	return false
}

// addExisting keeps the directory of a name that does not exist, so that a
// program can make it there.
func (s *selection) addExisting(dir string, r Reason) {
	if e, ok := s.tree.Lookup(dir); ok && dir != "/" {
		s.put(e, r)
	}
}

// addTree keeps what p names and everything below it, but what skip takes.
func (s *selection) addTree(p string, r Reason, skip func(*layers.Entry) bool) {
	if !s.add(p, r) {
		return
	}
	res, err := s.tree.Resolve(p)
	if err != nil {
		return
	}
	s.addBelow(res.Entry, r, skip)
}

func (s *selection) addBelow(dir *layers.Entry, r Reason, skip func(*layers.Entry) bool) {
	for _, e := range s.tree.Children(dir.Path) {
		if skip != nil && skip(e) {
			continue
		}
		s.put(e, r)
		switch {
		case s.err != nil:
			return
		case e.Type == layers.Directory:
			s.addBelow(e, r, skip)
		case e.Type == layers.Symlink && s.keep.Has(e.Path):
			s.add(e.Path, Reason{Rule: "link", From: e.Path})
		}
	}
}

// put keeps one entry and the directories above it.
func (s *selection) put(e *layers.Entry, r Reason) { s.putFor(e, r, r) }

// putFor is put for a link or a directory on the way to what cause asks for.
func (s *selection) putFor(e *layers.Entry, r, cause Reason) {
	if rule, out := s.excluded[e.Path]; out {
		s.excludedEntry(e, rule, cause)
		return
	}
	if !s.keep.Has(e.Path) && s.user.drops(e.Path, e.Type == layers.Directory) {
		s.droppedByUser(e, cause)
		return
	}
	s.take(e, r)
}

// take keeps an entry, and the directories above it even where a user's rule
// drops them: a file that a later pattern takes back needs them.
func (s *selection) take(e *layers.Entry, r Reason) {
	if !s.keep.Add(e.Path, r) {
		return
	}
	s.queue = append(s.queue, e)
	if e.Path == "/" {
		return
	}
	if parent, ok := s.tree.Lookup(path.Dir(e.Path)); ok && !s.keep.Has(parent.Path) {
		s.take(parent, Reason{Rule: "parent", From: e.Path})
	}
}

// excludedEntry notes what is not carried over. An application may read an
// SBOM, or what only looks like one.
func (s *selection) excludedEntry(e *layers.Entry, rule string, cause Reason) {
	s.keep.dropped[e.Path] = rule
	if rule == excludedSBOM && (cause.Rule == "access" || cause.Rule == "config") {
		s.finding(Finding{
			Name: FindingSourceSBOM, Severity: SeverityError, Path: e.Path,
			Text: "the workload used this file, which by its name is an SBOM of the source and not carried over",
			Next: "--keep it if the program needs it, or --allow " + FindingSourceSBOM,
		})
	}
}

// droppedByUser notes what a user's rule takes out, and whether an ELF file, a
// script, the config or the profile needs it.
func (s *selection) droppedByUser(e *layers.Entry, cause Reason) {
	s.keep.dropped[e.Path] = "drop"
	if _, known := s.keep.unsafe[e.Path]; known {
		return
	}
	switch cause.Rule {
	case "elf", "script", "config", "access", "cpu-dispatch", "distro-id":
		s.keep.unsafe[e.Path] = cause
	}
}

// findUnsafe makes findings of what was taken out though it is needed.
func (s *selection) findUnsafe() {
	for _, p := range sortedKeys(s.keep.unsafe) {
		if s.keep.Has(p) {
			continue // a directory that came back for what is in it
		}
		r := s.keep.unsafe[p]
		s.finding(Finding{
			Name: FindingUnsafeDrop, Severity: SeverityError, Path: p,
			Text: fmt.Sprintf("a drop rule takes out what %s needs (%s)", orProfile(r.From), r.Rule),
			Next: "narrow the pattern, or allow it with --allow " + FindingUnsafeDrop,
		})
	}
}

func orProfile(from string) string {
	if from == "" {
		return "the recorded workload"
	}
	return quoted(from)
}

// touched returns the access that saw this entry exist; nil for none.
func (s *selection) touched(p string) *profile.Access { return s.touchedBy[p] }

// firstTouched returns the first touched path that match takes, "" for none.
func (s *selection) firstTouched(match func(string) bool) string {
	for _, p := range s.touchedIn {
		if match(p) {
			return p
		}
	}
	return ""
}

// touchedUnder returns the first touched path at or below dir.
func (s *selection) touchedUnder(dir string) string {
	i, _ := slices.BinarySearch(s.touchedIn, dir)
	for ; i < len(s.touchedIn) && strings.HasPrefix(s.touchedIn[i], dir); i++ {
		if below(s.touchedIn[i], dir) {
			return s.touchedIn[i]
		}
	}
	return ""
}

// below says that p is dir or inside it.
func below(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir) && p[len(dir)] == '/'
}

// read returns a small file's content, following symlinks; nil when there is
// none or it is over 4 MiB.
func (s *selection) read(p string) []byte { return s.elf().ReadFile(p) }

func (s *selection) risk(name, p, text string) {
	s.keep.risks = append(s.keep.risks, Risk{Name: name, Path: utf8Path(p), Text: text})
}

// ranked is risk with a place among those of its name.
func (s *selection) ranked(rank int, name, p, text string) {
	s.risk(name, p, text)
	s.keep.ranks[s.keep.risks[len(s.keep.risks)-1]] = rank
}

func (s *selection) finding(f Finding) {
	f.Path = utf8Path(f.Path)
	s.keep.findings = append(s.keep.findings, f)
}

// generate has pare write a file, in place of the source's if that has one.
func (s *selection) generate(g Generated) { s.keep.generated[g.Path] = g }

const maxRead = 4 << 20

// elf is the tree as package elfdeps wants it.
func (s *selection) elf() layers.ELFTree { return layers.ELFTree{Tree: s.tree} }
