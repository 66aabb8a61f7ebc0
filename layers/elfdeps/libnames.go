package elfdeps

import (
	"bytes"
	"slices"
	"strings"
)

// LibraryNames finds names of shared libraries among the strings of a file
// that is written to it, in parts of any size: what a program may hand to
// dlopen(3). A name stands between zero bytes and ends in ".so" or ".so." with
// a version; it may be a path. The zero value is ready for use.
type LibraryNames struct {
	names []string // in the order of the file
	tail  []byte   // of what was written
	seam  []byte
}

const (
	// maxLibraryName is the longest that counts, and maxLibraryNames how many
	// of a file do: the first ones.
	maxLibraryName  = 128
	maxLibraryNames = 64
	// seamBytes hold the longest name with the zero bytes around it.
	seamBytes = maxLibraryName + 2
)

// Write takes the next part; it does not fail.
func (l *LibraryNames) Write(b []byte) (int, error) {
	if len(l.tail) > 0 {
		// A name may be in two parts.
		l.seam = append(append(l.seam[:0], l.tail...), b[:min(len(b), seamBytes)]...)
		l.find(l.seam)
	}
	l.find(b)
	if len(b) < seamBytes {
		l.tail = append(l.tail, b...)
		l.tail = l.tail[max(0, len(l.tail)-seamBytes):]
	} else {
		l.tail = append(l.tail[:0], b[len(b)-seamBytes:]...)
	}
	return len(b), nil
}

func (l *LibraryNames) find(b []byte) {
	for at := 0; len(l.names) < maxLibraryNames; {
		i := bytes.Index(b[at:], soSuffix)
		if i < 0 {
			return
		}
		at += i + len(soSuffix)
		start, end := at, at
		for start > 0 && isNameByte(b[start-1]) && at-start <= maxLibraryName {
			start--
		}
		for end < len(b) && isNameByte(b[end]) && end-start <= maxLibraryName {
			end++
		}
		if start == 0 || end == len(b) || b[start-1] != 0 || b[end] != 0 || end-start > maxLibraryName {
			continue
		}
		if name := string(b[start:end]); isLibraryName(name) && !slices.Contains(l.names, name) {
			l.names = append(l.names, name)
		}
	}
}

var soSuffix = []byte(".so")

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._+-/", c) >= 0
}

func isLibraryName(s string) bool {
	base := s[strings.LastIndexByte(s, '/')+1:]
	i := strings.LastIndex(base, ".so")
	if i < 2 {
		return false
	}
	version := base[i+len(".so"):]
	return version == "" || len(version) > 1 && version[0] == '.' && strings.Trim(version[1:], ".0123456789") == ""
}

// Besides are the names that i does not have as its soname, its interpreter or
// among its needs.
func (l *LibraryNames) Besides(i *Info) []string {
	var out []string
	for _, n := range l.names {
		if n != i.Soname && n != i.Interp && !slices.Contains(i.Needed, n) {
			out = append(out, n)
		}
	}
	return out
}
