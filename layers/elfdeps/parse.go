package elfdeps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNotELF says that a file does not begin with the ELF magic.
var ErrNotELF = errors.New("not an ELF file")

// FormatError says where in an ELF file something is wrong.
type FormatError struct {
	Offset int64
	Text   string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("reading ELF file at byte %d: %s", e.Offset, e.Text)
}

func isFormatError(err error) bool {
	var fe *FormatError
	return errors.As(err, &fe) || errors.Is(err, ErrNotELF)
}

// Bounds of what a file may make us read and keep. Real files stay far below:
// the largest dynamic section of Debian bookworm has some 300 entries. Search
// paths are the longest strings: some build systems name a directory for each
// library.
const (
	maxInterp   = 4096
	maxString   = 64 << 10
	maxStrings  = 256 << 10 // all of a file's, and 16 bytes for each
	maxNeeded   = 4096
	maxPrograms = 4096
	maxDynamic  = 1 << 20 // bytes
)

// Program header types and dynamic tags (System V gABI, chapter 5).
const (
	ptLoad    = 1
	ptDynamic = 2
	ptInterp  = 3

	dtNeeded     = 1
	dtHash       = 4
	dtStrtab     = 5
	dtSymtab     = 6
	dtStrsz      = 10
	dtSoname     = 14
	dtRpath      = 15
	dtRunpath    = 29
	dtGNUHash    = 0x6ffffef5
	dtVersym     = 0x6ffffff0
	dtFlags1     = 0x6ffffffb
	dtVerdef     = 0x6ffffffc
	dtVerdefNum  = 0x6ffffffd
	dtVerneed    = 0x6ffffffe
	dtVerneedNum = 0x6fffffff

	df1NoDefaultLib = 0x800
)

// Parse reads the program headers and dynamic section of the ELF file in r,
// within fixed bounds. Errors say where ([FormatError]). Files that are not
// ELF give ErrNotELF. Static programs and object files have no needs, which
// is no error.
func Parse(r io.ReaderAt, size int64) (*Info, error) {
	p := parser{r: r, size: size}
	if err := p.header(); err != nil {
		return nil, err
	}
	if err := p.programHeaders(); err != nil {
		return nil, err
	}
	if err := p.contents(); err != nil {
		return nil, err
	}
	return &p.info, nil
}

