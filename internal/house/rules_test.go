package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	module = "github.com/pare-image/pare"
	ggcr   = "github.com/google/go-containerregistry/"
)

// source is one Go file of the repository.
type source struct {
	name string // path in the repository
	pkg  string // the package clause
	file *ast.File
	set  *token.FileSet
}

func (s source) dir() string  { return path.Dir(s.name) }
func (s source) test() bool   { return strings.HasSuffix(s.name, "_test.go") }
func (s source) area() string { return area(s.dir()) }

// library says that the rules for libraries hold: what other programs import.
func (s source) library() bool {
	return !s.test() && slices.Contains([]string{"layers", "slim", "rebase", "attest"}, s.area())
}

// area is the first component of a package's path in the module.
func area(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

func parse(name string, body []byte) (source, error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, body, parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	return source{name: name, pkg: f.Name.Name, file: f, set: set}, nil
}

// readSources parses every Go file of this module. Directories called
// testdata hold programs and fixtures of their own.
func readSources(repo fs.FS) ([]source, error) {
	var out []source
	err := fs.WalkDir(repo, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "tools", "bin", "dist"}, d.Name())):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		body, err := fs.ReadFile(repo, name)
		if err != nil {
			return err
		}
		s, err := parse(name, body)
		out = append(out, s)
		return err
	})
	return out, err
}

// rules are those that need only the sources; each returns its violations.
var rules = []struct {
	name  string
	check func([]source) []string
}{
	{"import direction", importDirection},
	{"library imports", libraryImports},
	{"library calls", libraryCalls},
	{"package names", packageNames},
}

// mayImport lists, by the first component of a package's path, which others
// of this module it may import. internal is checked apart.
var mayImport = map[string][]string{
	"layers":   {"layers"},
	"slim":     {"layers", "slim"},
	"rebase":   {"layers", "rebase"},
	"attest":   {"attest", "layers", "slim", "rebase"},
	"internal": {"layers", "slim", "rebase", "attest"},
	"cmd":      {"attest", "cmd", "layers", "slim", "rebase"},
}

func importDirection(sources []source) []string {
	var out []string
	for _, s := range sources {
		if s.test() {
			continue
		}
		for _, imp := range imports(s) {
			to, ours := strings.CutPrefix(imp.path, module+"/")
			if !ours || slices.Contains(mayImport[s.area()], area(to)) || area(to) == "internal" && !forTests(to, s) {
				continue
			}
			out = append(out, s.at(imp.pos, "%s imports %s", s.dir(), to))
		}
	}
	return out
}

// forTests says that the internal package called dir is no part of the
// product; those may use each other.
func forTests(dir string, user source) bool {
	if user.area() == "internal" {
		return false
	}
	name := strings.TrimPrefix(dir, "internal/")
	return strings.HasPrefix(name, "test") || slices.Contains([]string{"e2e", "house", "oracle"}, area(name))
}

// neverInLibraries are the packages that no library may import, with those
// below them: what reaches the network, runs programs, logs or reads flags.
var neverInLibraries = []string{
	"net/http", "os/exec", "log", "flag", "github.com/spf13/cobra", "github.com/spf13/pflag",
	ggcr + "pkg/authn", ggcr + "pkg/crane", ggcr + "pkg/logs", ggcr + "pkg/v1/daemon", ggcr + "pkg/v1/google", ggcr + "pkg/v1/remote",
}

// unless are the two that run images and talk to them, with what is below.
var unless = map[string][]string{
	"slim/record": {"net/http", "os/exec"},
	"slim/verify": {"net/http", "os/exec"},
}

// excepted says that the package of dir may use name, by unless or mayCall.
func excepted(dir, name string, list map[string][]string) bool {
	for root, names := range list {
		if within(dir, []string{root}) != "" && slices.Contains(names, name) {
			return true
		}
	}
	return false
}

func libraryImports(sources []source) []string {
	var out []string
	for _, s := range sources {
		if !s.library() {
			continue
		}
		for _, imp := range imports(s) {
			if never := within(imp.path, neverInLibraries); never != "" && !excepted(s.dir(), never, unless) {
				out = append(out, s.at(imp.pos, "%s imports %s", s.dir(), imp.path))
			}
		}
	}
	return out
}

// within returns the one of roots that p is or is below; "" for none.
func within(p string, roots []string) string {
	for _, r := range roots {
		if p == r || strings.HasPrefix(p, r+"/") {
			return r
		}
	}
	return ""
}

