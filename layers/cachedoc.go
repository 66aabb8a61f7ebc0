package layers

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
)

// documentFile is the one file of a document's directory, besides "used".
const documentFile = "document"

func documentKey(digest string) string {
	sum := sha256.Sum256([]byte("document\n" + digest))
	return hex.EncodeToString(sum[:])
}

// Document returns what was saved under a digest, a manifest or a config;
// false when nothing was. Whether it has that digest is for the caller to see.
func (c *Cache) Document(digest string) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	dir := filepath.Join(c.dir, documentKey(digest))
	b, err := os.ReadFile(filepath.Join(dir, documentFile))
	if err != nil {
		return nil, false
	}
	os.WriteFile(filepath.Join(dir, usedFile), []byte("\n"), 0o600)
	return b, true
}

// SaveDocument keeps a small document under its digest.
func (c *Cache) SaveDocument(digest string, b []byte) {
	if c == nil || int64(len(b)) > c.max/2 {
		return
	}
	tmp, err := os.MkdirTemp(c.dir, tempPrefix)
	if err != nil {
		return
	}
	defer os.RemoveAll(tmp)
	if os.WriteFile(filepath.Join(tmp, documentFile), b, 0o600) == nil {
		// Fails when another run was first, which is as good.
		os.Rename(tmp, filepath.Join(c.dir, documentKey(digest)))
	}
	c.Prune(c.max)
}
