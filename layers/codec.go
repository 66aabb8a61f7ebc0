package layers

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pare-image/pare/layers/elfdeps"
)

// indexVersion is part of the cache key: raise it whenever what a scan finds,
// or how it is written here, changes.
const indexVersion = 3

var errCorrupt = errors.New("corrupt layer index")

// encodeIndex writes an index as numbers (varints) and strings (length, bytes),
// with a SHA-256 of it all at the end.
func encodeIndex(idx *layerIndex) []byte {
	w := &encoder{}
	w.string(string(idx.facts.compression))
	w.bool(idx.facts.estargz)
	w.bool(idx.facts.zstdChunked)
	w.ints(idx.facts.unpacked, idx.cost.entries, idx.cost.names, idx.cost.unpacked)
	w.ints(int64(len(idx.records)))
	for i, r := range idx.records {
		w.ints(int64(r.kind))
		if r.kind == 0 {
			continue
		}
		w.string(r.path)
		switch r.kind {
		case recordEntry:
			w.node(r.node)
		case recordLink:
			w.string(idx.links[i])
		}
	}
	w.ints(int64(len(idx.warnings.list)))
	for _, x := range idx.warnings.list {
		w.string(x.Path)
		w.string(x.Name)
		w.string(x.Text)
	}
	w.ints(int64(len(idx.warnings.count)))
	for _, name := range slices.Sorted(maps.Keys(idx.warnings.count)) {
		w.string(name)
		w.ints(int64(idx.warnings.count[name]))
	}
	sum := sha256.Sum256(w.b)
	return append(w.b, sum[:]...)
}

type encoder struct{ b []byte }

func (w *encoder) ints(vs ...int64) {
	for _, v := range vs {
		w.b = binary.AppendVarint(w.b, v)
	}
}

func (w *encoder) string(s string) {
	w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...)
}

func (w *encoder) bool(v bool) {
	if v {
		w.ints(1)
	} else {
		w.ints(0)
	}
}

func (w *encoder) node(n *Inode) {
	w.ints(int64(n.Type), int64(n.Mode), int64(n.UID), int64(n.GID), n.Size)
	w.ints(n.ModTime.Unix(), int64(n.ModTime.Nanosecond()), n.Major, n.Minor, int64(n.content.ord))
	w.string(n.Linkname)
	w.ints(int64(len(n.Xattrs)))
	for _, k := range slices.Sorted(maps.Keys(n.Xattrs)) {
		w.string(k)
		w.string(n.Xattrs[k])
	}
	w.bool(n.sniff != nil)
	if n.sniff != nil {
		w.sniff(n.sniff)
	}
}

func (w *encoder) sniff(s *Sniff) {
	w.string(s.ELFError)
	w.string(s.Shebang)
	w.bool(s.ELF != nil)
	if e := s.ELF; e != nil {
		w.ints(int64(e.Class), int64(e.Data), int64(e.Machine), int64(e.Type))
		w.string(e.Interp)
		w.string(e.Soname)
		w.list(e.Needed)
		w.list(e.RPath)
		w.list(e.RunPath)
		w.bool(e.NoDefaultLib)
		w.bool(e.Dynamic)
		w.list(e.Names)
	}
}

func (w *encoder) list(l []string) {
	w.ints(int64(len(l)))
	for _, s := range l {
		w.string(s)
	}
}

// decodeIndex reads what encodeIndex wrote. Anything else is errCorrupt: the
// sum guards against damage, the bounds against an index made on purpose.
func decodeIndex(b []byte) (*layerIndex, error) {
	if len(b) < sha256.Size {
		return nil, errCorrupt
	}
	body, want := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if sum := sha256.Sum256(body); string(sum[:]) != string(want) {
		return nil, errCorrupt
	}
	// One copy as a string: every path is then a part of it.
	r := &decoder{s: string(body)}
	idx := r.index()
	if r.bad || r.s != "" {
		return nil, errCorrupt
	}
	return idx, nil
}

