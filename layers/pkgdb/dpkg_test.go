package pkgdb

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testroot"
	"github.com/pare-image/pare/layers"
)

// subset is a choice of entries to keep: every one with the same chance, and
// always the directories of what is kept.
type subset struct {
	seed uint64
	part float64
}

// TestFilterSatisfiesDpkg keeps random parts of a real Debian system and asks
// dpkg itself: nothing to audit, nothing to verify, and exactly the packages
// that still own a file.
func TestFilterSatisfiesDpkg(t *testing.T) {
	needDpkg(t)
	tree, err := layers.Open(t.Context(), testroot.Image(t), layers.Options{Scratch: t.TempDir(), Want: func(string, *layers.Header) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	db, err := Read(tree)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(db.Packages()); n < 50 {
		t.Fatalf("only %d packages", n)
	}
	for _, s := range []subset{{1, 1}, {2, 0.5}, {3, 0.05}, {4, 0.005}} {
		t.Run(fmt.Sprintf("%g of all files", s.part), func(t *testing.T) { checkWithDpkg(t, tree, db, s) })
	}
}

func needDpkg(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("dpkg"); err == nil {
		return
	} else if os.Getenv("CI") != "" {
		t.Fatal(err)
	} else {
		t.Skip(err)
	}
}

func checkWithDpkg(t *testing.T, tree *layers.Tree, db *DB, s subset) {
	kept := s.choose(tree, db)
	filtered := db.Filter(func(p string) bool { return kept[p] })
	root := t.TempDir()
	writeRoot(t, root, tree, kept)
	for _, f := range filtered.Files {
		writeFile(t, filepath.Join(root, f.Path), bytes.NewReader(f.Content))
	}
	if out := dpkg(t, root, "--audit"); out != "" {
		t.Errorf("dpkg --audit: %s", out)
	}
	if out := dpkg(t, root, "--verify"); out != "" {
		t.Errorf("dpkg --verify: %s", out)
	}
	want, half := owning(tree, kept)
	if diff := cmp.Diff(want, listed(t, root)); diff != "" {
		t.Errorf("packages (-those that own a kept file +those that dpkg lists):\n%s", diff)
	}
	if diff := cmp.Diff(want, idsOf(filtered.Packages)); diff != "" {
		t.Errorf("packages (-those that own a kept file +Filtered.Packages):\n%s", diff)
	}
	if diff := cmp.Diff(half, idsOf(filtered.Half)); diff != "" {
		t.Errorf("packages (-those that lost a file +Filtered.Half):\n%s", diff)
	}
	checkLists(t, root, tree)
	checkConffiles(t, root)
	t.Logf("%d of %d entries kept, %d of %d packages, %d of them in part", len(kept), tree.Len(), len(want), len(db.Packages()), len(half))
	if len(want) == 0 {
		t.Error("no package is left to ask about")
	}
}

func (s subset) choose(tree *layers.Tree, db *DB) map[string]bool {
	rnd := rand.New(rand.NewPCG(s.seed, 0))
	database := db.DatabasePaths()
	kept := map[string]bool{}
	for e := range tree.All() {
		if e.Type == layers.Directory || rnd.Float64() >= s.part {
			continue
		}
		if _, is := slices.BinarySearch(database, e.Path); is {
			continue
		}
		for p := e.Path; !kept[p]; p = filepath.Dir(p) {
			kept[p] = true
		}
	}
	return kept
}

// writeRoot writes kept files with their modes; owners do not matter to dpkg.
func writeRoot(t *testing.T, root string, tree *layers.Tree, kept map[string]bool) {
	t.Helper()
	for e := range tree.All() {
		if !kept[e.Path] || e.Path == "/" {
			continue
		}
		name := filepath.Join(root, e.Path)
		switch e.Type {
		case layers.Directory:
			if err := os.MkdirAll(name, 0o755); err != nil {
				t.Fatal(err)
			}
		case layers.Symlink:
			if err := os.Symlink(e.Linkname, name); err != nil {
				t.Fatal(err)
			}
		case layers.Regular:
			r, err := tree.OpenContent(e.Inode)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, name, r)
			r.Close()
		}
	}
	if err := os.MkdirAll(filepath.Join(root, infoDir), 0o755); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, name string, r io.Reader) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		t.Fatal(err)
	}
}

// dpkg's exit code only repeats that it printed something.
func dpkg(t *testing.T, root string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "dpkg", append([]string{"--root=" + root}, args...)...)
	cmd.Env, cmd.WaitDelay = append(os.Environ(), "LC_ALL=C"), time.Second
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s did not start", cmd)
	}
	return string(out)
}

