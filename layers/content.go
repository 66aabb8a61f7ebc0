package layers

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sync"
)

// ErrClosed is returned for content of a closed [Tree].
var ErrClosed = errors.New("the tree is closed")

// errDamaged says that stored content is not what was stored.
var errDamaged = errors.New("stored content is damaged")

// largeBuffers are for reading files whole: of a library that is looked at, the
// calls to the kernel cost more than the bytes.
var largeBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// store is where the content of one layer's files is found: files of the
// cache, and spools of this run.
type store struct {
	src *layerSource

	fetch sync.Mutex // held while the layer is read again
	mu    sync.Mutex
	found map[int32]located
	files []*os.File
	done  bool
}

// located is a piece and its file. Pieces from the cache are checked once,
// before they are first used.
type located struct {
	piece
	f       *os.File
	checked bool
}

// adopt takes over a spool's file and pieces.
func (s *store) adopt(sp *spool) {
	sp.release()
	if sp.f != nil {
		s.add(sp.f, sp.pieces, true)
	}
}

func (s *store) add(f *os.File, pieces map[int32]piece, checked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		f.Close()
		return
	}
	s.files = append(s.files, f)
	if s.found == nil {
		s.found = make(map[int32]located, len(pieces))
	}
	for ord, p := range pieces {
		if _, have := s.found[ord]; !have {
			s.found[ord] = located{piece: p, f: f, checked: checked}
		}
	}
}

// has says whether a file is one of the store's already.
func (s *store) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.files, func(f *os.File) bool { return f.Name() == name })
}

// lacks takes out of wanted what is here.
func (s *store) lacks(wanted map[int32]int64) error {
	for ord := range wanted {
		if _, ok, err := s.get(ord); err != nil {
			return err
		} else if ok {
			delete(wanted, ord)
		}
	}
	return nil
}

// get returns entry ord's content; false when it is not here.
func (s *store) get(ord int32) (*io.SectionReader, bool, error) {
	s.mu.Lock()
	l, ok := s.found[ord]
	done := s.done
	s.mu.Unlock()
	if done {
		return nil, false, ErrClosed
	}
	if !ok {
		return nil, false, nil
	}
	r := io.NewSectionReader(l.f, l.off, l.size)
	if l.checked {
		return r, true, nil
	}
	sum := crc32.New(castagnoli)
	buf := largeBuffers.Get().(*[]byte)
	_, err := io.CopyBuffer(sum, r, *buf)
	largeBuffers.Put(buf)
	intact := err == nil && sum.Sum32() == l.sum
	s.mu.Lock()
	defer s.mu.Unlock()
	if !intact {
		os.Remove(l.f.Name()) // only files of the cache are unchecked: never trust it again
		delete(s.found, ord)
		return nil, false, nil
	}
	l.checked = true
	s.found[ord] = l
	return io.NewSectionReader(l.f, l.off, l.size), true, nil
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.found = true, nil
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files = nil
	return errors.Join(errs...)
}

// Close removes spooled content. Readers that are still open fail.
func (t *Tree) Close() error {
	var errs []error
	for _, s := range t.stores {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// OpenContent returns a regular file's content, independent of other readers.
// Content that is not at hand costs a read of its layer, which then is kept
// whole; [Tree.Prefetch] keeps only what is asked for.
func (t *Tree) OpenContent(n *Inode) (io.ReadCloser, error) {
	if n.Type != Regular {
		return nil, fmt.Errorf("opening content of %q: not a regular file", n.name())
	}
	r, err := t.section(n)
	if err != nil {
		return nil, fmt.Errorf("opening content of %q: %w", n.name(), err)
	}
	return io.NopCloser(r), nil
}

// section is a regular file's content.
func (t *Tree) section(n *Inode) (*io.SectionReader, error) {
	if n.Size == 0 {
		return io.NewSectionReader(bytes.NewReader(nil), 0, 0), nil
	}
	r, ok, err := t.stores[n.Layer].get(n.content.ord)
	if err == nil && !ok {
		if err = t.fetch(context.Background(), n.Layer, t.contentsOf(n.Layer)); err == nil {
			r, ok, err = t.stores[n.Layer].get(n.content.ord)
		}
	}
	if err == nil && !ok {
		err = errDamaged
	}
	return r, err
}

// ReadContent returns a whole file's content; an error when it is over max bytes.
func (t *Tree) ReadContent(n *Inode, max int64) ([]byte, error) {
	if n.Size > max {
		return nil, fmt.Errorf("reading content of %q: %w", n.name(), overLimit("%d bytes, at most %d", n.Size, max))
	}
	r, err := t.OpenContent(n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, n.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("reading content of %q: %w", n.name(), err)
	}
	return b, nil
}

func (n *Inode) name() string {
	if len(n.paths) == 0 {
		return ""
	}
	return n.paths[0]
}

// Prefetch makes the content of nodes available with at most one more read
// of each layer they are in. Call it before a series of OpenContent.
func (t *Tree) Prefetch(ctx context.Context, nodes []*Inode) error {
	missing := map[int]map[int32]int64{}
	for _, n := range nodes {
		if n.Type != Regular || n.Size == 0 {
			continue
		}
		_, ok, err := t.stores[n.Layer].get(n.content.ord)
		if err != nil {
			return fmt.Errorf("fetching content: %w", err)
		}
		if ok {
			continue
		}
		if missing[n.Layer] == nil {
			missing[n.Layer] = map[int32]int64{}
		}
		missing[n.Layer][n.content.ord] = n.Size
	}
	var layers []int
	for i := range t.stores {
		if missing[i] != nil {
			layers = append(layers, i)
		}
	}
	return t.eachLayer(ctx, layers, func(ctx context.Context, i int) error {
		return t.fetch(ctx, i, missing[i])
	})
}

// contentsOf lists all content of a layer that the tree still shows.
func (t *Tree) contentsOf(layer int) map[int32]int64 {
	all := map[int32]int64{}
	for _, e := range t.entries {
		if e.Layer == layer && e.Type == Regular && e.Size > 0 {
			all[e.content.ord] = e.Size
		}
	}
	return all
}

// fetch reads a layer again, verifies it again, and keeps the content of
// wanted entries.
func (t *Tree) fetch(ctx context.Context, layer int, wanted map[int32]int64) error {
	st := t.stores[layer]
	st.fetch.Lock()
	defer st.fetch.Unlock()
	// Another goroutine may just have fetched them, for this tree or another.
	if err := st.lacks(wanted); err != nil || len(wanted) == 0 {
		return err
	}
	key := cacheKey(st.src, t.opts.Limits)
	done, err := t.opts.Cache.turn(ctx, key)
	defer done()
	if err != nil {
		return err
	}
	t.opts.Cache.refresh(key, st)
	if err := st.lacks(wanted); err != nil || len(wanted) == 0 {
		return err
	}
	sp := newSpool(t.opts.Scratch)
	// The layer was within the limits once; a fresh budget lets it be so again.
	b := &budget{limits: t.opts.Limits}
	_, err = readBlob(ctx, st.src, b, t.progress(layer), func(r io.Reader, _ *layerMeter) error {
		return eachHeader(ctx, r, func(ord int32, _ *tar.Header, body io.Reader) error {
			if size, ok := wanted[ord]; ok {
				return sp.add(ord, size, body)
			}
			return nil
		})
	})
	if err == nil {
		err = sp.flush()
	}
	if err != nil {
		sp.close()
		return inLayer(layer, st.src.digest, err)
	}
	st.adopt(sp)
	t.opts.Cache.addContent(key, sp)
	t.progressDone(layer)
	return nil
}
