package layers

import (
	"sync/atomic"
)

// Limits bound what an image may cost; zero fields take the defaults of
// DefaultLimits.
type Limits struct {
	Entries    int   `json:"entries"`    // per image, directories that no layer lists included
	PathBytes  int   `json:"pathBytes"`  // of a name or a link's text
	PathDepth  int   `json:"pathDepth"`  // components of a name
	Unpacked   int64 `json:"unpacked"`   // bytes of tar, all layers; sparse files count in full
	Ratio      int64 `json:"ratio"`      // unpacked / compressed bytes of one layer, beyond RatioFree
	XattrBytes int   `json:"xattrBytes"` // per entry, names and values
	NameBytes  int64 `json:"nameBytes"`  // all names, link texts, xattrs, ELF needs and "#!" lines of the image
}

// RatioFree is how many bytes a layer may unpack to whatever its ratio.
const RatioFree = 256 << 20

// ratioSlack is how many bytes may come out of a layer that promises enough
// compressed ones before the ratio counts those that did come in: the
// promise may be a lie, and the first part of a true layer may compress best.
const ratioSlack = 8 * RatioFree

// DefaultLimits are far above any image that is known to run, and low enough
// that a hostile one is refused in seconds.
func DefaultLimits() Limits {
	return Limits{
		Entries:    2_000_000,
		PathBytes:  4096, // PATH_MAX of Linux
		PathDepth:  256,
		Unpacked:   64 << 30,
		Ratio:      200,
		XattrBytes: 256 << 10,
		NameBytes:  512 << 20,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orInt64 := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	orInt(&l.Entries, d.Entries)
	orInt(&l.PathBytes, d.PathBytes)
	orInt(&l.PathDepth, d.PathDepth)
	orInt64(&l.Unpacked, d.Unpacked)
	orInt64(&l.Ratio, d.Ratio)
	orInt(&l.XattrBytes, d.XattrBytes)
	orInt64(&l.NameBytes, d.NameBytes)
	return l
}

// budget counts what all layers of an image cost together.
type budget struct {
	limits   Limits
	entries  atomic.Int64
	names    atomic.Int64
	unpacked atomic.Int64
}

// cost is what one layer takes of the budget. The cache keeps it, so that an
// image is over the limits or not whatever is cached.
type cost struct {
	entries, names, unpacked int64
}

func (b *budget) spend(c cost) error {
	if b.entries.Add(c.entries) > int64(b.limits.Entries) {
		return overLimit("more than %d entries", b.limits.Entries)
	}
	if b.names.Add(c.names) > b.limits.NameBytes {
		return overLimit("more than %d bytes of names and attributes", b.limits.NameBytes)
	}
	if b.unpacked.Add(c.unpacked) > b.limits.Unpacked {
		return overLimit("more than %d bytes unpacked", b.limits.Unpacked)
	}
	return nil
}

// layerMeter counts the bytes that one layer unpacks to: those that come out
// of the decompressor, or those its headers declare when that is more.
type layerMeter struct {
	budget     *budget
	compressed int64        // as promised
	fetched    func() int64 // compressed bytes that came in
	spent      cost
	streamed   int64
	declared   int64
	sparse     int64
}

// entry counts a header with so many bytes of names and attributes.
func (m *layerMeter) entry(names int) error { return m.spend(cost{entries: 1, names: int64(names)}) }

// kept counts bytes that are kept of a file's content in memory.
func (m *layerMeter) kept(n int) error { return m.spend(cost{names: int64(n)}) }

func (m *layerMeter) spend(c cost) error {
	m.spent.entries += c.entries
	m.spent.names += c.names
	m.spent.unpacked += c.unpacked
	return m.budget.spend(c)
}

// stream counts n bytes read; declare counts a header's size before its
// content is read.
func (m *layerMeter) stream(n int) error {
	m.streamed += int64(n)
	if m.streamed > ratioSlack && m.tooDense(m.streamed, m.fetched()) {
		return m.dense(m.fetched(), m.streamed)
	}
	return m.check(m.streamed)
}

// sparseFile counts a file whose holes cost nothing in the layer.
func (m *layerMeter) sparseFile(size int64) error {
	m.sparse += max(0, size)
	if m.sparse > RatioFree && m.tooDense(m.sparse, m.fetched()) {
		return m.dense(m.fetched(), m.sparse)
	}
	return nil
}

func (m *layerMeter) tooDense(unpacked, compressed int64) bool {
	return unpacked/m.budget.limits.Ratio > compressed
}

func (m *layerMeter) dense(compressed, unpacked int64) error {
	return overLimit("%d compressed bytes unpack to %d or more, over %d times as many", compressed, unpacked, m.budget.limits.Ratio)
}

func (m *layerMeter) declare(size int64) error {
	if size < 0 || size > m.budget.limits.Unpacked {
		return overLimit("an entry of %d bytes; at most %d may be unpacked", size, m.budget.limits.Unpacked)
	}
	m.declared += size
	return m.check(m.declared)
}

func (m *layerMeter) check(n int64) error {
	if n > RatioFree && m.tooDense(n, m.compressed) {
		return m.dense(m.compressed, n)
	}
	if n <= m.spent.unpacked {
		return nil
	}
	return m.spend(cost{unpacked: n - m.spent.unpacked})
}
