//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// output is where a profile goes.
type output struct {
	cfg  Config
	dir  string
	root *os.Root // dir, as it was before anything was started
	url  *url.URL
	file string // its name in dir, or below a URL that ends with a slash
}

// openOutput makes sure, before anything starts, that the profile can be
// written.
func openOutput(ctx context.Context, cfg Config, env []string) (*output, error) {
	to := cfg.Out
	if cfg.OutFromEnv {
		for _, v := range env {
			if o, ok := strings.CutPrefix(v, "PARE_OUT="); ok && o != "" {
				to = o
			}
		}
	}
	if to == "" {
		return nil, errors.New("choosing where the profile goes: none is named; set PARE_OUT to a mounted directory or an http(s) URL")
	}
	o := &output{cfg: cfg, file: fileName(time.Now())}
	if u, err := url.Parse(to); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		if strings.HasSuffix(u.Path, "/") {
			u = u.JoinPath(o.file)
		}
		o.url = u
		return o, o.reach(ctx)
	}
	o.dir = to
	return o, o.try()
}

// fileName is another one for each start, in the order of starts.
func fileName(start time.Time) string {
	return fmt.Sprintf("%s-%d-%s.json", start.UTC().Format("20060102T150405.000Z"), os.Getpid(), strings.ToLower(rand.Text()[:8]))
}

// try writes a file and takes it away again.
func (o *output) try() (err error) {
	if o.root, err = os.OpenRoot(o.dir); err == nil {
		var temp string
		if temp, err = o.writeNew([]byte("pare\n")); err == nil {
			err = o.root.Remove(temp)
		}
	}
	if err != nil {
		return fmt.Errorf("writing the profile to %s: %w; nothing was started: mount a directory there that user %d can write (docker run -v DIR:%s), or set PARE_OUT to one, or to an http(s) URL", printable(o.dir), err, os.Getuid(), printable(o.dir))
	}
	return nil
}

// writeNew makes a file in the directory and returns its name. The recorded
// program may be able to write there too, and less elsewhere than the sensor:
// what it puts there, a link or a pipe, is never opened.
func (o *output) writeNew(body []byte) (temp string, err error) {
	temp = "." + o.file + "." + rand.Text()[:8] + ".tmp"
	f, err := o.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = o.root.Remove(temp)
	}
	return temp, err
}

// client follows a redirect only where the PUT stays one, and stays secret:
// a page to log in at would answer the GET that others become with 200.
var client = &http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 || req.Method != via[0].Method || via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return http.ErrUseLastResponse
	}
	return nil
}}

// reach asks the URL's server for something: whatever it answers, it can be
// reached, through a proxy if there is one, and its certificate is known.
func (o *output) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, o.url.String(), nil)
	if err == nil {
		var resp *http.Response
		if resp, err = client.Do(req); err == nil {
			return resp.Body.Close()
		}
	}
	return fmt.Errorf("reaching %s, where the profile goes: %w; nothing was started: set PARE_OUT to a server that answers, and whose certificate this image knows (SSL_CERT_FILE), or to a mounted directory", o.server(), cause(err))
}

// server is the URL for people: without the secrets that one may hold.
func (o *output) server() string {
	u := url.URL{Scheme: o.url.Scheme, Host: o.url.Host, Path: o.url.Path}
	return printable(u.String())
}

// cause takes off what package http says of the URL.
func cause(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func (o *output) every() time.Duration {
	if o.cfg.Flush > 0 {
		return o.cfg.Flush
	}
	return defaultFlush
}

func (o *output) bytes(p *profile.Profile) ([]byte, error) {
	p.Image = o.cfg.Image
	var b bytes.Buffer
	err := p.Write(&b)
	return b.Bytes(), err
}

// flush writes the profile so far. What fails now is tried again, and said at
// the end.
func (o *output) flush(p *profile.Profile) {
	if o.dir == "" || len(p.Accesses) == 0 {
		return
	}
	_ = o.write(p)
}

func (o *output) write(p *profile.Profile) error {
	raw, err := o.bytes(p)
	if err != nil {
		return err
	}
	temp, err := o.writeNew(raw)
	if err != nil {
		return err
	}
	return o.root.Rename(temp, o.file)
}

func (o *output) finish(ctx context.Context, p *profile.Profile) error {
	if o.url != nil {
		return o.put(context.WithoutCancel(ctx), p)
	}
	if err := o.write(p); err != nil {
		return fmt.Errorf("writing the profile to %s: %w; what was recorded is lost but for the last %s", printable(o.dir), err, o.every())
	}
	return nil
}

// The bounds of a PUT.
const (
	putTries   = 4
	putTimeout = 20 * time.Second
)

// put sends the profile, a few times if need be.
func (o *output) put(ctx context.Context, p *profile.Profile) error {
	raw, err := o.bytes(p)
	if err != nil {
		return err
	}
	var last error
	for try := range putTries {
		if try > 0 {
			time.Sleep(time.Second << (try - 1))
		}
		again, err := o.putOnce(ctx, raw)
		if err == nil {
			return nil
		}
		if last = err; !again {
			break
		}
	}
	return fmt.Errorf("sending the profile to %s: %w", o.server(), cause(last))
}

func (o *output) putOnce(ctx context.Context, raw []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, o.url.String(), bytes.NewReader(raw))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", profile.MediaType)
	resp, err := client.Do(req)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 == 2 {
		return false, nil
	}
	return resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, fmt.Errorf("the server answered %s", printable(resp.Status))
}
