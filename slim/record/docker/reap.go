package docker

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// Reap removes what killed processes of this machine left in the daemon:
// containers, networks and loaded images. What a living one owns stays, and
// so does what other machines own. Start does it too.
func (e *Engine) Reap(ctx context.Context) error {
	if err := e.api.negotiate(ctx); err != nil {
		return err
	}
	self, err := thisProcess()
	if err != nil {
		return err
	}
	return e.api.removeOwned(ctx, func(owner string) bool {
		p, ok := parseOwner(owner)
		return ok && p.dead(self, processStart)
	})
}

// removeOwned removes everything whose owner is wanted: containers first,
// which hold the rest.
func (c *client) removeOwned(ctx context.Context, wanted func(owner string) bool) error {
	var errs []error
	for _, f := range []func(context.Context, func(string) bool) error{c.removeContainers, c.removeNetworks, c.removeImages} {
		errs = append(errs, f(ctx, wanted))
	}
	return errors.Join(errs...)
}

func (c *client) removeContainers(ctx context.Context, wanted func(string) bool) error {
	var list []struct {
		ID     string
		Labels map[string]string
	}
	if err := c.call(ctx, "GET", "/containers/json?all=1&filters="+labelled, nil, &list); err != nil {
		return err
	}
	var left []string
	for _, x := range list {
		if wanted(x.Labels[ownerLabel]) {
			left = append(left, x.ID)
		}
	}
	return c.removeAll(ctx, left)
}

// removeAll tries more than once: podman removes no container that others
// are beside, and may still be cleaning one up that has ended.
func (c *client) removeAll(ctx context.Context, containers []string) error {
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		var errs []error
		var failed []string
		for _, id := range containers {
			if err := c.removeContainer(ctx, id); err != nil {
				errs, failed = append(errs, err), append(failed, id)
			}
		}
		if len(failed) == 0 || wait > 5*time.Second {
			return errors.Join(errs...)
		}
		select {
		case <-ctx.Done():
			return errors.Join(errs...)
		case <-time.After(wait):
		}
		containers = failed
	}
}

func (c *client) removeNetworks(ctx context.Context, wanted func(string) bool) error {
	var list []struct {
		ID     string
		Labels map[string]string
	}
	if err := c.call(ctx, "GET", "/networks?filters="+labelled, nil, &list); err != nil {
		return err
	}
	var errs []error
	for _, x := range list {
		if wanted(x.Labels[ownerLabel]) {
			errs = append(errs, c.removeNetwork(ctx, x.ID))
		}
	}
	return errors.Join(errs...)
}

func (c *client) removeImages(ctx context.Context, wanted func(string) bool) error {
	var list []struct{ RepoTags []string }
	if err := c.call(ctx, "GET", "/images/json", nil, &list); err != nil {
		return err
	}
	var errs []error
	for _, x := range list {
		for _, tag := range x.RepoTags {
			if owner, ok := tagOwner(tag); ok && wanted(owner) {
				errs = append(errs, c.removeImage(ctx, tag))
			}
		}
	}
	return errors.Join(errs...)
}

// labelled is the filter for what has an owner.
var labelled = url.QueryEscape(`{"label":["` + ownerLabel + `"]}`)

// tagOwner is who loaded the image of this tag; podman puts "localhost/" or
// "docker.io/library/" before the name.
func tagOwner(tag string) (string, bool) {
	name, owner, ok := strings.Cut(path.Base(tag), ":")
	return owner, ok && name == imageName
}

// removeContainer kills it and removes it with its anonymous volumes.
func (c *client) removeContainer(ctx context.Context, id string) error {
	err := c.call(ctx, "DELETE", "/containers/"+url.PathEscape(id)+"?force=1&v=1", nil, nil)
	return unlessGone(err)
}

func (c *client) removeNetwork(ctx context.Context, id string) error {
	return unlessGone(c.call(ctx, "DELETE", "/networks/"+url.PathEscape(id), nil, nil))
}

// removeImage takes a tag away, and the image with its last one.
func (c *client) removeImage(ctx context.Context, tag string) error {
	return unlessGone(c.call(ctx, "DELETE", "/images/"+tag+"?force=1", nil, nil))
}

func unlessGone(err error) error {
	if hasStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}