// contents reads what the program headers point at. There is one interpreter
// and one dynamic section.
func (p *parser) contents() error {
	seen := map[uint32]bool{}
	for _, ph := range p.programs {
		if ph.typ != ptInterp && ph.typ != ptDynamic {
			continue
		}
		if seen[ph.typ] {
			return p.fail(ph.off, "a second program header of type %d", ph.typ)
		}
		seen[ph.typ] = true
		var err error
		if ph.typ == ptInterp {
			p.info.Interp, err = p.interp(ph)
		} else {
			err = p.dynamic(ph)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addressTags are dynamic tags whose values are addresses of tables: of
// strings, symbols, hashes, versions, relocations, and of code and its lists.
var addressTags = []uint64{
	3, dtHash, dtStrtab, dtSymtab, 7, 12, 13, 17, 23, 25, 26, 32, 34, 36,
	dtGNUHash, dtVersym, dtVerdef, dtVerneed,
}

type program struct {
	typ                 uint32
	off, addr, filesize uint64
}

type parser struct {
	r        io.ReaderAt
	size     int64
	order    binary.ByteOrder
	is64     bool
	info     Info
	phoff    uint64
	phsize   uint16
	phnum    uint16
	programs []program
	strings  int // bytes of strings kept
}

func (p *parser) fail(off uint64, format string, args ...any) error {
	return &FormatError{Offset: int64(off & (1<<63 - 1)), Text: fmt.Sprintf(format, args...)}
}

// read returns n bytes at off; what is outside the file is an error, before
// anything is allocated.
func (p *parser) read(off, n uint64, what string) ([]byte, error) {
	if off > uint64(p.size) || n > uint64(p.size)-off {
		return nil, p.fail(off, "%s ends after the end of the file", what)
	}
	b := make([]byte, n)
	if _, err := p.r.ReadAt(b, int64(off)); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading ELF file at byte %d: %w", off, err)
	}
	return b, nil
}

func (p *parser) header() error {
	if p.size < 4 {
		return ErrNotELF
	}
	magic, err := p.read(0, 4, "magic")
	if err != nil {
		return err
	}
	if string(magic) != "\x7fELF" {
		return ErrNotELF
	}
	b, err := p.read(0, min(64, uint64(p.size)), "header")
	if err != nil {
		return err
	}
	if len(b) < 52 {
		return p.fail(0, "header is %d bytes", len(b))
	}
	p.info.Class, p.info.Data = b[4], b[5]
	switch b[5] {
	case 1:
		p.order = binary.LittleEndian
	case 2:
		p.order = binary.BigEndian
	default:
		return p.fail(5, "unknown byte order %d", b[5])
	}
	p.info.Type, p.info.Machine = p.order.Uint16(b[16:]), p.order.Uint16(b[18:])
	switch {
	case b[4] == 1:
		p.phoff = uint64(p.order.Uint32(b[28:]))
		p.phsize, p.phnum = p.order.Uint16(b[42:]), p.order.Uint16(b[44:])
	case b[4] == 2 && len(b) == 64:
		p.is64 = true
		p.phoff = p.order.Uint64(b[32:])
		p.phsize, p.phnum = p.order.Uint16(b[54:]), p.order.Uint16(b[56:])
	default:
		return p.fail(4, "unknown class %d or short header", b[4])
	}
	return nil
}

func (p *parser) programHeaders() error {
	if p.phoff == 0 || p.phnum == 0 {
		return nil
	}
	want := uint16(32)
	if p.is64 {
		want = 56
	}
	if p.phsize != want {
		return p.fail(p.phoff, "program headers of %d bytes, want %d", p.phsize, want)
	}
	if p.phnum > maxPrograms {
		return p.fail(p.phoff, "%d program headers, at most %d are read", p.phnum, maxPrograms)
	}
	b, err := p.read(p.phoff, uint64(p.phsize)*uint64(p.phnum), "program header table")
	if err != nil {
		return err
	}
	for ; len(b) > 0; b = b[want:] {
		p.programs = append(p.programs, p.program(b))
	}
	return nil
}

func (p *parser) program(b []byte) program {
	ph := program{typ: p.order.Uint32(b)}
	if p.is64 {
		ph.off, ph.addr, ph.filesize = p.order.Uint64(b[8:]), p.order.Uint64(b[16:]), p.order.Uint64(b[32:])
	} else {
		ph.off, ph.addr, ph.filesize = uint64(p.order.Uint32(b[4:])), uint64(p.order.Uint32(b[8:])), uint64(p.order.Uint32(b[16:]))
	}
	return ph
}

func (p *parser) interp(ph program) (string, error) {
	if ph.filesize > maxInterp {
		return "", p.fail(ph.off, "interpreter of %d bytes, at most %d are read", ph.filesize, maxInterp)
	}
	b, err := p.read(ph.off, ph.filesize, "interpreter")
	if err != nil {
		return "", err
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b), nil
}

// offset finds where in the file an address is loaded from.
func (p *parser) offset(addr uint64) (uint64, bool) {
	for _, ph := range p.programs {
		if ph.typ == ptLoad && addr >= ph.addr && addr-ph.addr < ph.filesize {
			return ph.off + (addr - ph.addr), true
		}
	}
	return 0, false
}

type dynTag struct{ tag, val uint64 }

// dynamicTags reads a dynamic section up to its end mark.
func (p *parser) dynamicTags(ph program) ([]dynTag, error) {
	if ph.filesize > maxDynamic {
		return nil, p.fail(ph.off, "dynamic section of %d bytes, at most %d are read", ph.filesize, maxDynamic)
	}
	b, err := p.read(ph.off, ph.filesize, "dynamic section")
	if err != nil {
		return nil, err
	}
	return p.tags(b), nil
}

func (p *parser) dynamic(ph program) error {
	tags, err := p.dynamicTags(ph)
	if err != nil {
		return err
	}
	p.info.Dynamic = true
	var strtab, strsz uint64
	for _, t := range tags {
		switch t.tag {
		case dtStrtab:
			strtab = t.val
		case dtStrsz:
			strsz = t.val
		case dtFlags1:
			p.info.NoDefaultLib = t.val&df1NoDefaultLib != 0
		}
	}
	off, mapped := p.offset(strtab)
	for _, t := range tags {
		switch t.tag {
		case dtNeeded, dtSoname, dtRpath, dtRunpath:
			if !mapped || t.val >= strsz {
				return p.fail(ph.off, "a string outside the string table")
			}
			s, err := p.cstring(off+t.val, strsz-t.val)
			if err != nil {
				return err
			}
			if err := p.setString(t.tag, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parser) tags(b []byte) []dynTag {
	word := 4
	if p.is64 {
		word = 8
	}
	var tags []dynTag
	for ; len(b) >= 2*word; b = b[2*word:] {
		var t dynTag
		if p.is64 {
			t = dynTag{p.order.Uint64(b), p.order.Uint64(b[8:])}
		} else {
			t = dynTag{uint64(p.order.Uint32(b)), uint64(p.order.Uint32(b[4:]))}
		}
		if t.tag == 0 {
			break
		}
		tags = append(tags, t)
	}
	return tags
}

func (p *parser) setString(tag uint64, s string) error {
	const header = 16 // of a Go string
	if p.strings += len(s) + header*(1+strings.Count(s, ":")); p.strings > maxStrings {
		return p.fail(0, "more than %d bytes of strings", maxStrings)
	}
	switch tag {
	case dtNeeded:
		if len(p.info.Needed) == maxNeeded {
			return p.fail(0, "more than %d needed libraries", maxNeeded)
		}
		p.info.Needed = append(p.info.Needed, s)
	case dtSoname:
		p.info.Soname = s
	case dtRpath:
		p.info.RPath = splitPath(s)
	case dtRunpath:
		p.info.RunPath = splitPath(s)
	}
	return nil
}

// cstring reads a string of at most limit bytes that must end with NUL.
func (p *parser) cstring(off, limit uint64) (string, error) {
	if off > uint64(p.size) {
		return "", p.fail(off, "string table ends after the end of the file")
	}
	limit = min(limit, maxString, uint64(p.size)-off)
	for n := uint64(128); ; n *= 4 { // most are short
		b, err := p.read(off, min(n, limit), "string")
		if err != nil {
			return "", err
		}
		if before, _, ok := bytes.Cut(b, []byte{0}); ok {
			return string(before), nil
		}
		if n >= limit {
			return "", p.fail(off, "a string without an end, or longer than %d bytes", maxString)
		}
	}
}

// splitPath splits a search path at colons; an empty element means the
// current directory to the loader, which no image path can rely on.
func splitPath(s string) []string {
	var dirs []string
	for d := range strings.SplitSeq(s, ":") {
		if d != "" {
			dirs = append(dirs, d)
		}
	}
	return dirs
}
