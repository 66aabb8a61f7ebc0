package layers

import (
	"bytes"
	"io"

	"github.com/pare-image/pare/layers/elfdeps"
)

const (
	// shebangMax is what the kernel reads of a script (BINPRM_BUF_SIZE).
	shebangMax = 256
	// sniffMemory is the largest ELF file that is looked at in memory; larger
	// ones go through the spool.
	sniffMemory = 1 << 20
)

var elfMagic = []byte("\x7fELF")

// sniffer holds the buffers of one scan.
type sniffer struct {
	head [shebangMax]byte
	mem  []byte
}

// content looks into a regular file and spools it if it is wanted.
func (s *scan) content(ord int32, name string, n *Inode, body io.Reader) error {
	head := s.sniff.head[:min(n.Size, shebangMax)]
	if _, err := io.ReadFull(body, head); err != nil {
		return tarError(noEOF(err))
	}
	want := s.want(name, &n.Header)
	whole := io.MultiReader(bytes.NewReader(head), body)
	switch {
	case bytes.HasPrefix(head, elfMagic) && n.Size <= sniffMemory:
		return s.smallELF(ord, n, whole, want)
	case bytes.HasPrefix(head, elfMagic):
		return s.largeELF(ord, n, whole, want)
	}
	if line := shebang(head); line != "" {
		n.sniff = &Sniff{Shebang: line}
		if err := s.meter.kept(n.sniff.size()); err != nil {
			return err
		}
	}
	if !want {
		return nil
	}
	return s.spool.add(ord, n.Size, whole)
}

func (s *scan) smallELF(ord int32, n *Inode, r io.Reader, want bool) error {
	if s.sniff.mem == nil {
		s.sniff.mem = make([]byte, sniffMemory)
	}
	mem := s.sniff.mem[:n.Size]
	if _, err := io.ReadFull(r, mem); err != nil {
		return tarError(noEOF(err))
	}
	var names elfdeps.LibraryNames
	names.Write(mem) //nolint:errcheck // it does not fail
	n.sniff = parseELF(bytes.NewReader(mem), n.Size, &names)
	if err := s.meter.kept(n.sniff.size()); err != nil {
		return err
	}
	if !want {
		return nil
	}
	return s.spool.add(ord, n.Size, bytes.NewReader(mem))
}

// largeELF spools the file to look at it, and takes it back if it was not
// wanted.
func (s *scan) largeELF(ord int32, n *Inode, r io.Reader, want bool) error {
	var names elfdeps.LibraryNames
	if err := s.spool.add(ord, n.Size, io.TeeReader(r, &names)); err != nil {
		return err
	}
	if err := s.spool.flush(); err != nil {
		return err
	}
	n.sniff = parseELF(s.spool.section(s.spool.pieces[ord]), n.Size, &names)
	if !want {
		s.spool.takeBack(ord)
	}
	return s.meter.kept(n.sniff.size())
}

func parseELF(r io.ReaderAt, size int64, names *elfdeps.LibraryNames) *Sniff {
	info, err := elfdeps.Parse(r, size)
	if err != nil {
		return &Sniff{ELFError: err.Error()}
	}
	info.Names = names.Besides(info)
	return &Sniff{ELF: info}
}

// size is about how many bytes are kept: a string has a header of 16.
func (s *Sniff) size() int {
	n := len(s.Shebang) + len(s.ELFError)
	if e := s.ELF; e != nil {
		n += len(e.Interp) + len(e.Soname)
		for _, list := range [][]string{e.Needed, e.RPath, e.RunPath, e.Names} {
			for _, v := range list {
				n += len(v) + 16
			}
		}
	}
	return n
}

// shebang returns the line after "#!" as the kernel would take it.
func shebang(head []byte) string {
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	return string(line)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
