package testelf

import "slices"

// Symbol is one entry of the dynamic symbol table.
type Symbol struct {
	Name    string
	Version string
	Import  bool
	Library string // of an import's version
	Weak    bool
	Hidden  bool // an export's version has to be asked for
}

// Need is a version that the file needs of a library.
type Need struct {
	Library, Version string
	Weak             bool
}

// Hash is the kind of table that says how many symbols there are.
type Hash int

// The kinds of hash tables.
const (
	HashGNU Hash = iota
	HashSysV
	HashNone
)

const (
	dtHash       = 4
	dtSymtab     = 6
	dtGNUHash    = 0x6ffffef5
	dtVersym     = 0x6ffffff0
	dtVerdef     = 0x6ffffffc
	dtVerdefNum  = 0x6ffffffd
	dtVerneed    = 0x6ffffffe
	dtVerneedNum = 0x6fffffff
)

// table is what a dynamic tag points at.
type table struct {
	tag, countTag, count uint64
	b                    []byte
	off                  int
}

// tables are laid out one after the other behind the strings.
type tables []*table

// tags is how many dynamic tags they take.
func (ts tables) tags() int {
	n := len(ts)
	for _, t := range ts {
		if t.countTag != 0 {
			n++
		}
	}
	return n
}

// place gives every table its offset from end on, and returns the tags.
func (ts tables) place(end *int) []dynTag {
	var tags []dynTag
	for _, t := range ts {
		t.off = (*end + 7) &^ 7
		*end = t.off + len(t.b)
		tags = append(tags, dynTag{t.tag, uint64(t.off)})
		if t.countTag != 0 {
			tags = append(tags, dynTag{t.countTag, t.count})
		}
	}
	return tags
}

// tableWriter makes the tables of a file's symbols.
type tableWriter struct {
	fileWriter
	file    File
	strtab  *[]byte
	symbols []Symbol // imports first, as hash tables of GNU want it
	needs   []Need
}

func newTables(f File, w fileWriter, strtab *[]byte) tables {
	t := tableWriter{fileWriter: fileWriter{order: w.order, is64: w.is64}, file: f, strtab: strtab, needs: slices.Clone(f.Needs)}
	for _, imports := range []bool{true, false} {
		for _, s := range f.Symbols {
			if s.Import == imports {
				t.symbols = append(t.symbols, s)
			}
			if n := (Need{Library: s.Library, Version: s.Version}); s.Import && s.Version != "" && !slices.Contains(t.needs, n) {
				t.needs = append(t.needs, n)
			}
		}
	}
	var ts tables
	add := func(tag uint64, b []byte, countTag, count uint64) {
		ts = append(ts, &table{tag: tag, b: b, countTag: countTag, count: count})
	}
	if len(f.Symbols) > 0 {
		add(dtSymtab, t.symtab(), 0, 0)
	}
	if len(f.Symbols) > 0 && len(f.Defines)+len(t.needs) > 0 {
		add(dtVersym, t.versym(), 0, 0)
	}
	if len(t.needs) > 0 {
		b, n := t.verneed()
		add(dtVerneed, b, dtVerneedNum, n)
	}
	if len(f.Defines) > 0 {
		add(dtVerdef, t.verdef(), dtVerdefNum, uint64(len(f.Defines)+1))
	}
	switch {
	case len(f.Symbols) == 0:
	case f.Hash == HashGNU:
		add(dtGNUHash, t.gnuHash(), 0, 0)
	case f.Hash == HashSysV:
		add(dtHash, t.sysvHash(), 0, 0)
	}
	return ts
}

// take returns what was written since the last time.
func (w *tableWriter) take() []byte {
	b := slices.Clone(w.buf.Bytes())
	w.buf.Reset()
	return b
}

// str adds a string to the string table.
func (w *tableWriter) str(s string) uint32 {
	at := uint32(len(*w.strtab))
	*w.strtab = append(append(*w.strtab, s...), 0)
	return at
}

func (w *tableWriter) symtab() []byte {
	w.symbol(Symbol{Import: true})
	for _, s := range w.symbols {
		w.symbol(s)
	}
	return w.take()
}

