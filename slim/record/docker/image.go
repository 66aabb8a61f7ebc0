package docker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// provide sees to it that the daemon has img and returns what names it there,
// and the tag that Close is to remove, "" when there is none.
//
// An image that the daemon had already is used and never removed. One that
// another pare has loaded gets a tag of ours too, so that whoever is done
// last removes it.
func (c *client) provide(ctx context.Context, img v1.Image, owner string) (image, tag string, err error) {
	id, err := img.ConfigName()
	if err != nil {
		return "", "", fmt.Errorf("reading the image's config: %w", err)
	}
	tag = imageName + ":" + owner
	there, ours, err := c.find(ctx, id)
	switch {
	case err != nil:
		return "", "", err
	case there && !ours:
		return id.String(), "", nil
	case there:
		err = c.make(ctx, "/images/"+id.String()+"/tag?"+url.Values{"repo": {imageName}, "tag": {owner}}.Encode(), nil, nil)
		if !hasStatus(err, http.StatusNotFound) { // gone in between otherwise
			return tag, tag, err
		}
	}
	return tag, tag, c.load(ctx, img, tag)
}

// find says whether the daemon has the image with this config, and whether
// every tag of it is one that pare gave.
func (c *client) find(ctx context.Context, id v1.Hash) (there, ours bool, err error) {
	var answer struct {
		ID       string
		RepoTags []string
	}
	err = c.call(ctx, "GET", "/images/"+id.String()+"/json", nil, &answer)
	if hasStatus(err, http.StatusNotFound) {
		return false, false, nil
	}
	notOurs := func(tag string) bool { _, ok := tagOwner(tag); return !ok }
	return err == nil, len(answer.RepoTags) > 0 && !slices.ContainsFunc(answer.RepoTags, notOurs), err
}

// errRead ends the packing when the daemon wants no more.
var errRead = errors.New("the daemon has read enough")

// load sends the image as docker save would have written it. When ctx is done
// nothing more is sent, so that the daemon gives up; once all is sent its
// answer is waited for all the same, or the tag could appear after Close.
func (c *client) load(ctx context.Context, img v1.Image, tag string) error {
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r, w := io.Pipe()
	defer context.AfterFunc(ctx, func() {
		w.CloseWithError(context.Cause(ctx))
		time.AfterFunc(closeWait, cancel)
	})()
	written := make(chan error, 1)
	go func() {
		err := writeArchive(w, img, tag)
		w.CloseWithError(err)
		written <- err
	}()
	resp, err := c.do(whole, http.MethodPost, "/images/load?quiet=1", http.Header{"Content-Type": {"application/x-tar"}}, r)
	if err == nil {
		defer resp.Body.Close()
		err = loadAnswer(resp.Body)
	}
	r.CloseWithError(errRead)
	if werr := <-written; werr != nil && !errors.Is(werr, errRead) {
		err = fmt.Errorf("packing the image: %w", werr)
	}
	if err = errors.Join(context.Cause(ctx), err); err != nil {
		return fmt.Errorf("loading the image into the Docker Engine at %s: %w", c.host, err)
	}
	return nil
}

// loadAnswer looks for an error in the stream of JSON that the daemon sends
// with status 200.
func loadAnswer(r io.Reader) error {
	in := bufio.NewScanner(io.LimitReader(r, maxAnswer))
	in.Buffer(nil, maxAnswer)
	for in.Scan() {
		var line struct{ Error string }
		if json.Unmarshal(in.Bytes(), &line) == nil && line.Error != "" {
			return fmt.Errorf("the daemon says: %s", printable(line.Error))
		}
	}
	return in.Err()
}
