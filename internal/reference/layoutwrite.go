package reference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/internal/atomicfile"
)

const sha256Dir = blobsDir + "/sha256"

// checkLayout says whether dir can be made or taken as a layout.
func checkLayout(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return checkParent(dir)
	}
	if err != nil {
		return err
	}
	if err := atomicfile.Try(filepath.Join(dir, layoutFile)); err != nil {
		return err
	}
	if len(entries) == 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	err = checkLayoutVersion(directory{root})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s holds something other than an OCI layout; name a new or an empty directory", ErrDestination, dir)
	}
	return err
}

// writeLayout makes a new layout in a directory beside r.Path and renames it,
// or adds to the one that is there.
func writeLayout(ctx context.Context, r Ref, c *content) (Ref, error) {
	abs, err := filepath.Abs(r.Path)
	if err != nil {
		return Ref{}, err
	}
	at := Ref{Kind: OCI, Path: abs, Digest: c.top.Digest}
	if _, err := os.Stat(abs); err == nil {
		return at, addToLayout(ctx, abs, r.Name, c)
	}
	tmp := atomicfile.TempName(abs)
	if err := os.Mkdir(tmp, 0o777); err != nil {
		return Ref{}, err
	}
	err = addToLayout(ctx, tmp, r.Name, c)
	if err == nil {
		err = os.Rename(tmp, abs)
	}
	if err != nil {
		os.RemoveAll(tmp)
		if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) { // another run was first
			return at, addToLayout(ctx, abs, r.Name, c)
		}
		return Ref{}, err
	}
	atomicfile.SyncDir(filepath.Dir(abs))
	return at, nil
}

// layoutWriter adds to one layout. What it makes is first made in tmp, and
// moved when all is there, index.json last.
type layoutWriter struct {
	root *os.Root
	tmp  string
	undo []string // what has been moved, to be removed on an error
}

func addToLayout(ctx context.Context, dir, tag string, c *content) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	w := &layoutWriter{root: root, tmp: filepath.Base(atomicfile.TempName("tmp"))}
	if err := root.Mkdir(w.tmp, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.RemoveAll(w.tmp)) }()
	bs, err := c.blobs()
	if err != nil {
		return err
	}
	for _, b := range bs {
		if err := w.stage(ctx, b); err != nil {
			return err
		}
	}
	unlock, err := lock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := w.publish(ctx, bs, tag, c); err != nil {
		w.rollback() // while nobody else can build on it
		return err
	}
	return nil
}

// stage writes a blob into tmp, unless the layout has it, intact.
func (w *layoutWriter) stage(ctx context.Context, b blob) error {
	if w.has(ctx, b) {
		return nil
	}
	f, err := w.root.OpenFile(path.Join(w.tmp, b.digest.Hex), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = b.copyTo(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (w *layoutWriter) has(ctx context.Context, b blob) bool {
	f, _, err := directory{w.root}.open(path.Join(sha256Dir, b.digest.Hex))
	if err != nil {
		return false
	}
	defer f.Close()
	return copyVerified(ctx, discard{}, f, b.digest, b.size) == nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// publish moves the blobs to their place and then changes the index.
func (w *layoutWriter) publish(ctx context.Context, bs []blob, tag string, c *content) error {
	for _, d := range []string{blobsDir, sha256Dir} {
		if err := w.root.Mkdir(d, 0o777); err == nil {
			w.undo = append(w.undo, d)
		} else if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, b := range bs {
		if err := w.place(ctx, b); err != nil {
			return err
		}
	}
	if _, err := w.root.Stat(layoutFile); errors.Is(err, fs.ErrNotExist) {
		if err := w.replace(layoutFile, []byte(layoutVersion)); err != nil {
			return err
		}
	}
	old, err := readFile(directory{w.root}, indexFile, maxManifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	index, err := newIndexFile(old, tag, c.top)
	if err != nil {
		return err
	}
	return w.replace(indexFile, index)
}

// place moves a staged blob. One that was not staged, since the layout had it,
// may be gone by now: whoever had added it may have taken it back.
func (w *layoutWriter) place(ctx context.Context, b blob) error {
	staged, final := path.Join(w.tmp, b.digest.Hex), path.Join(sha256Dir, b.digest.Hex)
	if _, err := w.root.Stat(staged); err != nil {
		if info, err := w.root.Stat(final); err == nil && info.Size() == b.size {
			return nil
		}
		if err := w.stage(ctx, b); err != nil {
			return err
		}
	}
	return w.move(staged, final)
}

// move renames, and remembers what was not there before.
func (w *layoutWriter) move(from, to string) error {
	_, err := w.root.Lstat(to)
	if err := w.root.Rename(from, to); err != nil {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		w.undo = append(w.undo, to)
	}
	return nil
}

func (w *layoutWriter) replace(name string, b []byte) error {
	staged := path.Join(w.tmp, name)
	f, err := w.root.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return w.move(staged, name)
}

func (w *layoutWriter) rollback() {
	for i := len(w.undo) - 1; i >= 0; i-- {
		w.root.Remove(w.undo[i]) // a directory that others use stays
	}
}

// newIndexFile is an index.json in which tag names top. Whatever else stood
// there stays as it was, fields that we do not know included.
func newIndexFile(old []byte, tag string, top v1.Descriptor) ([]byte, error) {
	file := map[string]json.RawMessage{
		"schemaVersion": json.RawMessage("2"),
		"mediaType":     json.RawMessage(`"` + string(types.OCIImageIndex) + `"`),
	}
	var entries []json.RawMessage
	if old != nil {
		file = map[string]json.RawMessage{}
		if err := json.Unmarshal(old, &file); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", indexFile, err)
		}
		if err := json.Unmarshal(file["manifests"], &entries); file["manifests"] != nil && err != nil {
			return nil, fmt.Errorf("parsing %s: %w", indexFile, err)
		}
	}
	entries, err := without(entries, tag, top.Digest)
	if err != nil {
		return nil, err
	}
	if tag != "" {
		top.Annotations = map[string]string{refName: tag}
	}
	entry, err := json.Marshal(top)
	if err != nil {
		return nil, err
	}
	if file["manifests"], err = json.Marshal(append(entries, entry)); err != nil {
		return nil, err
	}
	return json.Marshal(file) // sorted by key
}

// without leaves out the entries that tag names. Entries without a tag are
// other images, platforms, or what refers to one: of those, only digest's goes.
func without(entries []json.RawMessage, tag string, digest v1.Hash) ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	for _, e := range entries {
		var d v1.Descriptor
		if err := json.Unmarshal(e, &d); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", indexFile, err)
		}
		if d.Annotations[refName] != tag || tag == "" && d.Digest != digest {
			out = append(out, e)
		}
	}
	return out, nil
}

const lockWait = 30 * time.Second

// lock keeps two writers from losing each other's tags. The directory itself
// is locked, so that nothing is left.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { d.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		select {
		case <-ctx.Done():
			d.Close()
			return nil, fmt.Errorf("waiting for another program to finish with %s: %w", dir, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	d.Close()
	if errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ENOLCK) {
		return func() {}, nil // a file system without locks
	}
	return nil, err
}
