package onbase

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pare-image/pare/internal/testelf"
	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

func open(t *testing.T, archive string) Side {
	t.Helper()
	tree, err := layers.Open(t.Context(), testimage.New(t, archive), layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	db, err := pkgdb.Read(tree)
	if err != nil {
		t.Fatal(err)
	}
	return Side{tree, db}
}

// elf is the line of an ELF file. A program names the loader of glibc.
func elf(name string, f testelf.File) string {
	f.Class, f.Machine, f.Type = 2, 62, 3
	return fmt.Sprintf("file %s 0755 %s\n", name, strconv.Quote(string(f.Bytes())))
}

func library(name string, needed ...string) string {
	return elf(name, testelf.File{Soname: name[strings.LastIndexByte(name, '/')+1:], Needed: needed})
}

func program(name, loader string, needed ...string) string {
	return elf(name, testelf.File{Interp: loader, Needed: needed})
}

// everything keeps all of a tree that is no database.
func everything(s Side) []string {
	skip := map[string]bool{}
	for _, p := range s.Packages.DatabasePaths() {
		skip[p] = true
	}
	var out []string
	for e := range s.Tree.All() {
		if !skip[e.Path] && !strings.HasPrefix(e.Path, "/var/lib/dpkg") && e.Path != "/var" && e.Path != "/var/lib" {
			out = append(out, e.Path)
		}
	}
	return out
}

// seated is the seating as text: "/path base", "/path source",
// "/path over"; with "from /path" where it lay elsewhere; and findings.
func seated(t *testing.T, source, base string, o Options) string {
	t.Helper()
	src := open(t, source)
	got, err := Seat(t.Context(), src, open(t, base), everything(src), o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	slices.SortStableFunc(got.Placed, func(a, b Placed) int { return strings.Compare(a.Path, b.Path) })
	for _, p := range got.Placed {
		whose := "source"
		switch {
		case p.Base:
			whose = "base"
		case p.Over:
			whose = "over"
		}
		fmt.Fprintf(&b, "%s %s", p.Path, whose)
		if p.Source.Path != p.Path {
			b.WriteString(" from " + p.Source.Path)
		}
		b.WriteByte('\n')
	}
	for _, m := range got.Merged {
		fmt.Fprintf(&b, "%s merged %q\n", m.Path, m.Content)
	}
	for _, l := range got.Links {
		fmt.Fprintf(&b, "%s link to %s\n", l.Path, l.Target)
	}
	for _, p := range got.Gone {
		fmt.Fprintf(&b, "%s gone\n", p)
	}
	for _, f := range got.Findings {
		fmt.Fprintf(&b, "%s %s %s: %s\n", f.Severity, f.Name, f.Path, f.Text)
	}
	return b.String()
}
