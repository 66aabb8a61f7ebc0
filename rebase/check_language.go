package rebase

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// FindingLanguage: code is where only an interpreter of another version looks.
const FindingLanguage = "language-version"

// language is an interpreter that looks for code in directories of its own
// version.
type language struct {
	name string
	hint []string // one of them is part of every path that codeDir or codeFile matches
	// codeDir and codeFile take the version from the path of code that only
	// that version finds, or can load.
	codeDir, codeFile *regexp.Regexp
	// program takes the version from the name of an interpreter, and home
	// from the path of a file that only an interpreter's installation has.
	program, home *regexp.Regexp
	homeName      string
}

// languages whose minor versions do not find each other's code: Python (site
// module; PEP 3149 for names of extensions), Perl (perlrun, "@INC"; Debian's
// perl policy), Ruby (RbConfig's ruby_version).
var languages = []language{
	{
		name: "Python", hint: []string{"/python"},
		codeDir:  regexp.MustCompile(`/lib(?:64)?/python(3\.\d+)/(?:site|dist)-packages/`),
		codeFile: regexp.MustCompile(`/python3/dist-packages/.*\.cpython-(3\d+)[a-z]*-[^/]*\.so$`),
		program:  regexp.MustCompile(`^python(3\.\d+)$`),
	},
	{
		name: "Perl", hint: []string{"/perl"},
		codeDir: regexp.MustCompile(`/(?:share|lib|lib/[^/]+)/perl5?/(?:site_perl/|vendor_perl/)?(5\.\d+)(?:\.\d+)?/`),
		program: regexp.MustCompile(`^perl(5\.\d+)(?:\.\d+)?$`),
	},
	{
		name: "Ruby", hint: []string{"/ruby/", "/gems/", "_ruby/"},
		codeDir: regexp.MustCompile(`/(?:gems|ruby|vendor_ruby|site_ruby)/(\d\.\d+)\.0/`),
		program: regexp.MustCompile(`^ruby(\d\.\d+)$`),
		home:    regexp.MustCompile(`/ruby/(\d\.\d+)\.0/[^/]+/rbconfig\.rb$`), homeName: "rbconfig.rb",
	},
}

// checkLanguages wants the interpreter of a version to be there that the code
// of upper layers is for, where it was.
var checkLanguages = check{name: FindingLanguage, run: func(_ context.Context, s *scene) ([]Finding, error) {
	type use struct {
		first *layers.Entry
		n     int
	}
	uses := make([]map[string]*use, len(languages)) // by language and version
	for e := range s.next.All() {
		if e.Type != layers.Regular || !s.isUpper(e) {
			continue
		}
		for i, l := range languages {
			v := l.codeVersion(e.Path)
			if v == "" {
				continue
			}
			if uses[i] == nil {
				uses[i] = map[string]*use{}
			}
			if uses[i][v] == nil {
				uses[i][v] = &use{first: e}
			}
			uses[i][v].n++
		}
	}
	var out []Finding
	for i, l := range languages {
		if uses[i] == nil {
			continue
		}
		was, is := l.versions(s.app), l.versions(s.next)
		for _, v := range sortedKeys(uses[i]) {
			u := uses[i][v]
			if !was[v] || is[v] {
				continue
			}
			out = append(out, Finding{
				Name: FindingLanguage, Severity: SeverityError, Path: utf8Path(u.first.Path), Layer: s.layerOfApp(u.first.Layer),
				Text: fmt.Sprintf("%d files of the image are for %s %s; the new base has %s", u.n, l.name, v, versionsText(is)),
				Next: "build the image anew on this base, or choose a base with " + l.name + " " + v,
			})
		}
	}
	return out, nil
}}

func versionsText(is map[string]bool) string {
	if len(is) == 0 {
		return "none"
	}
	return strings.Join(sortedKeys(is), ", ")
}

// codeVersion is the version that a file is for, "" when it is for any.
func (l language) codeVersion(p string) string {
	if !slices.ContainsFunc(l.hint, func(h string) bool { return strings.Contains(p, h) }) {
		return ""
	}
	if m := l.codeDir.FindStringSubmatch(p); m != nil {
		return m[1]
	}
	if l.codeFile == nil {
		return ""
	}
	if m := l.codeFile.FindStringSubmatch(p); m != nil {
		return m[1][:1] + "." + m[1][1:]
	}
	return ""
}

// versions are those that a tree has an interpreter of.
func (l language) versions(t *layers.Tree) map[string]bool {
	out := map[string]bool{}
	for e := range t.All() {
		if e.Type == layers.Directory {
			continue
		}
		if strings.HasSuffix(path.Dir(e.Path), "/bin") {
			m := l.program.FindStringSubmatch(e.Name())
			if m != nil && isProgram(t, e.Path) {
				out[m[1]] = true
			}
		}
		if e.Name() != l.homeName {
			continue
		}
		if m := l.home.FindStringSubmatch(e.Path); m != nil {
			out[m[1]] = true
		}
	}
	return out
}

func isProgram(t *layers.Tree, p string) bool {
	r, err := t.Resolve(p)
	return err == nil && r.Entry.Type == layers.Regular && r.Entry.Mode&0o111 != 0
}
