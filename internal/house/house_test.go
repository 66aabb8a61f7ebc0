package house

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

const root = "../.."

// TestHouse holds the rules that need only the sources.
func TestHouse(t *testing.T) {
	sources, err := readSources(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	libraries := 0
	for _, s := range sources {
		if s.library() {
			libraries++
		}
	}
	if libraries < 30 {
		t.Fatalf("only %d source files of libraries found: is this the repository?", libraries)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) { report(t, r.check(sources)) })
	}
}

// TestTopLevel holds the list of names at the top of the repository.
func TestTopLevel(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil && os.Getenv("CI") == "" {
		t.Skip("git is not installed")
	}
	files := run(t, root, "git", "ls-files", "--cached", "--others", "--exclude-standard")
	if len(files) < 30 {
		t.Fatalf("only %d files in the repository", len(files))
	}
	report(t, strangers(files))
}

// TestReach holds what libraries must not reach, by any chain of imports, on
// the systems that pare is built for.
func TestReach(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		t.Run(goos, func(t *testing.T) {
			graph := listDeps(t, root, goos)
			if graph[module+"/layers"] == nil {
				t.Fatalf("layers is not among %d packages", len(graph))
			}
			report(t, reach(graph))
		})
	}
}

func report(t *testing.T, violations []string) {
	t.Helper()
	for _, v := range violations {
		t.Error(v)
	}
}

// TestRulesFail shows each rule a made-up violation: a rule that cannot fail
// holds nothing.
func TestRulesFail(t *testing.T) {
	for _, c := range []struct{ name, rule, source, want string }{
		{"layers imports slim", "import direction", "layers/a.go: import `M/slim`", "layers imports slim"},
		{"a part of layers imports a part of slim", "import direction", "layers/pkgdb/a.go: import `M/slim/profile`", "layers/pkgdb imports slim/profile"},
		{"slim imports cmd", "import direction", "slim/a.go: import `M/cmd/pare/x`", "slim imports cmd/pare/x"},
		{"slim imports rebase", "import direction", "slim/a.go: import `M/rebase`", "slim imports rebase"},
		{"rebase imports slim", "import direction", "rebase/a.go: import `M/slim`", "rebase imports slim"},
		{"slim imports attest, a leaf", "import direction", "slim/a.go: import `M/attest`", "slim imports attest"},
		{"an internal package imports the command", "import direction", "internal/x/a.go: import `M/cmd/pare`", "internal/x imports cmd/pare"},
		{"the product imports what is for tests", "import direction", "cmd/pare/a.go: import `M/internal/testimage`", "cmd/pare imports internal/testimage"},
		{"the product imports fixtures", "import direction", "slim/a.go: import `M/testdata/bench`", "slim imports testdata/bench"},
		{"http in a library", "library imports", "layers/a.go: import `net/http`", "layers imports net/http"},
		{"a part of http in a library", "library imports", "slim/a.go: import `net/http/httputil`", "slim imports net/http/httputil"},
		{"a registry client in a library", "library imports", "rebase/a.go: import `" + ggcr + "pkg/v1/remote`", "pkg/v1/remote"},
		{"os/exec in a library", "library imports", "slim/profile/a.go: import `os/exec`", "slim/profile imports os/exec"},
		{"log in a library", "library imports", "attest/a.go: import `log`", "attest imports log"},
		{"slog in a library", "library imports", "layers/a.go: import `log/slog`", "layers imports log/slog"},
		{"flag in a library", "library imports", "layers/a.go: import `flag`", "layers imports flag"},
		{"cobra in a library", "library imports", "slim/a.go: import `github.com/spf13/cobra`", "slim imports github.com/spf13/cobra"},
		{"a dot import", "library calls", "slim/a.go: import . `fmt`", "dot import of fmt"},
		{"printing", "library calls", "slim/a.go: import `fmt`; func f() { fmt.Println() }", "fmt.Println"},
		{"printing under another name", "library calls", "slim/a.go: import x `fmt`; func f() { x.Printf(``) }", "fmt.Printf"},
		{"printing by the compiler", "library calls", "slim/a.go: func f() { println() }", "println"},
		{"standard error as a value", "library calls", "layers/a.go: import `os`; var w = os.Stderr", "os.Stderr"},
		{"exiting", "library calls", "layers/a.go: import `os`; func f() { os.Exit(1) }", "os.Exit"},
		{"the environment", "library calls", "slim/a.go: import `os`; var v = os.Getenv(``)", "os.Getenv"},
		{"the environment by way of home", "library calls", "slim/a.go: import `os`; var v, _ = os.UserCacheDir()", "os.UserCacheDir"},
		{"the clock", "library calls", "slim/a.go: import `time`; var now = time.Now", "time.Now"},
		{"the clock as a difference", "library calls", "slim/a.go: import `time`; var d = time.Since(time.Time{})", "time.Since"},
		{"a package of everything", "package names", "internal/util/a.go:", "internal/util"},
		{"one under another directory's name", "package names", "internal/x/a.go: package helpers", "helpers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantViolation(t, c.want, ruleCalled(t, c.rule)(fixture(t, c.source)))
		})
	}
}

