package langpkg

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
)

// Bounds on how a jar begins. Its manifest is the first entry, or the second
// behind its directory (java.util.jar.JarInputStream counts on that); a few
// tools put others before it.
const (
	maxJarEntries = 16
	maxJarHead    = 256 << 10 // bytes up to the end of the manifest
	maxManifest   = 1 << 20   // unpacked
	maxClassPath  = 4096      // entries
)

// ClassPath is the other jars that the manifest of a jar names, absolute and
// clean, in its order, whether or not the tree has them (JAR File
// Specification, "Class-Path attribute"). Directories are left out. None for
// what is no jar.
func (r *Reader) ClassPath(e *layers.Entry) ([]string, error) {
	if e.Type != layers.Regular || r.left <= 0 {
		return nil, nil
	}
	f, err := r.tree.OpenContent(e.Inode)
	if err != nil {
		return nil, fmt.Errorf("reading a manifest: %w", err)
	}
	defer f.Close()
	head := &io.LimitedReader{R: f, N: min(maxJarHead, r.left)}
	before := head.N
	text := manifest(head)
	r.left -= before - head.N
	var out []string
	for _, p := range classPath(text, path.Dir(e.Path)) {
		if r.lines--; r.lines < 0 {
			break
		}
		out = append(out, p)
	}
	return out, nil
}

// localHeader is an entry's header in a zip file, behind its signature (APPNOTE.TXT, 4.3.7).
type localHeader struct {
	Version, Flags, Method, Time, Date uint16
	CRC, Packed, Size                  uint32
	NameLen, ExtraLen                  uint16
}

const (
	localSignature = "PK\x03\x04"
	stored         = 0
	deflated       = 8
)

// manifest is META-INF/MANIFEST.MF of a jar that is read from its beginning;
// nil when it is not among the first entries. An entry whose size follows it
// ends the search, unless it is the manifest.
func manifest(r io.Reader) []byte {
	br := bufio.NewReaderSize(r, 4096)
	for range maxJarEntries {
		var sig [4]byte
		var h localHeader
		if _, err := io.ReadFull(br, sig[:]); err != nil || string(sig[:]) != localSignature {
			return nil
		}
		if binary.Read(br, binary.LittleEndian, &h) != nil {
			return nil
		}
		name := make([]byte, h.NameLen)
		if _, err := io.ReadFull(br, name); err != nil {
			return nil
		}
		if _, err := br.Discard(int(h.ExtraLen)); err != nil {
			return nil
		}
		if strings.EqualFold(string(name), "META-INF/MANIFEST.MF") {
			return unpack(br, h)
		}
		if h.Flags&8 != 0 || h.Packed > maxJarHead {
			return nil
		}
		if _, err := br.Discard(int(h.Packed)); err != nil {
			return nil
		}
	}
	return nil
}

// unpack is what an entry holds, as far as it is sound and not too long.
func unpack(r io.Reader, h localHeader) []byte {
	switch h.Method {
	case stored:
		r = io.LimitReader(r, int64(h.Packed))
	case deflated:
		r = flate.NewReader(r)
	default:
		return nil
	}
	b, _ := io.ReadAll(io.LimitReader(r, maxManifest)) // what came before an error counts
	return b
}

// classPath is the attribute of a manifest's main section: URLs relative to
// the jar. Lines go on behind a newline and a space.
func classPath(manifest []byte, dir string) []string {
	text := strings.ReplaceAll(string(bytes.ReplaceAll(manifest, []byte("\r\n"), []byte("\n"))), "\n ", "")
	var out []string
	for line := range strings.Lines(text) {
		if line == "\n" {
			break // of the main section
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || !strings.EqualFold(key, "Class-Path") {
			continue
		}
		for word := range strings.FieldsSeq(value) {
			u, err := url.Parse(word)
			if err != nil || u.Scheme != "" && u.Scheme != "file" || u.Host != "" || strings.HasSuffix(u.Path, "/") || u.Path == "" || len(out) == maxClassPath {
				continue
			}
			p := u.Path
			if !path.IsAbs(p) {
				p = path.Join(dir, p)
			}
			out = append(out, path.Clean(p))
		}
	}
	return out
}