func listed(t *testing.T, root string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "dpkg-query", "--admindir="+root+adminDir, "--show", "--showformat", "${binary:Package} ${Version} ${db:Status-Status}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "installed" {
			t.Errorf("dpkg-query says %q", line)
		}
		name, _, _ := strings.Cut(f[0], ":")
		ids = append(ids, name)
	}
	slices.Sort(ids)
	return ids
}

func idsOf(ps []*Package) []string {
	var ids []string
	for _, p := range ps {
		ids = append(ids, p.Name)
	}
	slices.Sort(ids)
	return ids
}

// owning reads the original lists anew, in the most direct way: a package
// owns a kept file when one of its lines, diverted and with its directories
// resolved, is a kept entry that is no directory. What the package itself has
// as a directory (/lib after usr-merge) is no file.
func owning(tree *layers.Tree, kept map[string]bool) (owns, half []string) {
	diverted := map[string][2]string{}
	lines := splitLines(readAll(tree, adminDir+"/diversions"))
	for i := 0; i+2 < len(lines); i += 3 {
		diverted[lines[i]] = [2]string{lines[i+1], lines[i+2]}
	}
	for _, e := range tree.Children(infoDir) {
		name, ok := strings.CutSuffix(filepath.Base(e.Path), ".list")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, ":")
		list := splitLines(readAll(tree, e.Path))
		has, lost := 0, 0
		for i, line := range list {
			if i+1 < len(list) && strings.HasPrefix(list[i+1], line+"/") || line == "/." {
				continue
			}
			if d, ok := diverted[line]; ok && d[1] != name {
				line = d[0]
			}
			r, err := tree.ResolveLink(line)
			switch {
			case err != nil || r.Entry.Type == layers.Directory:
			case kept[r.Entry.Path]:
				has++
			default:
				lost++
			}
		}
		if has > 0 {
			owns = append(owns, name)
			if lost > 0 {
				half = append(half, name)
			}
		}
	}
	slices.Sort(owns)
	slices.Sort(half)
	return owns, half
}

func readAll(tree *layers.Tree, p string) []byte {
	e, ok := tree.Lookup(p)
	if !ok {
		return nil
	}
	b, err := tree.ReadContent(e.Inode, maxList)
	if err != nil {
		return nil
	}
	return b
}

// checkLists: what the written lists name is there, and every line of them
// is one of the original's, but for the way to what it names.
func checkLists(t *testing.T, root string, tree *layers.Tree) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, infoDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	lines, respelled := map[string]int{}, 0
	for _, name := range names {
		base := filepath.Base(name)
		if base == "format" {
			continue
		}
		original, spellings := map[string]bool{}, map[string]bool{}
		for _, l := range splitLines(readAll(tree, infoDir+"/"+base)) {
			original[l] = true
			before, p := splitSum(l)
			if r, err := tree.ResolveLink(p); err == nil {
				spellings[before+r.Entry.Path] = true
			}
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range splitLines(b) {
			lines[filepath.Ext(base)]++
			before, p := splitSum(l)
			if !original[l] {
				respelled++
				if !spellings[before+p] {
					t.Errorf("%s: line %q is new", base, l)
				}
			}
			if _, err := os.Lstat(filepath.Join(root, p)); err != nil {
				t.Errorf("%s: line %q names nothing: %v", base, l, err)
			}
		}
	}
	t.Logf("lines of lists: %v, %d respelled", lines, respelled)
	if len(lines) != 2 || lines[".list"] == 0 || lines[".md5sums"] == 0 {
		t.Errorf("lines of lists: %v", lines)
	}
}

// splitSum splits a line of a list (no sum) or of md5sums.
func splitSum(line string) (sum, p string) {
	if strings.HasPrefix(line, "/") {
		return "", line
	}
	sum, p, _ = strings.Cut(line, "  ")
	return sum + "  ", "/" + p
}

// checkConffiles: every Conffiles line of the status file names a file. dpkg
// itself does not look.
func checkConffiles(t *testing.T, root string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, statusFile))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(b)) {
		name, sum, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := hex.DecodeString(sum); err != nil || len(sum) != 32 || !strings.HasPrefix(line, " /") {
			continue
		}
		lines++
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil {
			t.Errorf("conffile %q: %v", name, err)
		}
	}
	t.Logf("%d conffiles", lines)
}
