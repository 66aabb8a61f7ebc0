package elfdeps

import (
	"io"
	"strings"
)

// Symbols is what the dynamic symbol table of an ELF file and its version
// sections say: what it takes from other files and what it gives them. All
// are in the order of the file.
type Symbols struct {
	Imports  []Import
	Exports  []Export
	Needs    []VersionNeed
	Versions []string // that the file defines, without its base version (its name)
	// Versioned says that the file tells versions of its symbols apart
	// (DT_VERDEF). The loader lets files without pass for any version.
	Versioned bool

	names int // bytes of the string table
}

// Size is about how many bytes of memory the symbols take, with an index.
func (s *Symbols) Size() int {
	return s.names + 128*(len(s.Imports)+len(s.Exports)+len(s.Needs)+len(s.Versions))
}

// Import is an undefined symbol.
type Import struct {
	Name string
	// Version is "" where any will do; Library is the file that is to define
	// the version.
	Version, Library string
	// Weak says that the symbol may be missing.
	Weak bool
}

// Export is a symbol that other files can bind to.
type Export struct {
	Name    string
	Version string // "" for the base version
	// Hidden says that the symbol is for those that ask for its version
	// ("name@VERSION" in nm's words, not "name@@VERSION").
	Hidden bool
}

// VersionNeed is one version that a file needs of a library.
type VersionNeed struct {
	Library, Version string
	// Weak says that the version may be missing (VER_FLG_WEAK).
	Weak bool
}

// Bounds of what symbols may make us read and keep. The largest of Debian
// bookworm's 900 libraries looked at have some 50,000 symbols with 4 MB of
// names, and 60 versions of one library.
const (
	maxSymbols  = 1 << 20
	maxNames    = 64 << 20 // bytes of the string table
	maxVersions = 1 << 15  // a version's number has 15 bits
	// maxNameSum bounds what all names come to: each may be the tail of
	// another, or the same.
	maxNameSum = 4 * maxNames
)

// ParseSymbols reads the symbols of the ELF file in r, within fixed bounds,
// by way of the program headers alone: section headers may be stripped.
// Errors are those of [Parse]. A file without a dynamic section has none.
//
// Sources: System V gABI, chapter 5 (symbol and hash tables); Linux Standard
// Base Core, "Symbol Versioning"; glibc, elf/dl-version.c and elf/dl-lookup.c.
func ParseSymbols(r io.ReaderAt, size int64) (*Symbols, error) {
	p := parser{r: &readAhead{r: r}, size: size}
	if err := p.header(); err != nil {
		return nil, err
	}
	if err := p.programHeaders(); err != nil {
		return nil, err
	}
	for _, ph := range p.programs {
		if ph.typ == ptDynamic {
			return p.symbols(ph)
		}
	}
	return &Symbols{}, nil
}

// symbolReader reads one file's symbols.
type symbolReader struct {
	*parser
	tables map[uint64]uint64 // dynamic tag -> value, the first of each
	names  string            // the string table
	sum    int               // bytes of names read from it
	out    Symbols

	versions map[uint16]symbolVersion // by number in DT_VERSYM
}

// symbolVersion is what a number in DT_VERSYM stands for.
type symbolVersion struct {
	name    string
	library string // for versions that are needed
}

func (p *parser) symbols(ph program) (*Symbols, error) {
	tags, err := p.dynamicTags(ph)
	if err != nil {
		return nil, err
	}
	s := symbolReader{parser: p, tables: map[uint64]uint64{}, versions: map[uint16]symbolVersion{}}
	for _, t := range tags {
		if _, ok := s.tables[t.tag]; !ok {
			s.tables[t.tag] = t.val
		}
	}
	if s.tables[dtSymtab] == 0 || s.tables[dtStrtab] == 0 {
		return &s.out, nil
	}
	for _, step := range []func() error{s.readNames, s.readNeeds, s.readVersions, s.readSymbols} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &s.out, nil
}

// table returns where in the file a table is.
func (s *symbolReader) table(tag uint64, what string) (uint64, error) {
	off, ok := s.offset(s.tables[tag])
	if !ok {
		return 0, s.fail(0, "%s at address %#x, which no segment holds", what, s.tables[tag])
	}
	return off, nil
}

// readNames reads the string table at once: names of symbols are parts of it.
func (s *symbolReader) readNames() error {
	off, err := s.table(dtStrtab, "string table")
	if err != nil {
		return err
	}
	size := s.tables[dtStrsz]
	if size > maxNames {
		return s.fail(off, "string table of %d bytes, at most %d are read", size, maxNames)
	}
	b, err := s.read(off, size, "string table")
	s.names, s.out.names = string(b), len(b)
	return err
}

