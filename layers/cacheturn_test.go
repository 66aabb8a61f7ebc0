package layers

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// Trees that are opened at once have each layer read by one of them, and so it
// is with content.
func TestCacheTurns(t *testing.T) {
	img, reads, _ := cacheImage(t)
	c := openCache(t, 0)
	trees := make([]*Tree, 8)
	var wg sync.WaitGroup
	for i := range trees {
		wg.Go(func() {
			tree, err := Open(t.Context(), img, Options{Cache: c, Scratch: t.TempDir()})
			if err != nil {
				t.Error(err)
				return
			}
			trees[i] = tree
		})
	}
	wg.Wait()
	for i, n := range reads {
		if n.Load() != 1 {
			t.Errorf("layer %d was read %d times", i, n.Load())
		}
	}
	for _, tree := range trees {
		wg.Go(func() {
			e, ok := tree.Lookup("/big")
			if !ok {
				t.Error("no /big")
				return
			}
			if b, err := tree.ReadContent(e.Inode, 1<<20); err != nil || len(b) != 100_000 {
				t.Errorf("%d bytes, %v", len(b), err)
			}
		})
	}
	wg.Wait()
	if n := reads[1].Load(); n != 2 {
		t.Errorf("its layer was read %d times, want once more", n)
	}
	for _, tree := range trees {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Who waits for a turn stops waiting when it is told to.
func TestCacheTurnCancelled(t *testing.T) {
	c := openCache(t, 0)
	done, err := c.turn(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.turn(ctx, "key"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	done()
	if done, err = c.turn(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	done()
}
