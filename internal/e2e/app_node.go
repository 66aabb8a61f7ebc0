package e2e

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

const nodePort = 3000

func init() {
	register(app{
		name:    "node",
		context: "testdata/images/node",
		prepare: hostCertificates,
		ports:   []int{nodePort},
		single:  []string{"--http", "/"},
		ready: func(ctx context.Context, c *container) error {
			return nodeHas(ctx, c, "/static/style.css", 200, "font-size: smaller")
		},
		checks: []check{
			{"a page from nested templates", nodePage},
			{"another page, of a text read by a relative name", nodeAbout},
			{"static files, ranges and what has not changed", nodeStatic},
			{"gzip and brotli for those who ask", nodeCompression},
			{"forms and JSON", nodeForms},
			{"text in old character sets", nodeCharsets},
			{"its own 404 page", nodeLost},
			{"orders are kept, and replaced", nodeOrders},
			{"plugins by name, with data of their own", nodePlugins},
			{"a module that is imported when it is asked for", nodeReceipt},
			{"dates of other places, and its own", nodeDates},
			{"the order of words by language", nodeWords},
			{"passwords by a module in machine code", nodePasswords},
			{"digests and keys", nodeDigests},
			{"a thread of its own", nodeThread},
			{"a shell, and a fork of itself", nodeProcesses},
			{"TLS that trusts the house's authority", nodeTLS},
			{"who it runs as", nodeUser},
			{"a name of /etc/hosts", nodeResolve},
			{"closes as it should", nodeCloses},
		},
		mutate: []string{
			"/usr/bin/node",
			"/app/server.js",
			"/app/views/mixins.pug",
			"/app/views/footer.pug",
			"/app/views/about.pug",
			"/app/views/lost.pug",
			"/app/about.md",
			"/app/plugins/bicycle.js",
			"/app/plugins/post.json",
			"/app/lib/receipt.mjs",
			"/app/lib/thanks.json",
			"/app/lib/sum.js",
			"/app/lib/count.js",
			"/app/lib/farewell.js",
			"/app/lib/health.js",
			"/app/public/numbers.txt",
			"/app/node_modules/pug/lib/index.js",
			"/app/node_modules/pug-runtime/index.js",
			"/app/node_modules/express/lib/view.js",
			"/app/node_modules/iconv-lite/encodings/tables/big5-added.json",
			"/app/node_modules/iconv-lite/encodings/sbcs-data-generated.js",
			"/app/node_modules/mime/types.json",
			"/app/node_modules/compression/index.js",
			"/app/node_modules/@node-rs/argon2/index.js",
			"/app/node_modules/@node-rs/argon2-linux-x64-gnu/argon2.linux-x64-gnu.node",
			"/etc/shop/tls/ca.crt",
			"/etc/shop/tls/till.key",
			"/var/lib/shop",
			"/var/log/shop",
			"/etc/passwd",
			"/bin/sh",
			"/usr/bin/sort",
			"/usr/bin/tr",
		},
	})
}

// hostCertificates puts what this machine trusts into the build context: npm's
// registry may be reached through a proxy that only this machine knows.
func hostCertificates(dir string) error {
	const bundle = "/etc/ssl/certs/ca-certificates.crt"
	b, err := os.ReadFile(bundle)
	if err != nil {
		return fmt.Errorf("%w; install ca-certificates", err)
	}
	return os.WriteFile(filepath.Join(dir, "build-ca.crt"), b, 0o644)
}

func nodeURL(c *container, path string, query ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return "http://" + c.addr(nodePort) + path + "?" + values.Encode()
}

// nodeHas compares status and a part of the body.
func nodeHas(ctx context.Context, c *container, path string, code int, part string, query ...string) error {
	r, err := httpDo(ctx, "GET", nodeURL(c, path, query...), nil, nil)
	if err == nil {
		err = r.expect(code, nil, part)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return err
}

// nodeWant compares the whole answer as JSON.
func nodeWant(ctx context.Context, c *container, want, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", nodeURL(c, path, query...), nil, nil)
	if err != nil {
		return err
	}
	return r.expectJSON(path, want)
}

// expectJSON compares the whole body.
func (r reply) expectJSON(path, want string) error {
	var g, w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return fmt.Errorf("what is wanted of %s: %w", path, err)
	}
	if err := json.Unmarshal([]byte(r.body), &g); err != nil || r.code != 200 || !reflect.DeepEqual(g, w) {
		return fmt.Errorf("%s: status %d, %.300s; want %s", path, r.code, r.body, want)
	}
	return nil
}

