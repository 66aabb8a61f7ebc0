package layers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Cache keeps layer indexes and content by verified (blob digest, diffID)
// pair, index format and limits, in a directory of mode 0700 that may be
// deleted at any time. Safe for parallel runs.
//
// Each layer has a directory named by its key, with the files "index", any
// number of "content-*", and "used", whose mtime is the last use. It is made
// under another name and renamed, so it is whole or not there. Whatever fails
// here only costs time: the layer is read again.
type Cache struct {
	dir   string
	max   int64
	turns turns
}

// defaultCacheMax bounds a cache that is not told otherwise: the indexes and
// wanted content of some dozens of large images.
const defaultCacheMax = 4 << 30

const (
	indexFile     = "index"
	usedFile      = "used"
	contentPrefix = "content-"
	tempPrefix    = "tmp-"
)

// OpenCache uses dir (made if absent, 0700), holding at most max bytes; 0 is
// the default bound (4 GiB). A directory that others may enter is refused:
// its content would be trusted.
func OpenCache(dir string, max int64) (*Cache, error) {
	if max == 0 {
		max = defaultCacheMax
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 || !ownedByUser(info) {
		return nil, fmt.Errorf("opening cache: %s must be yours alone (mode 0700), but has mode %04o", dir, info.Mode().Perm())
	}
	return &Cache{dir: dir, max: max, turns: turns{by: map[string]chan struct{}{}}}, nil
}

// CacheInfo is what a cache holds.
type CacheInfo struct {
	Dir     string `json:"dir"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
	Max     int64  `json:"max"`
}

// Info counts what is stored.
func (c *Cache) Info() (CacheInfo, error) {
	list, err := c.list()
	if err != nil {
		return CacheInfo{}, fmt.Errorf("reading cache: %w", err)
	}
	return c.sum(list), nil
}

// Prune removes least recently used entries until at most max bytes remain
// and reports what was removed.
func (c *Cache) Prune(max int64) (CacheInfo, error) {
	list, err := c.list()
	if err != nil {
		return CacheInfo{}, fmt.Errorf("pruning cache: %w", err)
	}
	left := c.sum(list).Bytes
	var gone []cached
	for _, e := range list {
		if left <= max {
			break
		}
		if err := c.drop(e.name); err != nil {
			return c.sum(gone), fmt.Errorf("pruning cache: %w", err)
		}
		left -= e.bytes
		gone = append(gone, e)
	}
	return c.sum(gone), nil
}

// cached is one layer's directory, or what a killed run left of one.
type cached struct {
	name  string
	bytes int64
	used  time.Time
}

// list returns what is there, least recently used first.
func (c *Cache) list() ([]cached, error) {
	dirs, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []cached
	for _, d := range dirs {
		if e, ok := c.measure(d.Name()); ok {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b cached) int {
		if n := a.used.Compare(b.used); n != 0 {
			return n
		}
		return strings.Compare(a.name, b.name)
	})
	return list, nil
}

// measure sums a directory's files; false when it is none of ours or has
// just been removed by another run.
func (c *Cache) measure(name string) (cached, bool) {
	if !isKey(name) && !strings.HasPrefix(name, tempPrefix) {
		return cached{}, false
	}
	e := cached{name: name}
	files, err := os.ReadDir(filepath.Join(c.dir, name))
	if err != nil {
		return e, false
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			continue
		}
		e.bytes += info.Size()
		if info.ModTime().After(e.used) {
			e.used = info.ModTime()
		}
	}
	return e, true
}

func (c *Cache) sum(list []cached) CacheInfo {
	info := CacheInfo{Dir: c.dir, Max: c.max}
	for _, e := range list {
		info.Entries++
		info.Bytes += e.bytes
	}
	return info
}

// drop removes a directory under another name first, so that no other run
// sees half of it.
func (c *Cache) drop(name string) error {
	trash, err := os.MkdirTemp(c.dir, tempPrefix)
	if err != nil {
		return err
	}
	err = os.Rename(filepath.Join(c.dir, name), filepath.Join(trash, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(trash))
}

func isKey(name string) bool {
	_, err := hex.DecodeString(name)
	return err == nil && len(name) == 2*sha256.Size
}

// cacheKey names what an index depends on: the verified pair of digests, the
// format, and the limits under which the layer was accepted.
func cacheKey(src *layerSource, l Limits) string {
	limits, err := json.Marshal(l)
	if err != nil {
		panic(err) // a struct of integers
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n%s\n%d\n%s\n", indexVersion, src.digest, src.diffID, src.size, limits)
	return hex.EncodeToString(h.Sum(nil))
}

// load returns a layer's index and adds its content to st; nil when it is not
// there or damaged.
func (c *Cache) load(key string, st *store) *layerIndex {
	if c == nil {
		return nil
	}
	dir := filepath.Join(c.dir, key)
	idx, err := c.readIndex(filepath.Join(dir, indexFile))
	if err != nil {
		if _, gone := os.Lstat(dir); gone == nil {
			c.drop(key) // a new one can take its place
		}
		return nil
	}
	for i := range idx.warnings.list {
		idx.warnings.list[i].Layer = st.src.index
	}
	c.loadContent(dir, st)
	// The mtime of this file is the last use.
	os.WriteFile(filepath.Join(dir, usedFile), []byte("\n"), 0o600)
	return idx
}

func (c *Cache) readIndex(name string) (*layerIndex, error) {
	if info, err := os.Stat(name); err != nil || info.Size() > c.max {
		return nil, errors.Join(err, errCorrupt)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return decodeIndex(raw)
}

// maxContentFiles is how many content files one layer has: each of a tree's
// stays open.
const maxContentFiles = 8

func (c *Cache) loadContent(dir string, st *store) {
	files, _ := filepath.Glob(filepath.Join(dir, contentPrefix+"*"))
	for _, name := range newest(files, maxContentFiles) {
		if st.has(name) {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		pieces, err := readTable(f)
		if err != nil {
			f.Close()
			os.Remove(name)
			continue
		}
		st.add(f, pieces, false)
	}
}

// newest keeps the n files that were written last and removes the others.
func newest(files []string, n int) []string {
	if len(files) <= n {
		return files
	}
	written := make(map[string]time.Time, len(files))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			written[f] = info.ModTime()
		}
	}
	slices.SortStableFunc(files, func(a, b string) int { return written[b].Compare(written[a]) })
	for _, f := range files[n:] {
		os.Remove(f)
	}
	return files[:n]
}

// save stores what a scan found, once it is verified.
func (c *Cache) save(key string, idx *layerIndex, sp *spool) {
	if c == nil {
		return
	}
	tmp, err := os.MkdirTemp(c.dir, tempPrefix)
	if err != nil {
		return
	}
	defer os.RemoveAll(tmp)
	err = os.WriteFile(filepath.Join(tmp, indexFile), encodeIndex(idx), 0o600)
	if err == nil && len(sp.pieces) > 0 && sp.off <= c.max/2 {
		err = storeContent(filepath.Join(tmp, contentPrefix+"0"), sp)
	}
	if err == nil {
		// Fails when another run was first, which is as good.
		os.Rename(tmp, filepath.Join(c.dir, key))
	}
	c.Prune(c.max)
}

// addContent stores what a second reading of a layer brought.
func (c *Cache) addContent(key string, sp *spool) {
	if c == nil || len(sp.pieces) == 0 || sp.off > c.max/2 {
		return
	}
	tmp, err := os.MkdirTemp(c.dir, tempPrefix)
	if err != nil {
		return
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, contentPrefix)
	if storeContent(file, sp) == nil {
		// The temporary directory's name is free to be used once.
		os.Rename(file, filepath.Join(c.dir, key, contentPrefix+strings.TrimPrefix(filepath.Base(tmp), tempPrefix)))
	}
	c.Prune(c.max)
}

func storeContent(name string, sp *spool) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(writeContent(f, sp), f.Close())
}
