package docker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/pare-image/pare/slim/record/engine"
)

// Start loads the image, if the daemon does not have it, and starts it. What
// killed processes left there is removed first.
func (e *Engine) Start(ctx context.Context, s engine.Spec) (engine.Container, error) {
	d, err := e.look(ctx)
	if err != nil {
		return nil, err
	}
	if len(s.Argv) == 0 {
		return nil, engine.ErrNoProgram
	}
	if s.Sensor != nil {
		if err := d.canRecord(s); err != nil {
			return nil, err
		}
		if e.sensor == nil {
			return nil, ErrNoSensor
		}
	}
	self, err := thisProcess()
	if err != nil {
		return nil, err
	}
	_ = e.Reap(ctx) // what cannot be removed is no reason not to start

	c := &Container{api: e.api, owner: newOwner(self), spec: s, daemon: d, sensor: e.sensor, done: make(chan struct{})}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// start makes what Close removes: image tag, network, container.
func (c *Container) start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			close(c.done) // no one will watch
		}
	}()
	cf, err := c.spec.Image.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the image's config: %w", err)
	}
	if c.image, c.tag, err = c.api.provide(ctx, c.spec.Image, c.owner); err != nil {
		return err
	}
	network, err := c.connectTo(ctx)
	if err != nil {
		return err
	}
	body := newCreation(c.spec, c.image, network, c.owner, cf.Config.Env, c.daemon.podman)
	if c.id, err = c.api.create(ctx, body); err != nil {
		return c.explain(err)
	}
	if c.spec.Sensor != nil {
		if err := c.putSensor(ctx); err != nil {
			return err
		}
	}
	c.began = time.Now()
	if err := c.api.make(ctx, "/containers/"+c.id+"/start", nil, nil); err != nil {
		return c.explain(err)
	}
	if err := c.inspect(ctx); err != nil {
		return err
	}
	watch, stop := context.WithCancel(context.Background()) // as long as the container, not as Start
	c.stop = stop
	go c.watch(watch)
	return nil
}

// create makes a container and returns its ID.
func (c *client) create(ctx context.Context, body creation) (string, error) {
	var answer struct{ ID string }
	err := c.make(ctx, "/containers/create", body, &answer)
	return url.PathEscape(answer.ID), err
}

// connectTo makes the network that the container is to be on.
func (c *Container) connectTo(ctx context.Context) (mode string, err error) {
	if c.spec.Network == engine.Host {
		return "host", nil
	}
	var answer struct{ ID string }
	body := map[string]any{
		"Name": "pare-" + c.owner, "Driver": "bridge", "Internal": true, "CheckDuplicate": true,
		"Labels": map[string]string{ownerLabel: c.owner},
	}
	if err := c.api.make(ctx, "/networks/create", body, &answer); err != nil {
		return "", fmt.Errorf("making a network without a way out: %w; where that is not allowed, record with --network host", err)
	}
	return "pare-" + c.owner, nil
}

// explain adds to the daemon's refusal what would help.
func (c *Container) explain(err error) error {
	if c.spec.Sensor == nil {
		return err
	}
	for _, reason := range []struct{ option, text string }{
		{"rootless", "the daemon is rootless"},
		{"userns", "the daemon maps user namespaces"},
	} {
		if c.daemon.has(reason.option) {
			return fmt.Errorf("%w (%s; a recorded container needs root and SYS_PTRACE inside: use the builtin engine, or pare instrument)", err, reason.text)
		}
	}
	return fmt.Errorf("%w (a recorded container needs root and SYS_PTRACE inside; where the daemon does not grant them, use the builtin engine, or pare instrument)", err)
}
