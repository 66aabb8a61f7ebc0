package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pare-image/pare/slim/record/probe"
)

// docsImage is what the documents call registry.example/app:1.4, and the
// recordings of it that they name.
const docsImage = `
-- app.img --
>-- config --
>{"Entrypoint": ["/app/run"]}
>-- layer --
>file etc/debian_version "12.5"
>-- layer --
>dir app
>file app/run 0755 0:0 "run"
>file usr/lib/x86_64-linux-gnu/libssl.so.3 0644 0:0 "ssl"
-- debian-12.5.img --
>-- layer --
>file etc/debian_version "12.5"
-- debian-12.img --
>-- layer --
>file etc/debian_version "12.9"
-- app.strace --
1 1.000001 execve("/app/run", ["run"], 0x1 /* 1 var */) = 0
1 1.000002 openat(AT_FDCWD, "/usr/lib/x86_64-linux-gnu/libssl.so.3", O_RDONLY) = 3
-- creport.json --
{"monitors":{"fan":{"process_files":{"1":{"/app/run":{"first_eid":1,"execs":1}}}}}}
-- opens.json --
{"runtime":{"containerName":"app"},"proc":{"pid":1,"mntns_id":1},"fname":"/app/run"}
{"runtime":{"containerName":"db"},"proc":{"pid":2,"mntns_id":2},"fname":"/db"}
-- trace.txt --
run(1): O   /var/lib/docker/overlay2/4567/diff/app/run
-- paths.txt --
/app/run
/usr/lib/x86_64-linux-gnu/libssl.so.3
`

const docsSetup = `
elf pare-linux-amd64 amd64
image app.img $REGISTRY/app:1.4
image app.img oci:build:app
image debian-12.5.img $REGISTRY/debian:12.5
image debian-12.img $REGISTRY/debian:12
exec pare profile import --format paths --image oci:build:app -o profile.json paths.txt
exec pare plan oci:build:app -p profile.json -o plan.json
exec pare slim $REGISTRY/app:1.4 -p profile.json -o $REGISTRY/app:1.4-slim
`

// docsNames are what the documents' names for things mean here.
var docsNames = strings.NewReplacer("registry.example", "$REGISTRY", "pare instrument", "pare instrument --sensor pare-linux-amd64", " IMAGE", " $REGISTRY/app:1.4", " DEST", " oci:dest:slim")

// Every pare command in the documents works as it stands there.
func TestDocuments(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, found := t.TempDir(), 0
	for _, f := range append(files, "../../README.md") {
		commands := docsCommands(t, f)
		if len(commands) == 0 {
			continue
		}
		found += len(commands)
		var script strings.Builder
		script.WriteString(docsSetup)
		for _, c := range commands {
			if runsImages(c) {
				checkWords(t, f, c)
				continue
			}
			fmt.Fprintf(&script, "exec %s\n", docsNames.Replace(c))
		}
		script.WriteString(docsImage)
		name := filepath.Join(dir, strings.TrimSuffix(filepath.Base(f), ".md")+".txtar")
		if err := os.WriteFile(name, []byte(script.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if found < 5 {
		t.Fatalf("only %d commands found in the documents", found)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir, WorkdirRoot: t.TempDir(), Setup: setup, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"image": cmdImage, "elf": cmdELF},
	})
}

// docsCommands are the lines of code blocks that begin with "pare", lines
// that end in a backslash joined with the next.
func docsCommands(t *testing.T, file string) []string {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	inside := false
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			inside = !inside
		} else if inside && strings.HasPrefix(line, "pare ") {
			out = append(out, line)
		}
	}
	return out
}

// runsImages tells the commands that start an image: the tests of real images
// run those.
func runsImages(command string) bool {
	words := strings.Fields(command)
	return slices.Contains([]string{"record", "verify", "exec"}, words[1]) ||
		slices.ContainsFunc(words, func(w string) bool { return w == "--record" || w == "--verify" || w == "--repair" })
}

// checkWords wants a command line to be understood.
func checkWords(t *testing.T, file, command string) {
	t.Helper()
	words, err := shellquote(command)
	if err != nil {
		t.Errorf("%s: %s: %v", file, command, err)
		return
	}
	cmd, rest, err := newRootCommand(newApp()).Find(words[1:])
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("%s: %s: %v", file, command, err)
	}
}

// shellquote splits a line as a shell does, as far as the documents go.
func shellquote(line string) ([]string, error) {
	p, err := probe.ParseExec(line)
	return p.Argv, err
}