func nodePage(ctx context.Context, c *container) error {
	return nodeHas(ctx, c, "/", 200, `<!DOCTYPE html><html lang="de"><head><title>Zum goldenen Löwen</title><link rel="stylesheet" href="/static/style.css"></head>`+
		`<body><ul><li>Teekanne: 24.50 €</li><li>Große Tasse: 8.95 €</li></ul><footer>Alle Preise in Euro</footer></body></html>`)
}

func nodeAbout(ctx context.Context, c *container) error {
	return nodeHas(ctx, c, "/about", 200, "<p>Tee seit *1871*, &amp; Tassen.\n</p>")
}

func nodeStatic(ctx context.Context, c *container) error {
	first, err := httpDo(ctx, "GET", nodeURL(c, "/static/style.css"), nil, nil)
	if err != nil {
		return err
	}
	part, err := httpDo(ctx, "GET", nodeURL(c, "/static/numbers.txt"), map[string]string{"Range": "bytes=0-9"}, nil)
	if err != nil {
		return err
	}
	same, err := httpDo(ctx, "GET", nodeURL(c, "/static/style.css"), map[string]string{"If-None-Match": first.header.Get("ETag")}, nil)
	if err != nil {
		return err
	}
	return errors.Join(
		first.expect(200, map[string]string{"Content-Type": "text/css; charset=UTF-8"}, "serif"),
		part.expect(206, map[string]string{"Content-Type": "text/plain; charset=UTF-8", "Content-Range": "bytes 0-9/8893"}, "1\n2\n3\n4\n5\n"),
		same.expect(304, nil, ""),
	)
}

func nodeCompression(ctx context.Context, c *container) error {
	r, err := httpDo(ctx, "GET", nodeURL(c, "/static/numbers.txt"), map[string]string{"Accept-Encoding": "gzip"}, nil)
	if err != nil {
		return err
	}
	if err := r.expect(200, map[string]string{"Content-Encoding": "gzip"}, ""); err != nil {
		return err
	}
	zr, err := gzip.NewReader(strings.NewReader(r.body))
	if err != nil {
		return err
	}
	b, err := io.ReadAll(zr)
	if err != nil || !strings.HasSuffix(string(b), "\n2000\n") {
		return fmt.Errorf("unpacked: %w, %d bytes", err, len(b))
	}
	r, err = httpDo(ctx, "GET", nodeURL(c, "/static/numbers.txt"), map[string]string{"Accept-Encoding": "br"}, nil)
	if err != nil {
		return err
	}
	return r.expect(200, map[string]string{"Content-Encoding": "br"}, "")
}

// nodeEcho sends a body and wants it back as JSON.
func nodeEcho(ctx context.Context, c *container, kind, body, want string) error {
	r, err := httpDo(ctx, "POST", nodeURL(c, "/echo"), map[string]string{"Content-Type": kind}, strings.NewReader(body))
	if err != nil {
		return err
	}
	return r.expectJSON("/echo of "+kind, want)
}

func nodeForms(ctx context.Context, c *container) error {
	return errors.Join(
		nodeEcho(ctx, c, "application/json", `{"a": [1, {"b": "ü"}]}`, `{"a": [1, {"b": "ü"}]}`),
		nodeEcho(ctx, c, "application/x-www-form-urlencoded", "name=Ada&born[year]=1815&tags[]=x&tags[]=y", `{"name": "Ada", "born": {"year": "1815"}, "tags": ["x", "y"]}`),
	)
}

func nodeCharsets(ctx context.Context, c *container) error {
	return errors.Join(
		nodeEcho(ctx, c, "text/plain; charset=big5", "\xb0\xd3\xa9\xb1", `"商店"`),
		nodeEcho(ctx, c, "text/plain; charset=shift_jis", "\x82\xa8\x92\x83", `"お茶"`),
		nodeEcho(ctx, c, "text/plain; charset=cp850", "R\x84ksm\x94rg\x86s", `"Räksmörgås"`),
	)
}

func nodeLost(ctx context.Context, c *container) error {
	return nodeHas(ctx, c, "/no/such/page", 404, "<title>404</title>")
}

func nodeOrders(ctx context.Context, c *container) error {
	for _, order := range []string{`{"product": 1, "count": 2}`, `{"product": 2, "count": 3}`} {
		r, err := httpDo(ctx, "PUT", nodeURL(c, "/orders/7"), map[string]string{"Content-Type": "application/json"}, strings.NewReader(order))
		if err == nil {
			err = r.expect(204, nil, "")
		}
		if err == nil {
			err = nodeWant(ctx, c, order, "/orders/7")
		}
		if err != nil {
			return err
		}
	}
	return nodeHas(ctx, c, "/orders/99", 500, "ENOENT")
}

