package elfdeps

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
)

func (m memTree) Symbols(final string) (*Symbols, error) {
	return ParseSymbols(bytes.NewReader(m[final]), int64(len(m[final])))
}

func (hostTree) Symbols(final string) (*Symbols, error) { return symbolsOf(final) }

var _ SymbolTree = memTree{}

// lackLines are lacks as "kind name@version library where".
func lackLines(lacks []Lack) []string {
	kinds := map[LackKind]string{LackInterpreter: "interpreter", LackLibrary: "library", LackVersion: "version", LackSymbol: "symbol"}
	var out []string
	for _, l := range lacks {
		line := kinds[l.Kind] + " " + l.Name
		if l.Version != "" {
			line += "@" + l.Version
		}
		out = append(out, strings.TrimRight(line+" "+l.Library+" "+l.Where, " "))
	}
	return out
}

func TestLacks(t *testing.T) {
	elf := func(f testelf.File) []byte {
		f.Class, f.Machine, f.Type = 2, machineX86_64, typeDyn
		return f.Bytes()
	}
	program := func(symbols ...testelf.Symbol) []byte {
		return elf(testelf.File{Interp: "/ld.so", Needed: []string{"liba.so.1", "libb.so.1"}, Symbols: symbols})
	}
	get := func(name, version, library string) testelf.Symbol {
		return testelf.Symbol{Name: name, Version: version, Library: library, Import: true}
	}
	v2 := elf(testelf.File{Soname: "liba.so.1", Defines: []string{"A_1", "A_2"}, Symbols: []testelf.Symbol{
		{Name: "f", Version: "A_1", Hidden: true},
		{Name: "f", Version: "A_2"},
		{Name: "old", Version: "A_1", Hidden: true},
		{Name: "base"},
	}})
	v1 := elf(testelf.File{Soname: "liba.so.1", Defines: []string{"A_1"}, Symbols: []testelf.Symbol{{Name: "f", Version: "A_1"}}})
	plain := elf(testelf.File{Soname: "liba.so.1", Symbols: []testelf.Symbol{{Name: "f"}}})
	b := elf(testelf.File{Soname: "libb.so.1", Defines: []string{"A_1", "A_2"}, Symbols: []testelf.Symbol{{Name: "g"}, {Name: "moved", Version: "A_2"}}})
	for name, c := range map[string]struct {
		a, b, program []byte
		more          memTree
		want          []string
	}{
		"all is there":                      {v2, b, program(get("f", "A_2", "liba.so.1"), get("old", "A_1", "liba.so.1"), get("g", "", "")), nil, nil},
		"a version is not":                  {v1, b, program(get("f", "A_2", "liba.so.1")), nil, []string{"version A_2 liba.so.1 /usr/lib/liba.so.1"}},
		"a version that may be missing":     {v1, b, elf(testelf.File{Interp: "/ld.so", Needed: []string{"liba.so.1"}, Symbols: []testelf.Symbol{{Name: "own"}}, Needs: []testelf.Need{{Library: "liba.so.1", Version: "A_2", Weak: true}}}), nil, nil},
		"a library without versions passes": {plain, b, program(get("f", "A_2", "liba.so.1")), nil, nil},
		"a symbol of the version":           {v2, b, program(get("gone", "A_2", "liba.so.1")), nil, []string{"symbol gone@A_2 liba.so.1 /usr/lib/liba.so.1"}},
		"only under another version":        {v2, b, program(get("old", "A_2", "liba.so.1")), nil, []string{"symbol old@A_2 liba.so.1 /usr/lib/liba.so.1"}},
		"a symbol of the base version":      {v2, b, program(get("base", "A_2", "liba.so.1")), nil, nil},
		"a symbol that moved":               {v2, b, program(get("moved", "A_2", "liba.so.1")), nil, nil},
		"a weak symbol":                     {v2, b, program(testelf.Symbol{Name: "no", Import: true, Weak: true}), nil, nil},
		"a symbol that is nowhere":          {v2, b, program(get("no", "", "")), nil, []string{"symbol no"}},
		"a plugin's are its program's": {
			v2, b, elf(testelf.File{Needed: []string{"liba.so.1"}, Symbols: []testelf.Symbol{get("no", "", ""), get("gone", "A_2", "liba.so.1")}}), nil,
			[]string{"symbol gone@A_2 liba.so.1 /usr/lib/liba.so.1"},
		},
		"a library is not there: symbols may be in it": {v2, nil, program(get("no", "", "")), nil, []string{"library libb.so.1"}},
		"the interpreter is not there": {
			v2, b, elf(testelf.File{Interp: "/no", Needed: []string{"liba.so.1"}}), nil,
			[]string{"interpreter /no"},
		},
		"what a library lacks is the library's": {
			elf(testelf.File{Soname: "liba.so.1", Needed: []string{"libno.so"}}), b, program(), nil,
			nil,
		},
		"loaded already, by its soname": {
			elf(testelf.File{Soname: "libother.so", Symbols: []testelf.Symbol{{Name: "x"}}}), elf(testelf.File{Needed: []string{"libother.so"}}), program(get("x", "", "")), nil,
			nil,
		},
		"a symbol of a library's library": {
			v2, elf(testelf.File{Needed: []string{"libc.so"}}), program(get("deep", "", "")),
			memTree{"/usr/lib/libc.so": elf(testelf.File{Symbols: []testelf.Symbol{{Name: "deep"}}})},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tree := memTree{"/ld.so": elf(testelf.File{}), "/p": c.program, "/usr/lib/liba.so.1": c.a}
			if c.b != nil {
				tree["/usr/lib/libb.so.1"] = c.b
			}
			maps.Copy(tree, c.more)
			got, err := NewLinker(tree, nil).Lacks("/p")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, lackLines(got)); diff != "" {
				t.Errorf("lacks (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLacksOfThisMachine expects none of programs that the loader starts
// without complaint: with LD_BIND_NOW and LD_WARN, as `ldd -r` does, it looks
// every symbol up.
func TestLacksOfThisMachine(t *testing.T) {
	l := NewLinker(hostTree{}, nil)
	compared, lacking := 0, 0
	for _, program := range append(systemPrograms(t, 60), systemLibraries(t, 30)...) {
		info, err := parseFile(program)
		if err != nil || len(info.Needed) == 0 {
			continue
		}
		loader := "/lib64/ld-linux-x86-64.so.2"
		if info.Machine != machineX86_64 || !exists(loader) {
			continue
		}
		cmd := exec.Command(loader, program)
		cmd.Env = append(os.Environ(), "LD_TRACE_LOADED_OBJECTS=1", "LD_WARN=yes", "LD_BIND_NOW=yes")
		out, err := cmd.CombinedOutput()
		if err != nil && !strings.Contains(string(out), "=>") {
			continue
		}
		lacks, err := l.Lacks(program)
		if err != nil {
			t.Errorf("%s: %v", program, err)
			continue
		}
		compared++
		complains := strings.Contains(string(out), "not found ("+program) || strings.Contains(string(out), "undefined symbol") || strings.Contains(string(out), "=> not found")
		if len(lacks) > 0 {
			lacking++
		}
		if len(lacks) > 0 && !complains {
			t.Errorf("%s lacks %q, and the loader says:\n%s", program, lackLines(lacks), out)
		}
	}
	t.Logf("%d files compared, %d lack something", compared, lacking)
	if compared < 20 {
		t.Error("too little was compared")
	}
}

// TestLinkerBounds has libraries that all need all others, by way of search
// paths that differ.
func TestLinkerBounds(t *testing.T) {
	tree := memTree{}
	var all []string
	for i := range 40 {
		all = append(all, fmt.Sprintf("l%d.so", i))
	}
	for i, name := range all {
		tree["/usr/lib/"+name] = testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, Needed: all, RPath: fmt.Sprintf("/r%d", i)}.Bytes()
	}
	l := NewLinker(tree, nil)
	loaded, err := l.Load("/usr/lib/l0.so")
	if err != nil || len(loaded.Files) != len(all) {
		t.Fatalf("%d files loaded: %v", len(loaded.Files), err)
	}
	l.searches = maxSearches
	if _, err := l.Load("/usr/lib/l1.so"); err == nil {
		t.Error("no end to searches")
	}
	l.searches, l.loads = 0, maxLoads
	if _, err := l.Load("/usr/lib/l2.so"); err == nil {
		t.Error("no end to loads")
	}
	l.loads, l.bytes = 0, maxSymbolBytes+1
	if _, err := l.Lacks("/usr/lib/l0.so"); err == nil {
		t.Error("no end to symbols")
	}
}
