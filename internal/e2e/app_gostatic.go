package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func init() {
	register(app{
		name:    "gostatic",
		context: "testdata/images/gostatic",
		core:    true,
		goBuild: []goBuild{{name: "gostatic", pkg: "./testdata/images/gostatic"}},
		prepare: trustCompany,
		ports:   []int{8080},
		single:  []string{"--http", "/"},
		runArgsFor: func(h host) []string {
			return []string{"--dns", h.addr, "--add-host", "pinned.example:192.0.2.7"}
		},
		ready: func(ctx context.Context, c *container) error {
			return gostaticAsk(ctx, c, "/hello", "hello")
		},
		checks: []check{
			{"templates and configuration", func(ctx context.Context, c *container) error {
				return gostaticAsk(ctx, c, "/hello", "<b>static world</b> says hello")
			}},
			{"users and groups", gostaticUsers},
			{"time zones", gostaticZones},
			{"names from the hosts file and from DNS", gostaticNames},
			{"ports of services", func(ctx context.Context, c *container) error {
				return errors.Join(
					gostaticAsk(ctx, c, "/service?name=imaps", "993"),
					gostaticAsk(ctx, c, "/service?name=postgresql", "5432"))
			}},
			{"a server that the company's authority vouches for", gostaticTrusted},
			{"a server that nobody vouches for", gostaticUntrusted},
			{"types by suffix", func(ctx context.Context, c *container) error {
				return errors.Join(
					gostaticAsk(ctx, c, "/type?suffix=.epub", "application/epub+zip"),
					gostaticAsk(ctx, c, "/type?suffix=.webm", "video/webm"))
			}},
			{"assets, relative to the working directory", gostaticAssets},
			{"a note is written and read again", gostaticNote},
		},
		mutate: []string{
			"/opt/gostatic/bin/gostatic",
			"/usr/local/bin/gostatic",
			"/etc/gostatic/config.json",
			"/usr/share/gostatic/templates/who.html",
			"/etc/passwd",
			"/etc/group",
			"/usr/share/zoneinfo/Europe/Berlin",
			"/etc/services",
			"/etc/ssl/certs",
			"/etc/mime.types",
			"/opt/gostatic/assets/logo.svg",
			"/opt/gostatic/assets/empty",
			"/var/lib/gostatic",
		},
	})
}

// trustCompany puts the company's certificate into a build context.
func trustCompany(dir string) error {
	a, err := newAuthority("company")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ca.crt"), a.pem(), 0o644)
}

// gostaticAsk gets a path and wants want in the answer.
func gostaticAsk(ctx context.Context, c *container, path, want string) error {
	r, err := httpDo(ctx, "GET", "http://"+c.addr(8080)+path, nil, nil)
	if err != nil {
		return err
	}
	if err := r.expect(200, nil, want); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func gostaticUsers(ctx context.Context, c *container) error {
	return errors.Join(
		gostaticAsk(ctx, c, "/user?name=builder", "4711:4711:builder:/opt/gostatic"),
		gostaticAsk(ctx, c, "/user?name=www-data", "33:33:www-data:/var/www"))
}

func gostaticZones(ctx context.Context, c *container) error {
	for name, want := range map[string]string{
		"Europe/Berlin":    "2024-07-01 14:00 CEST",
		"Asia/Kathmandu":   "2024-07-01 17:45 +0545",
		"America/New_York": "2024-07-01 08:00 EDT",
	} {
		if err := gostaticAsk(ctx, c, "/zone?at=2024-07-01T12:00:00Z&name="+name, want); err != nil {
			return err
		}
	}
	return nil
}

func gostaticNames(ctx context.Context, c *container) error {
	if err := serveDNS(c.host().addr); err != nil {
		return err
	}
	r, err := httpDo(ctx, "GET", "http://"+c.addr(8080)+"/host?name=missing.example", nil, nil)
	if err != nil {
		return err
	}
	return errors.Join(
		gostaticAsk(ctx, c, "/host?name=pinned.example", "192.0.2.7"),
		gostaticAsk(ctx, c, "/host?name=db.pare.test", c.host().addr),
		r.expect(500, nil, "no such host"))
}

// gostaticFetch has the service fetch from a TLS server of the test.
func gostaticFetch(ctx context.Context, c *container, authority string) (reply, error) {
	if err := serveDNS(c.host().addr); err != nil {
		return reply{}, err
	}
	port, stop, err := serveTLS(c.host().addr, "api.pare.test", authority, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s asked %s", authority, r.Host)
	}))
	if err != nil {
		return reply{}, err
	}
	defer stop()
	target := fmt.Sprintf("https://api.pare.test:%d/", port)
	return httpDo(ctx, "GET", "http://"+c.addr(8080)+"/fetch?url="+url.QueryEscape(target), nil, nil)
}

func gostaticTrusted(ctx context.Context, c *container) error {
	r, err := gostaticFetch(ctx, c, "company")
	if err != nil {
		return err
	}
	return r.expect(200, nil, "200 OK: company asked api.pare.test")
}

func gostaticUntrusted(ctx context.Context, c *container) error {
	r, err := gostaticFetch(ctx, c, "stranger")
	if err != nil {
		return err
	}
	return errors.Join(r.expect(500, nil, "certificate"), gostaticAsk(ctx, c, "/roots", "true"))
}

func gostaticAssets(ctx context.Context, c *container) error {
	r, err := httpDo(ctx, "GET", "http://"+c.addr(8080)+"/assets/current.svg", nil, nil)
	if err != nil {
		return err
	}
	return errors.Join(
		r.expect(200, map[string]string{"Content-Type": "image/svg+xml"}, "<circle"),
		gostaticAsk(ctx, c, "/assets/", `<a href="empty/">`),
		gostaticAsk(ctx, c, "/assets/empty/", "<pre>"))
}

func gostaticNote(ctx context.Context, c *container) error {
	line := fmt.Sprintf("note-%d", time.Now().UnixNano())
	if err := gostaticAsk(ctx, c, "/note?add="+line, line); err != nil {
		return err
	}
	r, err := httpDo(ctx, "GET", "http://"+c.addr(8080)+"/note", nil, nil)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(strings.TrimSpace(r.body), line) {
		return fmt.Errorf("the last line is not %s: %q", line, r.body)
	}
	return nil
}