// neverCalled are the names, by package, through which a program talks to
// its terminal, its environment and its clock.
var neverCalled = map[string][]string{
	"fmt": {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"os": {
		"Exit", "Args", "Stdin", "Stdout", "Stderr", "Chdir", "Getwd",
		"Clearenv", "Environ", "ExpandEnv", "Getenv", "LookupEnv", "Setenv", "Unsetenv",
		"UserCacheDir", "UserConfigDir", "UserHomeDir",
	},
	"time":      {"Now", "Since", "Until"},
	"syscall":   {"Exit", "Getenv", "Environ"},
	"os/signal": {"Notify", "NotifyContext", "Ignore", "Reset"},
}

// mayCall: a recording has a time and a duration, and inside a container the
// sensor is an init with an environment to hand on.
var mayCall = map[string][]string{
	"slim/record":        {"time"},
	"slim/verify":        {"time"},
	"slim/record/sensor": {"os/signal", "os.Environ"},
}

func libraryCalls(sources []source) []string {
	var out []string
	for _, s := range sources {
		if s.library() {
			out = append(out, calls(s)...)
		}
	}
	return out
}

func calls(s source) []string {
	var out []string
	names := map[string]string{} // import path by its name in this file
	for _, imp := range imports(s) {
		if imp.name == "." {
			out = append(out, s.at(imp.pos, "dot import of %s", imp.path))
		}
		names[imp.name] = imp.path
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(neverCalled[names[x.Name]], n.Sel.Name) &&
				!excepted(s.dir(), names[x.Name], mayCall) && !excepted(s.dir(), names[x.Name]+"."+n.Sel.Name, mayCall) {
				out = append(out, s.at(n.Pos(), "%s.%s in a library", names[x.Name], n.Sel.Name))
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				out = append(out, s.at(n.Pos(), "%s in a library", f.Name))
			}
		}
		return true
	})
	return out
}

// noNames say nothing about what a package does.
var noNames = []string{"base", "common", "helper", "helpers", "lib", "manager", "misc", "shared", "util", "utils"}

func packageNames(sources []source) []string {
	found := map[string]bool{}
	for _, s := range sources {
		name := strings.TrimSuffix(s.pkg, "_test")
		if slices.Contains(noNames, name) || slices.Contains(noNames, path.Base(s.dir())) {
			found[fmt.Sprintf("%s: a package called %s says nothing of what it does", s.dir(), name)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// topLevel is what lies at the top of the repository. Whatever is new needs a
// good reason and a line here.
var topLevel = []string{
	".ci", ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md",
	"attest", "cmd", "docs", "go.mod", "go.sum", "internal", "layers", "rebase", "slim", "testdata", "tools",
}

// strangers names the files that belong to nothing at the top level. There
// is one program.
func strangers(files []string) []string {
	found := map[string]bool{}
	for _, f := range files {
		first := area(f)
		if !slices.Contains(topLevel, first) {
			found[first+" is new at the top level"] = true
		}
		if first == "cmd" && !strings.HasPrefix(f, "cmd/pare/") {
			found[path.Dir(f)+" is a second program"] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// neverReached is what the libraries below must not reach even through others.
var neverReached = []string{"net/http", ggcr + "pkg/authn", ggcr + "pkg/crane", ggcr + "pkg/v1/daemon", ggcr + "pkg/v1/google", ggcr + "pkg/v1/remote"}

func mustNotReach(pkg string) bool {
	return within(pkg, []string{"layers", "rebase"}) != "" || pkg == "slim" || pkg == "slim/profile"
}

// reach returns the shortest chain of imports from each library to each
// package that it must not reach.
func reach(graph map[string][]string) []string {
	var out []string
	for _, from := range slices.Sorted(maps.Keys(graph)) {
		pkg, ours := strings.CutPrefix(from, module+"/")
		if !ours || !mustNotReach(pkg) {
			continue
		}
		if c := chain(graph, from, func(p string) bool { return within(p, neverReached) != "" }); c != nil {
			out = append(out, strings.ReplaceAll(strings.Join(c, " -> "), module+"/", ""))
		}
	}
	return out
}

// chain is the shortest path in graph from one package to one that bad takes.
func chain(graph map[string][]string, from string, bad func(string) bool) []string {
	by := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if bad(at) {
			var c []string
			for p := at; p != ""; p = by[p] {
				c = append(c, p)
			}
			slices.Reverse(c)
			return c
		}
		for _, next := range graph[at] {
			if _, seen := by[next]; !seen {
				by[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// imported is one import of a file, with the name that the file uses for it.
type imported struct {
	name, path string
	pos        token.Pos
}

func imports(s source) []imported {
	var out []imported
	for _, spec := range s.file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has seen to that
		}
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		out = append(out, imported{name: name, path: p, pos: spec.Pos()})
	}
	return out
}

// at places a violation.
func (s source) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s: %s", s.set.Position(pos), fmt.Sprintf(format, args...))
}
