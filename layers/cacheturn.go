package layers

import (
	"context"
	"path/filepath"
	"sync"
)

// turns lets one at a time read a layer, so that others find in the cache what
// it has read: many images of one base read it once.
type turns struct {
	mu sync.Mutex
	by map[string]chan struct{} // closed when the turn is over
}

// turn waits until nobody in this process reads the layer of that key. done
// ends the turn; it may be called on an error too.
func (c *Cache) turn(ctx context.Context, key string) (done func(), err error) {
	if c == nil {
		return func() {}, nil
	}
	for {
		c.turns.mu.Lock()
		busy, taken := c.turns.by[key]
		if !taken {
			over := make(chan struct{})
			c.turns.by[key] = over
			c.turns.mu.Unlock()
			return func() {
				c.turns.mu.Lock()
				delete(c.turns.by, key)
				c.turns.mu.Unlock()
				close(over)
			}, nil
		}
		c.turns.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return func() {}, ctx.Err()
		}
	}
}

// refresh adds content to st that others have stored since it was loaded.
func (c *Cache) refresh(key string, st *store) {
	if c != nil {
		c.loadContent(filepath.Join(c.dir, key), st)
	}
}
