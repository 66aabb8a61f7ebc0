// Package testelf makes small ELF files for tests: all that a loader's
// search and its symbol tables look at, and no code.
package testelf

import (
	"bytes"
	"encoding/binary"
)

// File describes an ELF file to be made.
type File struct {
	Class     byte // 1 or 2
	BigEndian bool
	Machine   uint16
	Type      uint16
	Interp    string
	Soname    string
	Needed    []string
	RPath     string
	RunPath   string
	Strings   []string // others in the file
	Symbols   []Symbol
	Defines   []string // versions that the file defines
	Needs     []Need   // versions needed besides those of imports
	Hash      Hash
}

// Bytes returns the file: headers, interpreter, dynamic section, strings, and
// what there is of symbols.
func (i File) Bytes() []byte {
	var order binary.AppendByteOrder = binary.LittleEndian
	data := byte(1)
	if i.BigEndian {
		order, data = binary.BigEndian, 2
	}
	w := fileWriter{order: order, is64: i.Class == 2}
	strtab, tags := i.strings()
	tables := newTables(i, w, &strtab)
	ehsize, phsize, word := 52, 32, 4
	if w.is64 {
		ehsize, phsize, word = 64, 56, 8
	}
	phnum := 2
	if i.Interp != "" {
		phnum = 3
	}
	interpOff := ehsize + phnum*phsize
	dynOff := interpOff + len(i.Interp) + 1
	strOff := dynOff + (len(tags)+3+tables.tags())*2*word
	end := strOff + len(strtab)
	tags = append(tags, tables.place(&end)...)
	size := end

	w.buf.WriteString("\x7fELF")
	w.buf.Write([]byte{i.Class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	w.u16(i.Type)
	w.u16(i.Machine)
	w.u32(1)
	w.word(0)
	w.word(uint64(ehsize))
	w.word(0)
	w.u32(0)
	w.u16(uint16(ehsize))
	w.u16(uint16(phsize))
	w.u16(uint16(phnum))
	w.u16(0)
	w.u16(0)
	w.u16(0)
	w.program(ptLoad, 0, size)
	w.program(ptDynamic, dynOff, strOff-dynOff)
	if i.Interp != "" {
		w.program(ptInterp, interpOff, len(i.Interp)+1)
	}
	w.buf.WriteString(i.Interp + "\x00")
	for _, t := range append(tags, dynTag{dtStrtab, uint64(strOff)}, dynTag{dtStrsz, uint64(len(strtab))}, dynTag{}) {
		w.word(t.tag)
		w.word(t.val)
	}
	w.buf.Write(strtab)
	for _, t := range tables {
		w.pad(t.off)
		w.buf.Write(t.b)
	}
	return w.buf.Bytes()
}

func (i File) strings() ([]byte, []dynTag) {
	strtab := []byte{0}
	var tags []dynTag
	add := func(tag uint64, s string) {
		if s != "" {
			tags = append(tags, dynTag{tag, uint64(len(strtab))})
			strtab = append(append(strtab, s...), 0)
		}
	}
	for _, n := range i.Needed {
		add(dtNeeded, n)
	}
	add(dtSoname, i.Soname)
	add(dtRpath, i.RPath)
	add(dtRunpath, i.RunPath)
	for _, s := range i.Strings {
		strtab = append(append(strtab, s...), 0)
	}
	return strtab, tags
}

// Program header types and dynamic tags (System V gABI, chapter 5).
const (
	ptLoad    = 1
	ptDynamic = 2
	ptInterp  = 3

	dtNeeded  = 1
	dtStrtab  = 5
	dtStrsz   = 10
	dtSoname  = 14
	dtRpath   = 15
	dtRunpath = 29
)

type dynTag struct{ tag, val uint64 }

type fileWriter struct {
	buf   bytes.Buffer
	order binary.AppendByteOrder
	is64  bool
}

func (w *fileWriter) u16(v uint16) { w.buf.Write(w.order.AppendUint16(nil, v)) }
func (w *fileWriter) u32(v uint32) { w.buf.Write(w.order.AppendUint32(nil, v)) }

func (w *fileWriter) word(v uint64) {
	if w.is64 {
		w.buf.Write(w.order.AppendUint64(nil, v))
	} else {
		w.u32(uint32(v))
	}
}

// program writes a header whose address is its offset.
func (w *fileWriter) program(typ uint32, off, size int) {
	w.u32(typ)
	if w.is64 {
		w.u32(4)
	}
	w.word(uint64(off))
	w.word(uint64(off))
	w.word(uint64(off))
	w.word(uint64(size))
	w.word(uint64(size))
	if !w.is64 {
		w.u32(4)
	}
	w.word(1)
}
