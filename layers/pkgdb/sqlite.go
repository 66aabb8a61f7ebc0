package pkgdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// sqliteFile is a database of SQLite in memory, as far as rpm needs it: tables
// are read from their b-tree, nothing is asked in SQL
// (sqlite.org/fileformat2.html).
type sqliteFile struct {
	b      []byte
	page   int // size of a page
	usable int // of it
}

const (
	sqliteMagic  = "SQLite format 3\x00"
	sqliteHeader = 100
	pageInterior = 0x05 // of a table
	pageLeaf     = 0x0d
	// maxDepth bounds b-trees: SQLite's are never deeper than 20.
	maxDepth = 20
)

var errSQLite = errors.New("not a sound SQLite database")

func openSQLite(b []byte) (*sqliteFile, error) {
	if len(b) < sqliteHeader || string(b[:len(sqliteMagic)]) != sqliteMagic {
		return nil, errSQLite
	}
	f := &sqliteFile{b: b, page: int(binary.BigEndian.Uint16(b[16:]))}
	if f.page == 1 {
		f.page = 1 << 16
	}
	f.usable = f.page - int(b[20])
	if f.page < 512 || f.page&(f.page-1) != 0 || f.usable < 480 {
		return nil, fmt.Errorf("%w: pages of %d bytes", errSQLite, f.page)
	}
	return f, nil
}

// row is one of a table: its ID and the columns' raw bytes.
type row struct {
	id     int64
	values []value
}

// value is a column: its serial type and its bytes.
type value struct {
	kind int64
	b    []byte
}

// maxObjects bounds a schema: rpm's has some 40 tables and indexes.
const maxObjects = 1000

// schema returns all tables and indexes, without their rows.
func (f *sqliteFile) schema() ([]sqliteObject, error) {
	rows, err := f.rows(1) // type, name, tbl_name, rootpage, sql
	if err != nil {
		return nil, err
	}
	if len(rows) > maxObjects {
		return nil, fmt.Errorf("%w: %d tables and indexes", errSQLite, len(rows))
	}
	var out []sqliteObject
	for _, r := range rows {
		if len(r.values) < 5 {
			return nil, fmt.Errorf("%w: a row of the schema has %d columns", errSQLite, len(r.values))
		}
		o := sqliteObject{kind: string(r.values[0].b), name: string(r.values[1].b), table: string(r.values[2].b), sql: string(r.values[4].b)}
		if o.kind != "table" && o.kind != "index" || len(o.name)+len(o.table)+len(o.sql) > maxObjectText {
			return nil, fmt.Errorf("%w: the schema has a %.20q", errSQLite, o.kind)
		}
		out = append(out, o)
	}
	return out, nil
}

// maxObjectText bounds an object's names and SQL, such that its row is whole in
// a page.
const maxObjectText = 3000

// table returns the rows of a table, in order.
func (f *sqliteFile) table(name string) ([]row, error) {
	schema, err := f.rows(1)
	if err != nil {
		return nil, err
	}
	for _, r := range schema {
		if len(r.values) >= 4 && string(r.values[0].b) == "table" && string(r.values[1].b) == name {
			return f.rows(r.values[3].int())
		}
	}
	return nil, fmt.Errorf("%w: no table %s", errSQLite, name)
}

// int is an integer column's value.
func (v value) int() int64 {
	switch v.kind {
	case 8:
		return 0
	case 9:
		return 1
	}
	var n int64
	for i, c := range v.b {
		if i == 0 {
			n = int64(int8(c))
			continue
		}
		n = n<<8 | int64(c)
	}
	return n
}

// rows are those of the b-tree that a page is the root of.
func (f *sqliteFile) rows(root int64) ([]row, error) {
	w := sqliteWalk{sqliteFile: f, left: int64(len(f.b)), seen: map[int64]bool{}}
	if err := w.walk(root, 0); err != nil {
		return nil, err
	}
	return w.out, nil
}

// sqliteWalk is a walk through a b-tree. Each page is read once, and each byte
// is of one record: a hostile file has circles, trees that share branches, and
// records in each other.
type sqliteWalk struct {
	*sqliteFile
	left int64 // bytes of records
	seen map[int64]bool
	out  []row
}

func (w *sqliteWalk) take(n int64) ([]byte, error) {
	if n < 1 || n > int64(len(w.b)/w.page) || w.seen[n] {
		return nil, fmt.Errorf("%w: page %d is not there, or there twice", errSQLite, n)
	}
	w.seen[n] = true
	start := int(n-1) * w.page
	return w.b[start : start+w.page], nil
}