// readSymbols reads the symbol table with the versions beside it.
func (s *symbolReader) readSymbols() error {
	off, err := s.table(dtSymtab, "symbol table")
	if err != nil {
		return err
	}
	n, known, err := s.countSymbols()
	if err != nil {
		return err
	}
	if n > maxSymbols {
		return s.fail(off, "%d symbols, at most %d are read", n, maxSymbols)
	}
	table, err := s.read(off, n*s.symbolSize(), "symbol table")
	if err != nil {
		return err
	}
	numbers, err := s.versionNumbers(n)
	if err != nil {
		return err
	}
	for i := uint64(1); i < n; i++ {
		sym := s.symbol(table[i*s.symbolSize():])
		if uint64(sym.name) >= uint64(len(s.names)) {
			if !known {
				return nil // after the table's end
			}
			return s.fail(off+i*s.symbolSize(), "the name of symbol %d is outside the string table", i)
		}
		if err := s.add(sym, numbers, i); err != nil {
			return err
		}
	}
	return nil
}

// versionNumbers are n numbers of DT_VERSYM, nil when the file has none.
func (s *symbolReader) versionNumbers(n uint64) ([]byte, error) {
	if s.tables[dtVersym] == 0 {
		return nil, nil
	}
	off, err := s.table(dtVersym, "table of symbol versions")
	if err != nil {
		return nil, err
	}
	return s.read(off, 2*n, "table of symbol versions")
}

// symbol is one entry of the symbol table.
type symbol struct {
	name        uint32
	info, other byte
	section     uint16
	value       uint64
}

// Parts of st_info, st_other and st_shndx.
const (
	bindGlobal = 1
	bindWeak   = 2
	bindUnique = 10 // STB_GNU_UNIQUE

	typeTLS = 6

	visibilityDefault   = 0
	visibilityProtected = 3

	sectionUndefined = 0
	sectionAbsolute  = 0xfff1
)

func (p *parser) symbolSize() uint64 {
	if p.is64 {
		return 24
	}
	return 16
}

func (p *parser) symbol(b []byte) symbol {
	if p.is64 {
		return symbol{p.order.Uint32(b), b[4], b[5], p.order.Uint16(b[6:]), p.order.Uint64(b[8:])}
	}
	return symbol{p.order.Uint32(b), b[12], b[13], p.order.Uint16(b[14:]), uint64(p.order.Uint32(b[4:]))}
}

func (s symbol) weak() bool { return s.info>>4 == bindWeak }

// binds says that other files see the symbol.
func (s symbol) binds() bool {
	bind := s.info >> 4
	return bind == bindGlobal || bind == bindWeak || bind == bindUnique
}

// exported is do_lookup_x of glibc's elf/dl-lookup.c: a symbol without a value
// is none, unless it is absolute or thread-local.
func (s symbol) exported() bool {
	visibility := s.other & 3
	return (visibility == visibilityDefault || visibility == visibilityProtected) &&
		(s.value != 0 || s.section == sectionAbsolute || s.info&15 == typeTLS)
}

// versionHidden marks a symbol that only those get who ask for its version.
const versionHidden = 0x8000

// Numbers of DT_VERSYM that are no version.
const (
	versionLocal  = 0
	versionGlobal = 1
)

func (s *symbolReader) add(sym symbol, numbers []byte, i uint64) error {
	name, err := s.name(sym.name)
	if err != nil || name == "" || !sym.binds() {
		return err
	}
	number := uint16(versionGlobal)
	if numbers != nil {
		number = s.order.Uint16(numbers[2*i:])
	}
	v := s.versions[number&^versionHidden]
	switch {
	case sym.section == sectionUndefined:
		s.out.Imports = append(s.out.Imports, Import{Name: name, Version: v.name, Library: v.library, Weak: sym.weak()})
	case sym.exported() && number != versionLocal:
		s.out.Exports = append(s.out.Exports, Export{Name: name, Version: v.name, Hidden: number&versionHidden != 0})
	}
	return nil
}

// name returns the string at an offset of the string table; it shares the
// table's memory.
func (s *symbolReader) name(at uint32) (string, error) {
	if uint64(at) >= uint64(len(s.names)) {
		return "", s.fail(0, "a name outside the string table")
	}
	rest := s.names[at:]
	n := strings.IndexByte(rest, 0)
	if n < 0 {
		return "", s.fail(0, "a name without an end")
	}
	if s.sum += n; s.sum > maxNameSum {
		return "", s.fail(0, "more than %d bytes of names", maxNameSum)
	}
	return rest[:n], nil
}