// TestRulesPass shows each rule what is allowed and looks alike.
func TestRulesPass(t *testing.T) {
	sources := fixture(t,
		"layers/a.go: import `M/layers/elfdeps`; import `fmt`; import `time`; var s, t = fmt.Sprint(), time.Unix(0, 0)",
		"slim/a.go: import `M/layers`; import `M/internal/atomic`",
		"slim/a_test.go: import `os/exec`; import `M/internal/testimage`; import `os`; func f() { os.Exit(1) }",
		"slim/verify/a.go: import `net/http`; import `os/exec`",
		"rebase/a.go: import `M/layers`",
		"attest/a.go: import `M/slim`",
		"cmd/pare/a.go: import `M/attest`; import `net/http`; import `os`; func main() { os.Exit(0) }",
		"internal/registry/a.go: import `net/http`",
		"internal/testimage/a.go: import `M/layers`",
	)
	for _, r := range rules {
		report(t, r.check(sources))
	}
}

func TestStrangersFail(t *testing.T) {
	wantViolation(t, "vendor", strangers([]string{"vendor/modules.txt", "layers/tree.go"}))
	wantViolation(t, "notes.txt", strangers([]string{"notes.txt"}))
	wantViolation(t, "cmd/other", strangers([]string{"cmd/other/main.go"}))
	report(t, strangers([]string{"go.mod", "cmd/pare/main.go", ".ci/run", ".gitignore", "docs/x"}))
}

// TestReachFails runs the go command on a module of its own, in which one
// package of each kind reaches the network through a package in between.
func TestReachFails(t *testing.T) {
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(`
-- go.mod --
module ` + module + `
go 1.26
-- layers/a.go --
package layers
-- layers/pkgdb/a.go --
package pkgdb
import _ "` + module + `/internal/between"
-- slim/a.go --
package slim
import _ "` + module + `/layers/pkgdb"
-- slim/verify/a.go --
package verify
import _ "net/http"
-- internal/between/a.go --
package between
import _ "net/http"
-- cmd/pare/main.go --
package main
import _ "net/http"
func main() {}
`)).Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"layers/pkgdb -> internal/between -> net/http",
		"slim -> layers/pkgdb -> internal/between -> net/http",
	}
	if got := reach(listDeps(t, dir, "linux")); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func wantViolation(t *testing.T, want string, got []string) {
	t.Helper()
	if len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("violations %q, want one with %q", got, want)
	}
}

func ruleCalled(t *testing.T, name string) func([]source) []string {
	t.Helper()
	for _, r := range rules {
		if r.name == name {
			return r.check
		}
	}
	t.Fatalf("no rule is called %q", name)
	return nil
}

// fixture makes sources of lines "file: body", where M is this module and
// the package clause may be left out.
func fixture(t *testing.T, lines ...string) []source {
	t.Helper()
	var out []source
	for _, line := range lines {
		name, body, _ := strings.Cut(line, ":")
		body = strings.ReplaceAll(strings.TrimSpace(body), "`M/", "`"+module+"/")
		if !strings.HasPrefix(body, "package ") {
			body = "package " + path.Base(path.Dir(name)) + "; " + body
		}
		s, err := parse(name, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// listDeps is the import graph of all packages below dir, the standard
// library and other modules included, without tests.
func listDeps(t *testing.T, dir, goos string) map[string][]string {
	t.Helper()
	graph := map[string][]string{}
	for _, line := range run(t, dir, "env", "GOOS="+goos, "go", "list", "-e", "-deps", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		words := strings.Fields(line)
		graph[words[0]] = words[1:]
	}
	return graph
}

// run returns the lines that a command prints.
func run(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	out, err := cmd.Output()
	if err != nil {
		detail := ""
		if ee := (*exec.ExitError)(nil); errors.As(err, &ee) {
			detail = string(ee.Stderr)
		}
		t.Fatal(fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, detail))
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
