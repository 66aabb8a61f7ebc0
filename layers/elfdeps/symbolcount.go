package elfdeps

// countSymbols says how many entries the symbol table has; nothing in a
// dynamic section does so itself. DT_GNU_HASH knows where the symbols end
// that the file exports, and these come last, but some linkers write a table
// that is good for nothing when there are none (GNU ld does). DT_HASH has one
// chain entry for each symbol. Without either, the table ends at the latest
// where another begins: known is false, and what comes after its last symbol
// has to be recognized.
func (s *symbolReader) countSymbols() (n uint64, known bool, err error) {
	if s.tables[dtGNUHash] != 0 {
		n, err = s.countGNUHash()
		if n > 0 || err != nil {
			return n, true, err
		}
	}
	if s.tables[dtHash] != 0 {
		n, err = s.countHash()
		return n, true, err
	}
	return s.roomForSymbols(), false, nil
}

// countHash reads nchain of a DT_HASH table, whose words have 64 bits on
// s390x and 32 elsewhere.
func (s *symbolReader) countHash() (uint64, error) {
	off, err := s.table(dtHash, "hash table")
	if err != nil {
		return 0, err
	}
	if s.is64 && s.info.Machine == machineS390 {
		b, err := s.read(off, 16, "hash table")
		if err != nil {
			return 0, err
		}
		return s.order.Uint64(b[8:]), nil
	}
	b, err := s.read(off, 8, "hash table")
	if err != nil {
		return 0, err
	}
	return uint64(s.order.Uint32(b[4:])), nil
}

// countGNUHash finds the last symbol of the last bucket; 0 when no bucket has
// any. The table is: nbuckets, first symbol, words of the bloom filter, shift,
// the filter, the buckets, and for each symbol from the first on a word whose
// lowest bit says that its bucket ends (binutils, bfd/elflink.c).
func (s *symbolReader) countGNUHash() (uint64, error) {
	off, err := s.table(dtGNUHash, "hash table")
	if err != nil {
		return 0, err
	}
	b, err := s.read(off, 16, "hash table")
	if err != nil {
		return 0, err
	}
	buckets, first, bloom := uint64(s.order.Uint32(b)), uint64(s.order.Uint32(b[4:])), uint64(s.order.Uint32(b[8:]))
	word := uint64(4)
	if s.is64 {
		word = 8
	}
	if buckets > maxSymbols || bloom > maxSymbols {
		return 0, s.fail(off, "hash table of %d buckets and %d words of filter, at most %d are read", buckets, bloom, maxSymbols)
	}
	at := off + 16 + bloom*word
	b, err = s.read(at, 4*buckets, "hash table")
	if err != nil {
		return 0, err
	}
	last := uint64(0)
	for ; len(b) > 0; b = b[4:] {
		last = max(last, uint64(s.order.Uint32(b)))
	}
	if last == 0 || last < first {
		return 0, nil
	}
	return s.chainEnd(at+4*buckets, first, last)
}

// chainEnd follows a chain to its end and returns the number after its last
// symbol's. A piece at a time: chains have two or three.
func (s *symbolReader) chainEnd(chains, first, last uint64) (uint64, error) {
	const piece = 64
	for last < maxSymbols {
		off := chains + 4*(last-first)
		if off >= uint64(s.size) {
			break
		}
		b, err := s.read(off, min(4*piece, (uint64(s.size)-off)&^3), "hash chain")
		if err != nil {
			return 0, err
		}
		if len(b) == 0 {
			break
		}
		for ; len(b) > 0; b = b[4:] {
			last++
			if s.order.Uint32(b)&1 != 0 {
				return last, nil
			}
		}
	}
	return 0, s.fail(chains, "a hash chain without an end, or more than %d symbols", maxSymbols)
}

// roomForSymbols is how many symbols fit before the next table, or how many
// versions before the next table after theirs.
func (s *symbolReader) roomForSymbols() uint64 {
	n := s.room(dtSymtab) / s.symbolSize()
	if s.tables[dtVersym] != 0 {
		n = min(n, s.room(dtVersym)/2)
	}
	return n
}

// room is the bytes from a table to the next that the dynamic section names,
// or to the end of its segment.
func (s *symbolReader) room(tag uint64) uint64 {
	from := s.tables[tag]
	var end uint64
	for _, ph := range s.programs {
		if ph.typ == ptLoad && from >= ph.addr && from-ph.addr < ph.filesize {
			end = ph.addr + ph.filesize
			break
		}
	}
	for _, t := range addressTags {
		if at := s.tables[t]; at > from && at < end {
			end = at
		}
	}
	return max(end, from) - from
}