func (w *tableWriter) symbol(s Symbol) {
	name, info, section, value := uint32(0), byte(0), uint16(0), uint64(0)
	if s.Name != "" {
		name, info = w.str(s.Name), 1<<4|2 // global function
	}
	if s.Weak {
		info = 2<<4 | 2
	}
	if !s.Import {
		section, value = 1, 0x1000
	}
	w.u32(name)
	if !w.is64 {
		w.u32(uint32(value))
		w.u32(0)
	}
	w.buf.Write([]byte{info, 0})
	w.u16(section)
	if w.is64 {
		w.word(value)
		w.word(0)
	}
}

// number is a version's: 1 is the file itself, then come the versions that it
// defines, then those that it needs.
func (w *tableWriter) number(s Symbol) uint16 {
	switch {
	case s.Version == "":
		return 1
	case s.Import:
		return uint16(2 + len(w.file.Defines) + slices.IndexFunc(w.needs, func(n Need) bool { return n.Library == s.Library && n.Version == s.Version }))
	}
	n := uint16(2 + slices.Index(w.file.Defines, s.Version))
	if s.Hidden {
		n |= 0x8000
	}
	return n
}

func (w *tableWriter) versym() []byte {
	w.u16(0)
	for _, s := range w.symbols {
		w.u16(w.number(s))
	}
	return w.take()
}

// verneed has a record for each run of needs of one library.
func (w *tableWriter) verneed() (b []byte, records uint64) {
	for rest := w.needs; len(rest) > 0; records++ {
		n := 1
		for n < len(rest) && rest[n].Library == rest[0].Library {
			n++
		}
		w.u16(1)
		w.u16(uint16(n))
		w.u32(w.str(rest[0].Library))
		w.u32(16)
		w.u32(next(n == len(rest), uint32(16+16*n)))
		for i, need := range rest[:n] {
			w.u32(0)
			flags := uint16(0)
			if need.Weak {
				flags = 2
			}
			w.u16(flags)
			w.u16(uint16(2 + len(w.file.Defines) + len(w.needs) - len(rest) + i))
			w.u32(w.str(need.Version))
			w.u32(next(i == n-1, 16))
		}
		rest = rest[n:]
	}
	return w.take(), records
}

func (w *tableWriter) verdef() []byte {
	for i, v := range append([]string{w.file.Soname}, w.file.Defines...) {
		flags := uint16(0)
		if i == 0 {
			flags = 1 // VER_FLG_BASE
		}
		w.u16(1)
		w.u16(flags)
		w.u16(uint16(1 + i))
		w.u16(1)
		w.u32(0)
		w.u32(20)
		w.u32(next(i == len(w.file.Defines), 28))
		w.u32(w.str(v))
		w.u32(0)
	}
	return w.take()
}

// next is the distance to the next record, 0 for the last.
func next(last bool, distance uint32) uint32 {
	if last {
		return 0
	}
	return distance
}

// gnuHash has one bucket with all exports, and a filter that passes all.
func (w *tableWriter) gnuHash() []byte {
	first := slices.IndexFunc(w.symbols, func(s Symbol) bool { return !s.Import }) + 1
	exports := len(w.symbols) + 1 - first
	if first == 0 {
		first, exports = 1, 0 // as GNU ld writes it
	}
	w.u32(1)
	w.u32(uint32(first))
	w.u32(1)
	w.u32(0)
	w.word(1<<32 - 1)
	w.u32(next(exports == 0, uint32(first)))
	for i := range exports {
		w.u32(next(i != exports-1, 1))
	}
	return w.take()
}

// sysvHash has one bucket with every symbol. On s390x its words have 64 bits.
func (w *tableWriter) sysvHash() []byte {
	const machineS390 = 22
	put := func(v uint32) { w.u32(v) }
	if w.is64 && w.file.Machine == machineS390 {
		put = func(v uint32) { w.word(uint64(v)) }
	}
	n := uint32(len(w.symbols) + 1)
	put(1)
	put(n)
	put(next(n == 1, 1))
	for i := range n {
		put(next(i == 0 || i == n-1, i+1))
	}
	return w.take()
}

// pad writes zeros up to an offset.
func (w *fileWriter) pad(off int) {
	w.buf.Write(make([]byte, off-w.buf.Len()))
}
