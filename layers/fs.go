package layers

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"
)

// The Tree as an io/fs file system. Names are relative and symlinks are
// followed inside the root. Directories list what io/fs can name and open, as
// testing/fstest demands: no names that are not UTF-8 (fs.ValidPath) or hold a
// backslash, no dangling symlinks (which can be read by name).
// [Tree.All] and [Tree.Children] have everything.
var (
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.StatFS     = (*Tree)(nil)
	_ fs.ReadLinkFS = (*Tree)(nil)
)

// Open implements fs.FS. Devices and fifos are empty: nothing here reaches
// outside of the image.
func (t *Tree) Open(name string) (fs.File, error) {
	e, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if e.Type == Directory {
		return &dirFile{fileInfo: fileInfo{e}, list: t.dirEntries(e)}, nil
	}
	if e.Type != Regular {
		return &openFile{fileInfo: fileInfo{e}, ReadCloser: io.NopCloser(strings.NewReader(""))}, nil
	}
	r, err := t.OpenContent(e.Inode)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{fileInfo: fileInfo{e}, ReadCloser: r}, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if e.Type != Directory {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	return t.dirEntries(e), nil
}

// Stat implements fs.StatFS.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.info("stat", name, true) }

// Lstat implements fs.ReadLinkFS.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.info("lstat", name, false) }

func (t *Tree) info(op, name string, follow bool) (fs.FileInfo, error) {
	e, err := t.find(op, name, follow)
	if err != nil {
		return nil, err
	}
	return fileInfo{e}, nil
}

// ReadLink implements fs.ReadLinkFS: the text to the letter, absolute or not.
func (t *Tree) ReadLink(name string) (string, error) {
	e, err := t.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if e.Type != Symlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return e.Linkname, nil
}

func (t *Tree) find(op, name string, follow bool) (*Entry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	res, err := resolve(t.root, "/"+name, follow, nil)
	if err != nil {
		var pe *fs.PathError
		errors.As(err, &pe)
		return nil, &fs.PathError{Op: op, Path: name, Err: pe.Err}
	}
	return res.Entry, nil
}

func (t *Tree) dirEntries(dir *Entry) []fs.DirEntry {
	list := make([]fs.DirEntry, 0, len(dir.dir.list))
	for _, k := range dir.dir.list {
		if t.listed(k) {
			list = append(list, fileInfo{k})
		}
	}
	return list
}

func (t *Tree) listed(e *Entry) bool {
	if !utf8.ValidString(e.Name()) || strings.Contains(e.Name(), `\`) {
		return false
	}
	if e.Type != Symlink {
		return true
	}
	_, err := t.Resolve(e.Path)
	return err == nil
}

// fileInfo is an entry as fs.FileInfo and fs.DirEntry. Sys is the *Entry.
type fileInfo struct{ e *Entry }

func (i fileInfo) Name() string {
	if i.e.Path == "/" {
		return "."
	}
	return i.e.Name()
}
func (i fileInfo) Size() int64                { return i.e.Size }
func (i fileInfo) ModTime() time.Time         { return i.e.ModTime }
func (i fileInfo) IsDir() bool                { return i.e.Type == Directory }
func (i fileInfo) Sys() any                   { return i.e }
func (i fileInfo) Type() fs.FileMode          { return i.Mode().Type() }
func (i fileInfo) Info() (fs.FileInfo, error) { return i, nil }
func (i fileInfo) String() string             { return fs.FormatFileInfo(i) }

var typeBits = map[Type]fs.FileMode{
	Directory: fs.ModeDir, Symlink: fs.ModeSymlink, FIFO: fs.ModeNamedPipe,
	CharDevice: fs.ModeDevice | fs.ModeCharDevice, BlockDevice: fs.ModeDevice,
}

func (i fileInfo) Mode() fs.FileMode {
	m := fs.FileMode(i.e.Header.Mode&0o777) | typeBits[i.e.Header.Type]
	for bit, mode := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if i.e.Header.Mode&bit != 0 {
			m |= mode
		}
	}
	return m
}

// openFile is an open regular file.
type openFile struct {
	fileInfo
	io.ReadCloser
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.fileInfo, nil }

// dirFile is an open directory.
type dirFile struct {
	fileInfo
	list []fs.DirEntry
	pos  int
}

func (d *dirFile) Stat() (fs.FileInfo, error) { return d.fileInfo, nil }
func (d *dirFile) Close() error               { return nil }

func (d *dirFile) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.Name(), Err: errors.New("is a directory")}
}

// ReadDir implements fs.ReadDirFile.
func (d *dirFile) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.list[d.pos:]
	if n <= 0 {
		d.pos = len(d.list)
		return rest, nil
	}
	if len(rest) == 0 {
		return nil, io.EOF
	}
	rest = rest[:min(n, len(rest))]
	d.pos += len(rest)
	return rest, nil
}
