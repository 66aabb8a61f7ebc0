package layers

import (
	"path/filepath"
	"testing"
)

func openCache(t testing.TB, max int64) *Cache {
	t.Helper()
	c, err := OpenCache(filepath.Join(t.TempDir(), "cache"), max)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
