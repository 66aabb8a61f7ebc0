package elfdeps

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// CacheEntry is one line of ld.so.cache.
type CacheEntry struct {
	Soname string
	Path   string
	Info   *Info
	HWCaps string // glibc-hwcaps subdirectory ("x86-64-v3") or ""
}

// generator is what the cache says of its maker (`ldconfig -p` shows it).
const generator = "pare"

const (
	cacheHeaderSize = 48
	cacheEntrySize  = 24
	// hwcapExtension marks entries of a glibc-hwcaps subdirectory.
	hwcapExtension = 1 << 62
	extensionMagic = 0xeaa42174
)

// WriteCache returns an ld.so.cache in the format of glibc 2.32 and later
// ("glibc-ld.so.cache1.1" alone), byte for byte as its ldconfig orders it but
// for the generator's name. Entries of one soname must come in the order of
// their directories. All must be of one byte order.
//
// Source: glibc elf/cache.c, elf/stringtable.c, sysdeps/generic/dl-cache.h.
func WriteCache(entries []CacheEntry) ([]byte, error) {
	entries = slices.Clone(entries)
	for _, e := range entries {
		if e.Info.Data != entries[0].Info.Data {
			return nil, fmt.Errorf("writing ld.so.cache: %q and %q differ in byte order", entries[0].Path, e.Path)
		}
	}
	slices.SortStableFunc(entries, compareEntries)
	var order binary.AppendByteOrder = binary.LittleEndian
	endian := byte(2)
	if len(entries) > 0 && entries[0].Info.Data == 2 {
		order, endian = binary.BigEndian, 3
	}
	levels := hwcapLevels(entries)
	table := newStringTable(entries, levels)
	strings0 := uint32(cacheHeaderSize + len(entries)*cacheEntrySize)
	extension := (strings0 + uint32(len(table.bytes)) + 3) &^ 3

	b := []byte("glibc-ld.so.cache1.1")
	b = order.AppendUint32(b, uint32(len(entries)))
	b = order.AppendUint32(b, uint32(len(table.bytes)))
	b = append(b, endian, 0, 0, 0)
	b = order.AppendUint32(b, extension)
	b = append(b, make([]byte, 12)...)
	for _, e := range entries {
		b = order.AppendUint32(b, cacheFlags(e.Info))
		b = order.AppendUint32(b, strings0+table.offset[e.Soname])
		b = order.AppendUint32(b, strings0+table.offset[e.Path])
		b = order.AppendUint32(b, 0)
		b = order.AppendUint64(b, hwcapValue(e.HWCaps, levels))
	}
	b = append(b, table.bytes...)
	b = append(b, make([]byte, int(extension)-len(b))...)
	return appendExtension(order, b, levels, strings0, table), nil
}

// appendExtension writes the sections "generator" (0) and, where there are
// variants, "glibc-hwcaps" (1).
func appendExtension(order binary.AppendByteOrder, b []byte, levels []string, strings0 uint32, table stringTable) []byte {
	sections := uint32(1)
	if len(levels) > 0 {
		sections = 2
	}
	hwcapsAt := uint32(len(b)) + 8 + sections*16
	generatorAt := hwcapsAt + 4*uint32(len(levels))
	values := []uint32{
		extensionMagic, sections,
		0, 0, generatorAt, uint32(len(generator)),
		1, 0, hwcapsAt, 4 * uint32(len(levels)),
	}
	for _, v := range values[:2+4*sections] {
		b = order.AppendUint32(b, v)
	}
	for _, l := range levels {
		b = order.AppendUint32(b, strings0+table.offset[l])
	}
	return append(b, generator...)
}

