package pkgdb

import (
	"bytes"
	"encoding/binary"
)

// blob is a row of a table "(ID INTEGER PRIMARY KEY, blob BLOB)".
type blob struct {
	id int64
	b  []byte
}

// sqliteObject is a table or an index of a database, by its row in the schema.
type sqliteObject struct {
	kind, name, table, sql string
	rows                   []blob // of a table; ascending
}

const (
	writtenPage    = 4096
	leafHeader     = 8
	branchHeader   = 12
	pageIndexLeaf  = 0x0a
	schemaRootPage = 1
)

// writeSQLite returns a database with these objects: the same bytes for the
// same rows. Indexes are empty, and so must the tables be that they are of.
func writeSQLite(objects []sqliteObject) []byte {
	w := &sqliteWriter{pages: make([][]byte, schemaRootPage+len(objects))}
	var schema [][]byte
	for i, o := range objects {
		root := schemaRootPage + i // its page, from 0
		if o.kind == "table" {
			w.tree(root, 0, nil, w.cells(o.rows))
		} else {
			w.pages[root] = page(pageIndexLeaf, 0, nil, nil, 0)
		}
		schema = append(schema, cell(int64(i+1), w.schemaRow(o, root+1), nil))
	}
	w.tree(0, sqliteHeader, make([]byte, sqliteHeader), leafCells(schema))
	w.header(w.pages[0])
	return bytes.Join(w.pages, nil)
}

// sqliteWriter collects pages; a page's number is its place, from 1.
type sqliteWriter struct{ pages [][]byte }

// leafCell is a row as a leaf has it.
type leafCell struct {
	id int64
	b  []byte
}

// leafCells numbers rows from 1.
func leafCells(cells [][]byte) []leafCell {
	var out []leafCell
	for i, c := range cells {
		out = append(out, leafCell{int64(i + 1), c})
	}
	return out
}

// node is a page of the tree that has no number yet, and the last ID in it.
type node struct {
	page []byte
	last int64
}

func (w *sqliteWriter) add(page []byte) (number uint32) {
	w.pages = append(w.pages, page)
	return uint32(len(w.pages))
}

// header is the database's ("The Database Header"), in its first page.
func (w *sqliteWriter) header(h []byte) {
	copy(h, sqliteMagic)
	binary.BigEndian.PutUint16(h[16:], writtenPage)
	copy(h[18:], []byte{1, 1, 0, 64, 32, 32})                // rollback journal; nothing reserved; fixed fractions
	binary.BigEndian.PutUint32(h[24:], 1)                    // changes
	binary.BigEndian.PutUint32(h[28:], uint32(len(w.pages))) // pages
	binary.BigEndian.PutUint32(h[40:], 1)                    // schema's changes
	binary.BigEndian.PutUint32(h[44:], 4)                    // schema format
	binary.BigEndian.PutUint32(h[56:], 1)                    // UTF-8
	binary.BigEndian.PutUint32(h[92:], 1)                    // version-valid-for: as changes
	binary.BigEndian.PutUint32(h[96:], 3_040_000)            // of SQLite
}

// schemaRow is an object's row in the schema ("Storage Of The SQL Database Schema").
func (w *sqliteWriter) schemaRow(o sqliteObject, root int) []byte {
	text := func(s string) value { return value{int64(13 + 2*len(s)), []byte(s)} }
	sql := text(o.sql)
	if o.sql == "" {
		sql = value{} // of an index that a constraint made
	}
	return record(text(o.kind), text(o.name), text(o.table), value{2, binary.BigEndian.AppendUint16(nil, uint16(root))}, sql)
}

// tree writes a table whose root is in a page behind what stands before it.
func (w *sqliteWriter) tree(root, at int, before []byte, cells []leafCell) {
	if fits := leaf(cells, writtenPage-at); len(fits) == len(cells) {
		w.pages[root] = page(pageLeaf, at, before, fits, 0)
		return
	}
	level := leaves(cells)
	for len(level) > mostBranches {
		level = w.branches(level)
	}
	w.pages[root] = w.branch(level, at, before).page
}

