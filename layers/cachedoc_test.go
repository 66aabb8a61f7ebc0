package layers

import "testing"

// Documents are kept under their digests, count as what the cache holds, and
// go when it is pruned.
func TestCacheDocument(t *testing.T) {
	c := openCache(t, 0)
	if _, ok := c.Document("sha256:1"); ok {
		t.Error("found before it was saved")
	}
	c.SaveDocument("sha256:1", []byte("{}"))
	c.SaveDocument("sha256:2", []byte("[]"))
	if b, ok := c.Document("sha256:1"); !ok || string(b) != "{}" {
		t.Errorf("found %q, %v", b, ok)
	}
	if info, err := c.Info(); err != nil || info.Entries != 2 {
		t.Errorf("holds %+v, %v", info, err)
	}
	if _, err := c.Prune(0); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Document("sha256:1"); ok {
		t.Error("found after it was pruned")
	}
	(*Cache)(nil).SaveDocument("sha256:1", nil) // no cache keeps nothing
	if _, ok := (*Cache)(nil).Document("sha256:1"); ok {
		t.Error("found without a cache")
	}
}