// cacheFlags is FLAG_ELF_LIBC6 with the machine's flag (sysdeps/generic/ldconfig.h).
func cacheFlags(i *Info) uint32 {
	const elfLibc6 = 0x0003
	switch {
	case i.Machine == machineX86_64 && i.Class == 1:
		return elfLibc6 | 0x0800
	case i.Machine == machineX86_64:
		return elfLibc6 | 0x0300
	case i.Machine == machineS390 && i.Class == 2:
		return elfLibc6 | 0x0400
	case i.Machine == machinePPC64:
		return elfLibc6 | 0x0500
	case i.Machine == machineARM:
		return elfLibc6 | 0x0900
	case i.Machine == machineAArch64:
		return elfLibc6 | 0x0a00
	case i.Machine == machineRISCV && i.Class == 2:
		return elfLibc6 | 0x1000
	}
	return elfLibc6
}

func hwcapLevels(entries []CacheEntry) []string {
	var levels []string
	for _, e := range entries {
		if e.HWCaps != "" {
			levels = append(levels, e.HWCaps)
		}
	}
	slices.Sort(levels)
	return slices.Compact(levels)
}

func hwcapValue(level string, levels []string) uint64 {
	if level == "" {
		return 0
	}
	i, _ := slices.BinarySearch(levels, level)
	return hwcapExtension | uint64(i)
}

// compareEntries is compare() of elf/cache.c: names descending, then flags
// descending, then variants before the baseline, since the loader stops at
// the first entry that is none.
func compareEntries(a, b CacheEntry) int {
	if c := compareNames(b.Soname, a.Soname); c != 0 {
		return c
	}
	if c := cmp.Compare(cacheFlags(b.Info), cacheFlags(a.Info)); c != 0 {
		return c
	}
	if (a.HWCaps == "") != (b.HWCaps == "") {
		if a.HWCaps != "" {
			return -1
		}
		return 1
	}
	return strings.Compare(a.HWCaps, b.HWCaps)
}

// compareNames is _dl_cache_libcmp: runs of digits compare as numbers, and a
// digit comes after anything else.
func compareNames(a, b string) int {
	for a != "" {
		da, db := isDigit(a), isDigit(b)
		switch {
		case da && db:
			var x, y int
			x, a = number(a)
			y, b = number(b)
			if x != y {
				return cmp.Compare(x, y)
			}
		case da:
			return 1
		case db:
			return -1
		case b == "" || a[0] != b[0]:
			return cmp.Compare(int(a[0]), first(b))
		default:
			a, b = a[1:], b[1:]
		}
	}
	return cmp.Compare(0, first(b))
}

func isDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

func first(s string) int {
	if s == "" {
		return 0
	}
	return int(s[0])
}

// number cuts a run of digits off s. The loader's int overflows on hostile
// names; ours stays at the top.
func number(s string) (int, string) {
	n := 0
	for isDigit(s) {
		n = min(n*10+int(s[0]-'0'), 1<<30)
		s = s[1:]
	}
	return n, s
}

// stringTable stores strings with shared tails, as elf/stringtable.c does.
type stringTable struct {
	bytes  []byte
	offset map[string]uint32
}

func newStringTable(entries []CacheEntry, levels []string) stringTable {
	all := slices.Clone(levels)
	for _, e := range entries {
		all = append(all, e.Soname, e.Path)
	}
	slices.SortFunc(all, compareTails)
	all = slices.Compact(all)
	t := stringTable{offset: make(map[string]uint32, len(all))}
	for i, s := range all {
		if i > 0 && strings.HasSuffix(all[i-1], s) {
			prev := all[i-1]
			t.offset[s] = t.offset[prev] + uint32(len(prev)-len(s))
			continue
		}
		t.offset[s] = uint32(len(t.bytes))
		t.bytes = append(append(t.bytes, s...), 0)
	}
	return t
}

// compareTails compares strings from their ends, descending, the longer of two
// first when one is the other's tail.
func compareTails(a, b string) int {
	for i := 1; i <= min(len(a), len(b)); i++ {
		if c := cmp.Compare(b[len(b)-i], a[len(a)-i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(b), len(a))
}