// leaf are the first cells, as many as a page of that size has room for.
func leaf(cells []leafCell, room int) [][]byte {
	var out [][]byte
	used := leafHeader
	for _, c := range cells {
		if used += len(c.b) + 2; used > room {
			break
		}
		out = append(out, c.b)
	}
	return out
}

func leaves(cells []leafCell) []node {
	var out []node
	for len(cells) > 0 {
		fits := leaf(cells, writtenPage)
		out = append(out, node{page(pageLeaf, 0, nil, fits, 0), cells[len(fits)-1].id})
		cells = cells[len(fits):]
	}
	return out
}

// cells are a table's rows; what does not fit into a leaf goes into further
// pages.
func (w *sqliteWriter) cells(rows []blob) []leafCell {
	var out []leafCell
	for _, r := range rows {
		rec := record(value{}, value{int64(12 + 2*len(r.b)), r.b}) // the ID stands for the first column
		out = append(out, leafCell{r.id, cell(r.id, rec, w.chain)})
	}
	return out
}

// cell is a row of a leaf; chain writes what does not fit.
func cell(id int64, rec []byte, chain func([]byte) uint32) []byte {
	local := localBytes(len(rec), writtenPage)
	c := append(appendUvarint(appendUvarint(nil, int64(len(rec))), id), rec[:local]...)
	if local == len(rec) {
		return c
	}
	return binary.BigEndian.AppendUint32(c, chain(rec[local:]))
}

// chain writes what is beyond the leaf, and returns its first page.
func (w *sqliteWriter) chain(b []byte) uint32 {
	first := uint32(len(w.pages)) + 1
	for len(b) > 0 {
		p := make([]byte, writtenPage)
		n := copy(p[4:], b)
		if b = b[n:]; len(b) > 0 {
			binary.BigEndian.PutUint32(p, uint32(len(w.pages))+2)
		}
		w.add(p)
	}
	return first
}

// mostBranches is how many pages a page can be over, behind a header.
const mostBranches = (writtenPage-sqliteHeader-branchHeader)/(4+9+2) + 1

// branches are pages over a level of pages.
func (w *sqliteWriter) branches(level []node) []node {
	var out []node
	for len(level) > 0 {
		n := min(len(level), mostBranches)
		if len(level)-n == 1 {
			n-- // the last page must have two
		}
		out = append(out, w.branch(level[:n], 0, nil))
		level = level[n:]
	}
	return out
}

// branch is a page over pages, which get their numbers.
func (w *sqliteWriter) branch(below []node, at int, before []byte) node {
	last := len(below) - 1
	var cells [][]byte
	for _, c := range below[:last] {
		cells = append(cells, appendUvarint(binary.BigEndian.AppendUint32(nil, w.add(c.page)), c.last))
	}
	right := w.add(below[last].page)
	return node{page(pageInterior, at, before, cells, right), below[last].last}
}

// page lays out cells from the end of a page, behind what stands before it.
func page(kind byte, at int, before []byte, cells [][]byte, right uint32) []byte {
	p := make([]byte, writtenPage)
	copy(p, before)
	p[at] = kind
	size := leafHeader
	if kind == pageInterior {
		size = branchHeader
		binary.BigEndian.PutUint32(p[at+8:], right)
	}
	binary.BigEndian.PutUint16(p[at+3:], uint16(len(cells)))
	end := writtenPage
	for i, c := range cells {
		end -= len(c)
		copy(p[end:], c)
		binary.BigEndian.PutUint16(p[at+size+2*i:], uint16(end))
	}
	binary.BigEndian.PutUint16(p[at+5:], uint16(end))
	return p
}

// record is a row's columns ("Record Format").
func record(values ...value) []byte {
	var kinds, body []byte
	for _, v := range values {
		kinds = appendUvarint(kinds, v.kind)
		body = append(body, v.b...)
	}
	size := int64(len(kinds)) + 1 // of the header, with its length, which takes one byte as the columns are few
	return append(append(appendUvarint(nil, size), kinds...), body...)
}

func appendUvarint(b []byte, v int64) []byte {
	var tmp [9]byte
	i := len(tmp) - 1
	tmp[i] = byte(v & 0x7f)
	for v >>= 7; v > 0; v >>= 7 {
		i--
		tmp[i] = byte(v&0x7f) | 0x80
	}
	return append(b, tmp[i:]...)
}
