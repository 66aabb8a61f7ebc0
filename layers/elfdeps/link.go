package elfdeps

import (
	"errors"
	"fmt"
	"strings"
)

// ErrTooMuch says that following what files need takes more work or memory
// than a [Linker] does.
var ErrTooMuch = errors.New("too much to follow")

// Bounds of a linker: ten times and more what large images come to.
const (
	maxLoads       = 5_000_000 // files loaded, all sets together
	maxSearches    = 50_000_000
	maxSymbolBytes = 1 << 30 // of symbols kept
)

// SymbolTree is a file tree whose ELF files' symbols can be read.
type SymbolTree interface {
	Tree
	// Symbols returns the symbols of the ELF file at final.
	Symbols(final string) (*Symbols, error)
}

// Linker does in a tree what the dynamic loader does when a program starts,
// without running anything: it finds the files that are loaded together, and
// says what they lack. It is not safe for parallel use.
//
// Source: glibc, elf/dl-deps.c, elf/dl-version.c, elf/dl-lookup.c.
type Linker struct {
	tree        SymbolTree
	resolver    *Resolver
	libraryPath []string
	deps        map[string][]Found
	symbols     map[string]*linkSymbols // by final path
	loads       int
	searches    int
	bytes       int
}

// NewLinker makes a linker for a tree; libraryPath is LD_LIBRARY_PATH, split.
func NewLinker(t SymbolTree, libraryPath []string) *Linker {
	return &Linker{
		tree: t, resolver: NewResolver(t), libraryPath: libraryPath,
		deps: map[string][]Found{}, symbols: map[string]*linkSymbols{},
	}
}

// Loaded are the files that are loaded together for one.
type Loaded struct {
	// Files in the order in which symbols are looked up, breadth first; the
	// first is the file itself.
	Files []File
	// Missing are the libraries and the interpreter that are not found, with
	// the file that needs them.
	Missing []Missing

	names  map[string]int // DT_NEEDED or DT_SONAME -> index of Files
	finals map[string]int // final path -> index of Files
}

// Missing is a library or an interpreter that a file needs.
type Missing struct {
	By   string // final path
	Name string
	// Interp says that it is the interpreter.
	Interp bool
}

// Load finds what is loaded for the ELF file at path. A library that is
// loaded already, under the name that is needed or as its soname, is not
// searched for again. The error is ErrTooMuch.
func (l *Linker) Load(path string) (*Loaded, error) {
	final, ok := l.tree.ResolveFile(path)
	if !ok {
		return &Loaded{}, nil
	}
	out := &Loaded{names: map[string]int{}, finals: map[string]int{}}
	out.add("", File{Path: path, Final: final}, l.tree.ELF(final))
	for i := 0; i < len(out.Files); i++ {
		if err := l.loadNeeds(out, out.Files[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o *Loaded) add(name string, f File, info *Info) {
	i, ok := o.finals[f.Final]
	if !ok {
		i = len(o.Files)
		o.Files = append(o.Files, f)
		o.finals[f.Final] = i
	}
	for _, n := range []string{name, soname(info)} {
		if _, ok := o.names[n]; n != "" && !ok {
			o.names[n] = i
		}
	}
}

func soname(i *Info) string {
	if i == nil {
		return ""
	}
	return i.Soname
}

func (l *Linker) loadNeeds(out *Loaded, f File) error {
	found, err := l.needs(f)
	if err != nil {
		return err
	}
	hands := l.resolver.Hands(f)
	for _, d := range found {
		if _, ok := out.names[d.Name]; ok || d.Via == "hwcaps" {
			continue
		}
		if l.loads++; l.loads > maxLoads {
			return fmt.Errorf("following the libraries of %q: %w: over %d files", f.Path, ErrTooMuch, maxLoads)
		}
		if d.Path == "" {
			out.Missing = append(out.Missing, Missing{By: f.Final, Name: d.Name, Interp: d.Via == "interp"})
			continue
		}
		if d.Via == "interp" && len(out.Files) > 1 {
			continue // of a library that is a program too: the program's own counts
		}
		out.add(d.Name, File{Path: d.Path, Final: d.Final, Inherited: hands}, l.tree.ELF(d.Final))
	}
	return nil
}

// needs is Deps of the resolver, remembered.
func (l *Linker) needs(f File) ([]Found, error) {
	key := f.Path + "\x00" + f.Final + "\x00" + strings.Join(f.Inherited, ":")
	found, ok := l.deps[key]
	if ok {
		return found, nil
	}
	if info := l.tree.ELF(f.Final); info != nil {
		const always = 16 // ld.so.conf, default directories, variants
		l.searches += len(info.Needed) * (len(info.RPath) + len(info.RunPath) + len(f.Inherited) + always)
	}
	if l.searches > maxSearches {
		return nil, fmt.Errorf("finding the libraries of %q: %w: over %d look-ups", f.Path, ErrTooMuch, maxSearches)
	}
	found = l.resolver.Deps(f, l.libraryPath)
	l.deps[key] = found
	return found, nil
}

// Needs are the libraries and the interpreter that the ELF file at path names
// itself, variants for particular CPUs among them.
func (l *Linker) Needs(path string) ([]Found, error) {
	final, ok := l.tree.ResolveFile(path)
	if !ok {
		return nil, nil
	}
	return l.needs(File{Path: path, Final: final})
}