func (w *sqliteWalk) walk(n int64, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: a tree deeper than %d", errSQLite, maxDepth)
	}
	p, err := w.take(n)
	if err != nil {
		return err
	}
	at := 0
	if n == 1 {
		at = sqliteHeader
	}
	kind, cells := p[at], int(binary.BigEndian.Uint16(p[at+3:]))
	size := 8
	if kind == pageInterior {
		size = 12
	} else if kind != pageLeaf {
		return fmt.Errorf("%w: page %d is of kind %d", errSQLite, n, kind)
	}
	if at+size+2*cells > w.usable {
		return fmt.Errorf("%w: page %d has %d cells", errSQLite, n, cells)
	}
	for i := range cells {
		cell := int(binary.BigEndian.Uint16(p[at+size+2*i:]))
		if cell+4 > w.usable {
			return fmt.Errorf("%w: page %d: cell %d is outside", errSQLite, n, i)
		}
		if kind == pageInterior {
			err = w.walk(int64(binary.BigEndian.Uint32(p[cell:])), depth+1)
		} else {
			err = w.cell(p[cell:w.usable])
		}
		if err != nil {
			return err
		}
	}
	if kind == pageInterior {
		return w.walk(int64(binary.BigEndian.Uint32(p[at+8:])), depth+1)
	}
	return nil
}

// cell reads a row of a leaf: the length of its record, its ID, the record.
func (w *sqliteWalk) cell(b []byte) error {
	size, b, ok := uvarint(b)
	id, b, ok2 := uvarint(b)
	if !ok || !ok2 || size < 0 || size > int64(len(w.b)) {
		return fmt.Errorf("%w: a row of %d bytes", errSQLite, size)
	}
	if w.left -= size; w.left < 0 {
		return fmt.Errorf("%w: rows are in each other", errSQLite)
	}
	local := w.local(int(size))
	if local > len(b) {
		return fmt.Errorf("%w: a row is outside of its page", errSQLite)
	}
	record := b[:local]
	if local < int(size) {
		var err error
		if record, err = w.overflow(b[:local], b[local:], int(size)); err != nil {
			return err
		}
	}
	values, err := parseRecord(record)
	if err != nil {
		return err
	}
	w.out = append(w.out, row{id, values})
	return nil
}

// local is how much of a record is in its leaf ("B-tree Cell Format").
func (f *sqliteFile) local(size int) int { return localBytes(size, f.usable) }

func localBytes(size, usable int) int {
	most := usable - 35
	if size <= most {
		return size
	}
	least := (usable-12)*32/255 - 23
	if k := least + (size-least)%(usable-4); k <= most {
		return k
	}
	return least
}

// overflow adds what is in a chain of further pages.
func (w *sqliteWalk) overflow(local, rest []byte, size int) ([]byte, error) {
	if len(rest) < 4 {
		return nil, fmt.Errorf("%w: a row has no further page", errSQLite)
	}
	out := slices.Clone(local)
	next := int64(binary.BigEndian.Uint32(rest))
	for len(out) < size {
		p, err := w.take(next)
		if err != nil {
			return nil, err
		}
		next = int64(binary.BigEndian.Uint32(p))
		out = append(out, p[4:4+min(w.usable-4, size-len(out))]...)
	}
	return out, nil
}

// parseRecord splits a record ("Record Format").
func parseRecord(b []byte) ([]value, error) {
	size, kinds, ok := uvarint(b)
	if !ok || size < 1 || size > int64(len(b)) {
		return nil, fmt.Errorf("%w: a record with a header of %d bytes", errSQLite, size)
	}
	kinds = kinds[:len(kinds)-(len(b)-int(size))]
	body := b[size:]
	var out []value
	for len(kinds) > 0 {
		kind, rest, ok := uvarint(kinds)
		if !ok || kind < 0 || kind == 10 || kind == 11 {
			return nil, fmt.Errorf("%w: a column of kind %d", errSQLite, kind)
		}
		kinds = rest
		n := serialBytes(kind)
		if n > int64(len(body)) {
			return nil, fmt.Errorf("%w: a column of %d bytes", errSQLite, n)
		}
		out = append(out, value{kind, body[:n]})
		body = body[n:]
	}
	return out, nil
}

func serialBytes(kind int64) int64 {
	if kind >= 12 {
		return (kind - 12) / 2
	}
	return []int64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0}[kind]
}

// uvarint reads SQLite's: big-endian, seven bits a byte, eight in the ninth.
func uvarint(b []byte) (int64, []byte, bool) {
	var v uint64
	for i := 0; i < len(b) && i < 9; i++ {
		if i == 8 {
			return int64(v<<8 | uint64(b[i])), b[9:], true
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return int64(v), b[i+1:], true
		}
	}
	return 0, b, false
}
