package elfdeps

// Version sections have one layout for both classes: records that name the
// distance in bytes to the next, 0 for the last. Source: Linux Standard Base
// Core, "Symbol Versioning"; glibc, elf/elf.h.
const (
	needSize       = 16 // Verneed
	needAuxSize    = 16 // Vernaux
	versionSize    = 20 // Verdef
	versionAuxSize = 8  // Verdaux

	flagBase = 1 // VER_FLG_BASE
	flagWeak = 2 // VER_FLG_WEAK
)

// versionReader reads records of a version section, piece by piece: they are
// small and close together. It stops a section that goes in circles.
type versionReader struct {
	*symbolReader
	piece   []byte
	at      uint64 // of piece in the file
	records int
}

const versionPiece = 4 << 10

func (r *versionReader) record(off, size uint64) ([]byte, error) {
	if r.records++; r.records > 2*maxVersions {
		return nil, r.fail(off, "more than %d versions", maxVersions)
	}
	if off >= r.at && off-r.at <= uint64(len(r.piece)) && uint64(len(r.piece))-(off-r.at) >= size {
		return r.piece[off-r.at:][:size], nil
	}
	n := size
	if off < uint64(r.size) {
		n = max(size, min(versionPiece, uint64(r.size)-off))
	}
	b, err := r.read(off, n, "a version")
	if err != nil {
		return nil, err
	}
	r.piece, r.at = b, off
	return b[:size], nil
}

// readNeeds reads DT_VERNEED: by library, the versions needed of it.
func (s *symbolReader) readNeeds() error {
	if s.tables[dtVerneed] == 0 {
		return nil
	}
	off, err := s.table(dtVerneed, "needed versions")
	if err != nil {
		return err
	}
	r := versionReader{symbolReader: s}
	for range s.tables[dtVerneedNum] {
		b, err := r.record(off, needSize)
		if err != nil {
			return err
		}
		count, aux, next := s.order.Uint16(b[2:]), uint64(s.order.Uint32(b[8:])), uint64(s.order.Uint32(b[12:]))
		library, err := s.name(s.order.Uint32(b[4:]))
		if err != nil {
			return err
		}
		if err := r.needsOf(library, off+aux, count); err != nil {
			return err
		}
		if next == 0 {
			return nil
		}
		off += next
	}
	return nil
}

func (r *versionReader) needsOf(library string, off uint64, count uint16) error {
	for range count {
		b, err := r.record(off, needAuxSize)
		if err != nil {
			return err
		}
		flags, number, next := r.order.Uint16(b[4:]), r.order.Uint16(b[6:]), uint64(r.order.Uint32(b[12:]))
		name, err := r.name(r.order.Uint32(b[8:]))
		if err != nil {
			return err
		}
		r.versions[number&^versionHidden] = symbolVersion{name: name, library: library}
		r.out.Needs = append(r.out.Needs, VersionNeed{Library: library, Version: name, Weak: flags&flagWeak != 0})
		if next == 0 {
			return nil
		}
		off += next
	}
	return nil
}

// readVersions reads DT_VERDEF: the versions that the file defines.
func (s *symbolReader) readVersions() error {
	if s.tables[dtVerdef] == 0 {
		return nil
	}
	s.out.Versioned = true
	off, err := s.table(dtVerdef, "defined versions")
	if err != nil {
		return err
	}
	r := versionReader{symbolReader: s}
	for range s.tables[dtVerdefNum] {
		b, err := r.record(off, versionSize)
		if err != nil {
			return err
		}
		flags, number, count := s.order.Uint16(b[2:]), s.order.Uint16(b[4:]), s.order.Uint16(b[6:])
		aux, next := uint64(s.order.Uint32(b[12:])), uint64(s.order.Uint32(b[16:]))
		// The first name is the version's, the others are those it follows.
		if flags&flagBase == 0 && count > 0 {
			if err := r.defines(number, off+aux); err != nil {
				return err
			}
		}
		if next == 0 {
			return nil
		}
		off += next
	}
	return nil
}

func (r *versionReader) defines(number uint16, off uint64) error {
	b, err := r.record(off, versionAuxSize)
	if err != nil {
		return err
	}
	name, err := r.name(r.order.Uint32(b))
	if err != nil {
		return err
	}
	r.versions[number&^versionHidden] = symbolVersion{name: name}
	r.out.Versions = append(r.out.Versions, name)
	return nil
}
