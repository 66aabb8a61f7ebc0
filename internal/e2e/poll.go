package e2e

import (
	"context"
	"fmt"
	"time"
)

// poll calls try until it is nil or limit has passed; the error says what was
// waited for and what try said last.
func poll(ctx context.Context, limit time.Duration, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // not the one that the deadline itself caused
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting %s for %s: %w", limit, what, last)
		case <-tick.C:
		}
	}
}
