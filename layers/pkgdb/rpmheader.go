package pkgdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Tags of rpm's headers that are read (rpm, include/rpm/rpmtag.h), and types
// (rpmtagtype_t).
const (
	rpmName         = 1000
	rpmVersion      = 1001
	rpmRelease      = 1002
	rpmEpoch        = 1003
	rpmArch         = 1022
	rpmFileModes    = 1030
	rpmSourceRPM    = 1044
	rpmProvideName  = 1047
	rpmRequireName  = 1049
	rpmDirIndexes   = 1116
	rpmBaseNames    = 1117
	rpmDirNames     = 1118
	rpmTypeInt16    = 3
	rpmTypeInt32    = 4
	rpmTypeString   = 6
	rpmTypeStrings  = 8
	rpmIndexEntry   = 16
	rpmHeaderPrefix = 8
	modeFormat      = 0o170000
	modeDirectory   = 0o040000
)

var errRPMHeader = errors.New("not a sound rpm header")

// rpmHeader is a package's header as the database has it: the index, then the
// store (rpm, docs/manual/format_header.md; without its magic).
type rpmHeader struct {
	entries map[uint32]rpmEntry
	store   []byte
}

type rpmEntry struct{ kind, offset, count uint32 }

func parseRPMHeader(b []byte) (*rpmHeader, error) {
	if len(b) < rpmHeaderPrefix {
		return nil, errRPMHeader
	}
	n, size := uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))
	if rpmHeaderPrefix+n*rpmIndexEntry+size > uint64(len(b)) {
		return nil, fmt.Errorf("%w: %d entries and %d bytes in %d", errRPMHeader, n, size, len(b))
	}
	h := &rpmHeader{entries: make(map[uint32]rpmEntry, n), store: b[rpmHeaderPrefix+n*rpmIndexEntry:][:size]}
	for i := range n {
		e := b[rpmHeaderPrefix+i*rpmIndexEntry:]
		tag := binary.BigEndian.Uint32(e)
		if _, twice := h.entries[tag]; !twice {
			h.entries[tag] = rpmEntry{binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])}
		}
	}
	return h, nil
}

// strings are the values of a tag; nil when it is not there.
func (h *rpmHeader) strings(tag uint32) ([]string, error) {
	e, ok := h.entries[tag]
	if !ok {
		return nil, nil
	}
	if e.kind != rpmTypeString && e.kind != rpmTypeStrings || uint64(e.offset) > uint64(len(h.store)) || uint64(e.count) > uint64(len(h.store)) {
		return nil, fmt.Errorf("%w: tag %d", errRPMHeader, tag)
	}
	rest := h.store[e.offset:]
	var out []string
	for range e.count {
		s, after, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return nil, fmt.Errorf("%w: tag %d does not end", errRPMHeader, tag)
		}
		out, rest = append(out, string(s)), after
	}
	return out, nil
}

// string is the first value of a tag; "" when it is not there.
func (h *rpmHeader) string(tag uint32) (string, error) {
	all, err := h.strings(tag)
	if len(all) == 0 {
		return "", err
	}
	return all[0], err
}

// numbers are the values of a tag of 16 or 32 bits each; nil when it is not there.
func (h *rpmHeader) numbers(tag uint32) ([]uint32, error) {
	e, ok := h.entries[tag]
	if !ok {
		return nil, nil
	}
	size := uint64(4)
	if e.kind == rpmTypeInt16 {
		size = 2
	} else if e.kind != rpmTypeInt32 {
		return nil, fmt.Errorf("%w: tag %d", errRPMHeader, tag)
	}
	if uint64(e.offset)+uint64(e.count)*size > uint64(len(h.store)) {
		return nil, fmt.Errorf("%w: tag %d is outside", errRPMHeader, tag)
	}
	out := make([]uint32, e.count)
	for i := range out {
		at := h.store[uint64(e.offset)+uint64(i)*size:]
		if size == 2 {
			out[i] = uint32(binary.BigEndian.Uint16(at))
		} else {
			out[i] = binary.BigEndian.Uint32(at)
		}
	}
	return out, nil
}

// rpmPackage reads a header. Of the requirements, names of files and of
// packages count; versions do not, as rpm accepted what is installed.
func rpmPackage(b []byte) (*Package, []rpmFile, error) {
	h, err := parseRPMHeader(b)
	if err != nil {
		return nil, nil, err
	}
	p := &Package{rpm: &rpmRecord{header: b}}
	var release, source string
	for _, f := range []struct {
		tag uint32
		to  *string
	}{{rpmName, &p.Name}, {rpmVersion, &p.Version}, {rpmRelease, &release}, {rpmArch, &p.Arch}, {rpmSourceRPM, &source}} {
		if *f.to, err = h.string(f.tag); err != nil {
			return nil, nil, err
		}
	}
	if p.Name == "" || strings.ContainsFunc(p.Name+p.Arch, notInNames) {
		return nil, nil, fmt.Errorf("%q of architecture %q is no package name", p.Name, p.Arch)
	}
	p.Version += "-" + release
	if epoch, err := h.numbers(rpmEpoch); err != nil {
		return nil, nil, err
	} else if len(epoch) > 0 && epoch[0] != 0 {
		p.Version = strconv.FormatUint(uint64(epoch[0]), 10) + ":" + p.Version
	}
	p.Source = sourceOfRPM(source, p.Name)
	if err := p.relateRPM(h); err != nil {
		return nil, nil, err
	}
	files, err := h.files()
	return p, files, err
}

// sourceOfRPM is the name in "openssl-3.0.7-1.el9.src.rpm".
func sourceOfRPM(file, name string) string {
	parts := strings.Split(file, "-")
	if len(parts) < 3 {
		return name
	}
	return strings.Join(parts[:len(parts)-2], "-")
}

func (p *Package) relateRPM(h *rpmHeader) error {
	requires, err := h.strings(rpmRequireName)
	if err != nil {
		return err
	}
	for _, r := range requires {
		if !strings.HasPrefix(r, "rpmlib(") && !strings.HasPrefix(r, "(") { // features of rpm; rich dependencies
			p.depends = append(p.depends, []string{r})
		}
	}
	p.provides, err = h.strings(rpmProvideName)
	return err
}

// rpmFile is a file of a package, by its full name.
type rpmFile struct {
	name      string
	directory bool
}

func (h *rpmHeader) files() ([]rpmFile, error) {
	bases, err := h.strings(rpmBaseNames)
	if err != nil {
		return nil, err
	}
	dirs, err := h.strings(rpmDirNames)
	if err != nil {
		return nil, err
	}
	index, err := h.numbers(rpmDirIndexes)
	if err != nil {
		return nil, err
	}
	modes, err := h.numbers(rpmFileModes)
	if err != nil {
		return nil, err
	}
	if len(index) != len(bases) || len(modes) != len(bases) {
		return nil, fmt.Errorf("%w: %d files in %d directories with %d modes", errRPMHeader, len(bases), len(index), len(modes))
	}
	out := make([]rpmFile, len(bases))
	for i, base := range bases {
		if int(index[i]) >= len(dirs) {
			return nil, fmt.Errorf("%w: directory %d of %d", errRPMHeader, index[i], len(dirs))
		}
		out[i] = rpmFile{path.Join("/", dirs[index[i]], base), modes[i]&modeFormat == modeDirectory}
	}
	return out, nil
}
