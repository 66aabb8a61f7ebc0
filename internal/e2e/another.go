package e2e

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// another runs f with a second container of the same image, for what c, which
// is being recorded or checked, must not go through. It is not recorded. A
// remote c has no second container: see checkRemote.
func (c *container) another(ctx context.Context, port int, f func(context.Context, *container) error) error {
	if c.remote != nil {
		return nil
	}
	image, err := c.engine(ctx, "inspect", "--format", "{{.Config.Image}}", c.name)
	if err != nil {
		return err
	}
	second := c.bed.newContainer(c.app, c.cli)
	defer second.remove()
	if err := second.create(ctx, []string{"--publish", "127.0.0.1::" + strconv.Itoa(port)}, strings.TrimSpace(image)); err != nil {
		return err
	}
	if err := second.waitReady(ctx, 20*time.Second); err != nil {
		return err
	}
	return f(ctx, second)
}
