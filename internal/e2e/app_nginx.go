package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

func init() {
	register(app{
		name:    "nginx",
		context: "testdata/images/nginx",
		core:    true,
		ports:   []int{80, 443},
		single:  []string{"--http", ":80/"},
		lowPort: true,
		// Only root may look into that directory of Debian's.
		slimArgs: []string{"--own", "/etc/ssl/private"},
		ready: func(ctx context.Context, c *container) error {
			_, err := nginxGet(ctx, c, "/about.json", nil)
			return err
		},
		checks: []check{
			{"the page, with its type and charset", nginxPage},
			{"types by suffix", nginxTypes},
			{"gzip for those who ask", nginxGzip},
			{"ranges and conditional requests", nginxRanges},
			{"its own 404 page", nginx404},
			{"a directory listing", nginxListing},
			{"a file behind a symlink", nginxSymlink},
			{"passwords", nginxPasswords},
			{"a large upload goes through a file", nginxUpload},
			{"a redirect", nginxRedirect},
			{"the header of a loaded module", nginxModule},
			{"TLS 1.2 and 1.3 with its certificate", nginxTLS},
			{"HTTP pages with server-side includes over TLS", nginxSSI},
			{"the access log on stdout", nginxLog},
		},
		mutate: []string{
			"/usr/sbin/nginx",
			"/etc/nginx/nginx.conf",
			"/etc/nginx/mime.types",
			"/etc/nginx/sites-enabled/site.conf",
			"/etc/nginx/sites-available/site.conf",
			"/etc/nginx/modules-enabled/50-mod-http-headers-more-filter.conf",
			"/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so",
			"/etc/nginx/htpasswd",
			"/etc/ssl/certs/www.crt",
			"/etc/ssl/private/www.key",
			"/usr/lib/x86_64-linux-gnu/libcrypt.so.1",
			"/usr/lib/x86_64-linux-gnu/libpcre2-8.so.0",
			"/usr/lib/x86_64-linux-gnu/libz.so.1",
			"/lib64/ld-linux-x86-64.so.2",
			"/srv/www/errors/404.html",
			"/srv/www/style.css",
			"/srv/www/data/numbers.txt",
			"/srv/www/data/list/linked.css",
			"/var/log/nginx/access.log",
			"/var/lib/nginx",
		},
	})
}

// reply is what the checks look at of an HTTP response.
type reply struct {
	code   int
	header http.Header
	body   string
}

// nginxGet asks for path with the given headers and follows nothing.
func nginxGet(ctx context.Context, c *container, path string, header map[string]string) (reply, error) {
	return httpDo(ctx, "GET", "http://"+c.addr(80)+path, header, nil)
}

// httpDo is one request over a connection of its own, nothing followed,
// nothing unpacked.
func httpDo(ctx context.Context, method, url string, header map[string]string, body io.Reader) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return reply{}, err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	t := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	return reply{resp.StatusCode, resp.Header, string(b)}, err
}