func nodePlugins(ctx context.Context, c *container) error {
	return errors.Join(
		nodeWant(ctx, c, `{"by": "post", "cents": 450}`, "/delivery/post", "grams", "700"),
		nodeWant(ctx, c, `{"by": "bicycle", "cents": 370}`, "/delivery/bicycle", "grams", "700"),
		nodeHas(ctx, c, "/delivery/drone", 500, "MODULE_NOT_FOUND"),
	)
}

func nodeReceipt(ctx context.Context, c *container) error {
	return errors.Join(
		nodeHas(ctx, c, "/receipt", 200, "1.234,50\u00a0€\nVielen Dank!\n", "cents", "123450", "lang", "de"),
		nodeHas(ctx, c, "/receipt", 200, "1\u202f234,50\u00a0€\nMerci !\n", "cents", "123450", "lang", "fr"),
	)
}

func nodeDates(ctx context.Context, c *container) error {
	return nodeWant(ctx, c, `{"berlin": "Montag, 1. Juli 2024 um 14:00:00 MESZ", "tokyo": "2024年7月1日月曜日 21:00:00 JST",
		"here": "Mon Jul 01 2024 08:00:00 GMT-0400 (Venezuela Time)"}`, "/when", "unix", "1719835200")
}

func nodeWords(ctx context.Context, c *container) error {
	return errors.Join(
		nodeWant(ctx, c, `["zebra", "zèbre", "ål", "ärlig", "öl"]`, "/sorted", "lang", "sv", "words", "zèbre öl ärlig zebra ål"),
		nodeWant(ctx, c, `["ål", "ärlig", "öl", "zebra", "zèbre"]`, "/sorted", "lang", "de", "words", "zèbre öl ärlig zebra ål"),
	)
}

func nodePasswords(ctx context.Context, c *container) error {
	return nodeWant(ctx, c, `{"kind": "argon2id", "right": true, "wrong": false}`, "/password", "word", "sesame")
}

func nodeDigests(ctx context.Context, c *container) error {
	return nodeWant(ctx, c, `{"sha3": "9a8e2c486677d37a9d9d935f59fc32b4a51f5213c343167150926449ca20dc00", "key": "9eabd4a7ba30bad7c6fa77e70f23bdc5"}`, "/digest")
}

func nodeThread(ctx context.Context, c *container) error {
	return nodeWant(ctx, c, `{"sum": "36893488147419103233"}`, "/sum", "of", "18446744073709551616 18446744073709551616 1")
}

func nodeProcesses(ctx context.Context, c *container) error {
	return nodeWant(ctx, c, `{"sorted": "a b c", "count": 3}`, "/words", "words", "c a b")
}

func nodeTLS(ctx context.Context, c *container) error {
	return nodeWant(ctx, c, `{"cents": 4711, "over": "TLSv1.3"}`, "/balance")
}

// nodeUser knows no number: the slim image runs as another user.
func nodeUser(ctx context.Context, c *container) error {
	r, err := httpDo(ctx, "GET", nodeURL(c, "/me"), nil, nil)
	if err != nil {
		return err
	}
	var me struct{ Username, Homedir string }
	if err := json.Unmarshal([]byte(r.body), &me); err != nil || r.code != 200 || me.Username == "" || me.Homedir == "" {
		return fmt.Errorf("it does not know who it is: status %d, %s", r.code, r.body)
	}
	return nil
}

func nodeResolve(ctx context.Context, c *container) error {
	return nodeWant(ctx, c, `{"address": "127.0.0.1", "family": 4}`, "/resolve", "name", "localhost")
}

// nodeCloses has a second container run its health check and close: the one
// that is being recorded or checked must live on.
func nodeCloses(ctx context.Context, c *container) error {
	if out, code, err := c.exec(ctx, "node", "lib/health.js"); err != nil || code != 0 {
		return fmt.Errorf("the health check ends with %d: %w: %s", code, err, out)
	}
	return c.another(ctx, nodePort, func(ctx context.Context, second *container) error {
		if err := nodeHas(ctx, second, "/about", 200, "1871"); err != nil {
			return err
		}
		code, err := second.stop(ctx)
		if err != nil {
			return err
		}
		out, stderr, err := second.logs(ctx)
		if err == nil && (code != 0 || !strings.HasSuffix(out, "closed\n")) {
			err = fmt.Errorf("it ends with %d and says: %s%s", code, out, stderr)
		}
		return err
	})
}