type decoder struct {
	s     string
	bad   bool
	arena inodes
}

func (r *decoder) index() *layerIndex {
	idx := &layerIndex{links: map[int]string{}}
	idx.facts.compression = Compression(r.string())
	idx.facts.estargz, idx.facts.zstdChunked = r.bool(), r.bool()
	idx.facts.unpacked = r.int()
	idx.cost = cost{r.int(), r.int(), r.int()}
	idx.records = make([]record, r.len())
	for i := range idx.records {
		rec := &idx.records[i]
		rec.kind = recordKind(r.int())
		switch rec.kind {
		case 0:
		case recordEntry:
			rec.path = r.path()
			rec.node = r.node()
		case recordLink:
			rec.path = r.path()
			idx.links[i] = r.string()
		case recordWhiteout, recordOpaque:
			rec.path = r.path()
		default:
			r.bad = true
		}
		if r.bad {
			return nil
		}
	}
	r.warnings(&idx.warnings)
	return idx
}

func (r *decoder) warnings(w *warnings) {
	for range r.len() {
		w.list = append(w.list, Warning{Path: r.string(), Name: r.string(), Text: r.string()})
	}
	for range r.len() {
		if w.count == nil {
			w.count = map[string]int{}
		}
		name := r.string()
		w.count[name] = int(r.int())
	}
}

func (r *decoder) node() *Inode {
	n := r.arena.new()
	n.Type, n.Mode = Type(r.int()), uint32(r.int())
	n.UID, n.GID, n.Size = int(r.int()), int(r.int()), r.int()
	sec, nsec := r.int(), r.int()
	n.ModTime = time.Unix(sec, nsec).UTC()
	n.Major, n.Minor, n.content.ord = r.int(), r.int(), int32(r.int())
	n.Linkname = r.string()
	if c := r.len(); c > 0 {
		n.Xattrs = make(map[string]string, c)
		for range c {
			k := r.string()
			n.Xattrs[k] = r.string()
		}
	}
	if n.Type < Regular || n.Type > FIFO || n.Size < 0 {
		r.bad = true
	}
	if r.bool() {
		n.sniff = r.sniff()
	}
	return n
}

func (r *decoder) sniff() *Sniff {
	s := &Sniff{ELFError: r.string(), Shebang: r.string()}
	if r.bool() {
		s.ELF = &elfdeps.Info{
			Class: byte(r.int()), Data: byte(r.int()), Machine: uint16(r.int()), Type: uint16(r.int()),
			Interp: r.string(), Soname: r.string(), Needed: r.list(), RPath: r.list(), RunPath: r.list(),
			NoDefaultLib: r.bool(), Dynamic: r.bool(), Names: r.list(),
		}
	}
	return s
}

func (r *decoder) list() []string {
	var l []string
	for range r.len() {
		l = append(l, r.string())
	}
	return l
}

func (r *decoder) int() int64 {
	var buf [binary.MaxVarintLen64]byte
	v, n := binary.Varint(buf[:copy(buf[:], r.s)])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.s = r.s[n:]
	return v
}

// len reads a count of things of at least a byte each.
func (r *decoder) len() int {
	v := r.int()
	if v < 0 || v > int64(len(r.s)) {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *decoder) string() string {
	var buf [binary.MaxVarintLen64]byte
	v, n := binary.Uvarint(buf[:copy(buf[:], r.s)])
	if n <= 0 || v > uint64(len(r.s)-n) {
		r.fail()
		return ""
	}
	s := r.s[n : n+int(v)]
	r.s = r.s[n+int(v):]
	return s
}

func (r *decoder) path() string {
	p := r.string()
	if !strings.HasPrefix(p, "/") {
		r.fail()
	}
	return p
}

func (r *decoder) bool() bool { return r.int() == 1 }

// fail ends the reading: nothing is left.
func (r *decoder) fail() { r.bad, r.s = true, "" }