// expect compares what a check cares about.
func (r reply) expect(code int, header map[string]string, inBody string) error {
	if r.code != code {
		return fmt.Errorf("status %d, want %d: %.200s", r.code, code, r.body)
	}
	for k, want := range header {
		if got := r.header.Get(k); got != want {
			return fmt.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	if !strings.Contains(r.body, inBody) {
		return fmt.Errorf("the body has no %q: %.200s", inBody, r.body)
	}
	return nil
}

// nginxExpect gets path and compares.
func nginxExpect(ctx context.Context, c *container, path string, send map[string]string, code int, header map[string]string, inBody string) error {
	r, err := nginxGet(ctx, c, path, send)
	if err != nil {
		return err
	}
	if err := r.expect(code, header, inBody); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func nginxPage(ctx context.Context, c *container) error {
	return nginxExpect(ctx, c, "/", nil, 200, map[string]string{"Content-Type": "text/html; charset=utf-8", "Server": "nginx"}, "Grüße von nginx")
}

func nginxTypes(ctx context.Context, c *container) error {
	return errors.Join(
		nginxExpect(ctx, c, "/style.css", nil, 200, map[string]string{"Content-Type": "text/css"}, "border-collapse"),
		nginxExpect(ctx, c, "/about.json", nil, 200, map[string]string{"Content-Type": "application/json"}, `"since": 2009`),
		nginxExpect(ctx, c, "/data/numbers.txt", nil, 200, map[string]string{"Content-Type": "text/plain; charset=utf-8"}, "\n20000\n"),
	)
}

func nginxGzip(ctx context.Context, c *container) error {
	plain, err := nginxGet(ctx, c, "/data/numbers.txt", nil)
	if err != nil {
		return err
	}
	packed, err := nginxGet(ctx, c, "/data/numbers.txt", map[string]string{"Accept-Encoding": "gzip"})
	if err != nil {
		return err
	}
	if plain.header.Get("Content-Encoding") != "" || packed.header.Get("Content-Encoding") != "gzip" {
		return errors.New("compressed, or not, against what was asked for")
	}
	zr, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		return err
	}
	b, err := io.ReadAll(zr)
	if err != nil {
		return err
	}
	if string(b) != plain.body || len(packed.body) > len(plain.body)/2 {
		return fmt.Errorf("%d bytes, packed %d, unpacked %d", len(plain.body), len(packed.body), len(b))
	}
	return nginxExpect(ctx, c, "/about.json", map[string]string{"Accept-Encoding": "gzip"}, 200, map[string]string{"Content-Encoding": ""}, "legacy")
}

func nginxRanges(ctx context.Context, c *container) error {
	whole, err := nginxGet(ctx, c, "/data/numbers.txt", nil)
	if err != nil {
		return err
	}
	const modified = "Thu, 29 Feb 2024 12:00:00 GMT"
	if err := whole.expect(200, map[string]string{"Last-Modified": modified, "Accept-Ranges": "bytes"}, "1\n2\n"); err != nil {
		return err
	}
	return errors.Join(
		nginxExpect(ctx, c, "/data/numbers.txt", map[string]string{"Range": "bytes=2-5"}, 206, map[string]string{"Content-Length": "4"}, "2\n3\n"),
		nginxExpect(ctx, c, "/data/numbers.txt", map[string]string{"If-None-Match": whole.header.Get("Etag")}, 304, nil, ""),
		nginxExpect(ctx, c, "/data/numbers.txt", map[string]string{"If-Modified-Since": modified}, 304, nil, ""),
	)
}

func nginx404(ctx context.Context, c *container) error {
	return errors.Join(
		nginxExpect(ctx, c, "/no/such/page", nil, 404, map[string]string{"Content-Type": "text/html; charset=utf-8"}, "office plants"),
		nginxExpect(ctx, c, "/errors/404.html", nil, 404, nil, "office plants"), // internal
	)
}

func nginxListing(ctx context.Context, c *container) error {
	return errors.Join(
		nginxExpect(ctx, c, "/data/list/", nil, 200, nil, `<a href="one.css">one.css</a>`),
		nginxExpect(ctx, c, "/data/list/", nil, 200, nil, `<a href="linked.css">linked.css</a>`),
		nginxExpect(ctx, c, "/data/", nil, 403, nil, "403 Forbidden"),
	)
}

func nginxSymlink(ctx context.Context, c *container) error {
	return nginxExpect(ctx, c, "/data/list/linked.css", nil, 200, map[string]string{"Content-Type": "text/css"}, "border-collapse")
}

func nginxPasswords(ctx context.Context, c *container) error {
	return errors.Join(
		nginxExpect(ctx, c, "/private/", nil, 401, map[string]string{"Www-Authenticate": `Basic realm="staff"`}, ""),
		nginxExpect(ctx, c, "/private/", map[string]string{"Authorization": "Basic c3RhZmY6b3Blbi1zZXNhbWU="}, 200, nil, "for the staff only"),
		nginxExpect(ctx, c, "/private/", map[string]string{"Authorization": "Basic c3RhZmY6Z3Vlc3Nz"}, 401, nil, ""),
	)
}

func nginxUpload(ctx context.Context, c *container) error {
	r, err := httpDo(ctx, "POST", "http://"+c.addr(80)+"/upload", nil, bytes.NewReader(make([]byte, 200_000)))
	if err != nil {
		return err
	}
	return r.expect(200, nil, "posted 200000\n")
}

func nginxRedirect(ctx context.Context, c *container) error {
	return nginxExpect(ctx, c, "/old", nil, 301, map[string]string{"Location": "https://www.pare.test/"}, "")
}

func nginxModule(ctx context.Context, c *container) error {
	return nginxExpect(ctx, c, "/", nil, 200, map[string]string{"X-Served-By": "the legacy site"}, "")
}

func nginxTLS(ctx context.Context, c *container) error {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		// Its certificate signs itself, so the name is what can be checked.
		d := tls.Dialer{Config: &tls.Config{ServerName: "www.pare.test", InsecureSkipVerify: true, MinVersion: v, MaxVersion: v}}
		conn, err := d.DialContext(ctx, "tcp", c.addr(443))
		if err != nil {
			return fmt.Errorf("%s: %w", tls.VersionName(v), err)
		}
		err = conn.(*tls.Conn).ConnectionState().PeerCertificates[0].VerifyHostname("www.pare.test")
		conn.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func nginxSSI(ctx context.Context, c *container) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	t := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: "www.pare.test"},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, c.addr(443))
		},
	}
	req, err := http.NewRequestWithContext(ctx, "GET", "https://www.pare.test/now.shtml", nil)
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	want := fmt.Sprintf("Now: %d, from {\"name\": \"a legacy site\"", time.Now().UTC().Year())
	return reply{resp.StatusCode, resp.Header, string(b)}.expect(200, nil, want)
}

func nginxLog(ctx context.Context, c *container) error {
	mark := fmt.Sprintf("/mark-%d", time.Now().UnixNano())
	if _, err := nginxGet(ctx, c, mark, nil); err != nil {
		return err
	}
	return poll(ctx, 5*time.Second, "the access log's line", func(ctx context.Context) error {
		stdout, _, err := c.logs(ctx)
		if err != nil {
			return err
		}
		if !strings.Contains(stdout, `"GET `+mark+` HTTP/1.1" 404`) {
			return errors.New("not there")
		}
		return nil
	})
}
