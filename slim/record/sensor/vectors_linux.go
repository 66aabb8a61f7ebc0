//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// Bounds of what is read of a program's arguments and environment.
const (
	maxVector = 4096    // strings
	maxArg    = 4096    // bytes of one argument
	maxArgs   = 1 << 16 // bytes of all arguments
)

// pointers reads a NULL-terminated array of addresses.
func (w *reader) pointers(pid uint32, addr uint64) []uint64 {
	const page = 4096
	var out []uint64
	addr &= addressBits
	for addr != 0 && len(out) < maxVector {
		buf := make([]byte, (page-addr%page+7)&^7)
		if addr%8 != 0 {
			buf = make([]byte, 8)
		}
		k, err := w.fetch(pid, addr, buf)
		if err != nil || k < 8 {
			return out
		}
		for b := buf[:k&^7]; len(b) > 0; b = b[8:] {
			p := binary.LittleEndian.Uint64(b)
			if p == 0 || len(out) == maxVector {
				return out
			}
			out = append(out, p&addressBits)
		}
		addr += uint64(k &^ 7)
	}
	return out
}

// text reads a NUL-terminated string, at most limit bytes of it.
func (w *reader) text(pid uint32, addr uint64, limit int) string {
	const page = 4096
	var out []byte
	for len(out) < limit {
		at := addr + uint64(len(out))
		buf := make([]byte, min(limit-len(out), page-int(at%page), 256))
		k, err := w.fetch(pid, at, buf)
		if err != nil {
			break
		}
		if i := bytes.IndexByte(buf[:k], 0); i >= 0 {
			return string(append(out, buf[:i]...))
		}
		out = append(out, buf[:k]...)
	}
	return string(out)
}

func (w *reader) argv(pid uint32, addr uint64) []string {
	var out []string
	total := 0
	for _, p := range w.pointers(pid, addr) {
		a := w.text(pid, p, maxArg)
		if total += len(a); total > maxArgs {
			break
		}
		out = append(out, printable(a))
	}
	return out
}

// envNames are the names of an environment. Values are not looked at.
func (w *reader) envNames(pid uint32, addr uint64) []string {
	var out []string
	for _, p := range w.pointers(pid, addr) {
		if name, _, ok := strings.Cut(w.text(pid, p, 256), "="); ok {
			out = append(out, printable(name))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// home takes HOME from an environment, and nothing else: the rest may be
// secret.
func (w *reader) home(n *notification, addr uint64) {
	var head [5]byte
	for _, p := range w.pointers(n.pid, addr) {
		if k, err := w.fetch(n.pid, p, head[:]); err != nil || string(head[:k]) != "HOME=" {
			continue
		}
		if h := w.text(n.pid, p+5, pathMax); strings.HasPrefix(h, "/") && len(h) < pathMax {
			w.addHome(clean(h))
		}
		return
	}
}
