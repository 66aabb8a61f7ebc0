package docker

import (
	"context"
	"errors"

	"github.com/pare-image/pare/slim/profile"
)

func (c *Container) putSensor(ctx context.Context) error { return errors.ErrUnsupported }

// Recording x.
func (c *Container) Recording(ctx context.Context) ([]*profile.Profile, error) {
	return nil, errors.ErrUnsupported
}

// Listening x.
func (c *Container) Listening(ctx context.Context) ([]int, error) { return nil, errors.ErrUnsupported }
