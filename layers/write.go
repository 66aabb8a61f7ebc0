package layers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// Output is one entry to write into a layer or a tar.
type Output struct {
	// Path is absolute and clean, as in [Entry].
	Path string
	Header
	// LinkTo, when not "", makes this a hard link to an earlier Output of
	// the same layer; Header is then not written.
	LinkTo string
	// Whiteout says that Path is gone: what lower layers have there is hidden.
	// Only Path counts then.
	Whiteout bool
	// Open returns the content of a regular file of Header.Size bytes.
	Open func() (io.ReadCloser, error)
}

// ErrOutput says that a list of outputs breaks a rule of [WriteTar].
var ErrOutput = errors.New("invalid output")

// WriteTar writes outputs as a deterministic tar: same outputs, same bytes.
// They must be sorted by path bytes, without duplicates, and name every
// parent directory; "/" itself may be left out. No name may begin with ".wh.".
// Names are written without a
// leading slash, directories with a trailing one, "/" as "./". Owner names
// are not written: numbers are what runtimes apply.
func WriteTar(ctx context.Context, w io.Writer, outputs []Output) error {
	if err := checkOutputs(outputs); err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	buf := make([]byte, 256<<10)
	for i := range outputs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeOutput(ctx, tw, &outputs[i], buf); err != nil {
			return fmt.Errorf("writing %s: %w", strconv.Quote(outputs[i].Path), err)
		}
	}
	return tw.Close()
}

// checkOutputs holds the rules, so that no reader has to guess: explicit
// parents, no duplicates, hard links after what they name.
func checkOutputs(outputs []Output) error {
	types := make(map[string]Type, len(outputs))
	last := ""
	for i := range outputs {
		o := &outputs[i]
		bad := func(format string, args ...any) error {
			return fmt.Errorf("%w: %s: %s", ErrOutput, strconv.Quote(o.Path), fmt.Sprintf(format, args...))
		}
		if !path.IsAbs(o.Path) || path.Clean(o.Path) != o.Path || strings.ContainsRune(o.Path, 0) {
			return bad("not an absolute clean path")
		}
		if strings.HasPrefix(path.Base(o.Path), whiteoutPrefix) {
			return bad("a reader would take it for a whiteout")
		}
		if i > 0 && o.Path <= last {
			return bad("not sorted after %s", strconv.Quote(last))
		}
		last = o.Path
		if parent := path.Dir(o.Path); parent != "/" && types[parent] != Directory {
			return bad("its parent directory is not written before it")
		}
		if o.Whiteout {
			continue // nothing is there that others could be below or link to
		}
		if t, ok := types[o.LinkTo]; o.LinkTo != "" && (!ok || t == Directory) {
			return bad("hard link to %s, which is not written before it", strconv.Quote(o.LinkTo))
		}
		if o.LinkTo == "" && o.Type == Regular && o.Size > 0 && o.Open == nil {
			return bad("no content")
		}
		types[o.Path] = o.Type
	}
	return nil
}

func writeOutput(ctx context.Context, tw *tar.Writer, o *Output, buf []byte) error {
	if err := tw.WriteHeader(tarHeader(o)); err != nil {
		return err
	}
	if o.Whiteout || o.LinkTo != "" || o.Type != Regular || o.Size == 0 {
		return nil
	}
	rc, err := o.Open()
	if err != nil {
		return err
	}
	defer rc.Close()
	n, err := io.CopyBuffer(onlyWriter{tw}, &contextReader{ctx, rc}, buf)
	if errors.Is(err, tar.ErrWriteTooLong) {
		return fmt.Errorf("content is longer than the %d bytes announced", o.Size)
	}
	if err == nil && n != o.Size {
		return fmt.Errorf("content is %d bytes, %d were announced", n, o.Size)
	}
	return err
}

// onlyWriter hides tar.Writer's ReadFrom, so that CopyBuffer uses our buffer.
type onlyWriter struct{ io.Writer }

// contextReader stops between blocks when the context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

var typeflags = map[Type]byte{
	Regular: tar.TypeReg, Directory: tar.TypeDir, Symlink: tar.TypeSymlink,
	CharDevice: tar.TypeChar, BlockDevice: tar.TypeBlock, FIFO: tar.TypeFifo,
}

// tarHeader is always of the PAX format, of which archive/tar writes extended
// records only for what ustar cannot hold.
func tarHeader(o *Output) *tar.Header {
	name := strings.TrimPrefix(o.Path, "/")
	if o.Whiteout {
		dir, base := path.Split(name)
		return &tar.Header{Typeflag: tar.TypeReg, Name: dir + whiteoutPrefix + base, Mode: 0o644, ModTime: epoch, Format: tar.FormatPAX}
	}
	if o.LinkTo != "" {
		return &tar.Header{
			Typeflag: tar.TypeLink, Name: name, Linkname: strings.TrimPrefix(o.LinkTo, "/"), Format: tar.FormatPAX,
			Mode: int64(o.Mode), Uid: o.UID, Gid: o.GID, ModTime: o.ModTime,
		}
	}
	h := &tar.Header{
		Typeflag: typeflags[o.Type], Name: name, Mode: int64(o.Mode), Uid: o.UID, Gid: o.GID, ModTime: o.ModTime, Format: tar.FormatPAX,
	}
	switch o.Type {
	case Regular:
		h.Size = o.Size
	case Directory:
		h.Name += "/"
		if name == "" {
			h.Name = "./"
		}
	case Symlink:
		h.Linkname = o.Linkname
	case CharDevice, BlockDevice:
		h.Devmajor, h.Devminor = o.Major, o.Minor
	}
	for k, v := range o.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = make(map[string]string, len(o.Xattrs))
		}
		h.PAXRecords["SCHILY.xattr."+k] = v
	}
	return h
}
