package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
)

const pythonPort = 8000

func init() {
	register(app{
		name:    "python",
		context: "testdata/images/python",
		core:    true,
		ports:   []int{pythonPort},
		single:  []string{"--http", "/"},
		ready: func(ctx context.Context, c *container) error {
			return pythonHas(ctx, c, "/static/style.css", 200, "text/css", "font-size: smaller")
		},
		checks: []check{
			{"a page from nested templates and the database", pythonPage},
			{"static files and the page for lost ones", pythonStatic},
			{"orders are kept, and replaced", pythonOrders},
			{"full text search", pythonSearch},
			{"CSV of decimals", pythonCSV},
			{"plugins by name, with data of their own", pythonPlugins},
			{"TLS trusts the house's authority, in a bundle and in a directory", pythonTLS},
			{"TLS refuses another name", pythonDistrust},
			{"time zones of the settings", pythonClocks},
			{"French money, months and order of words", pythonFrench},
			{"German from a catalogue", pythonGreet},
			{"Asian and old character sets", pythonEncode},
			{"names of characters, IDNA", pythonNames},
			{"digests, old ones by OpenSSL's legacy provider", pythonDigests},
			{"keys from passwords", pythonKey},
			{"four ways to compress", pythonPacked},
			{"who it runs as, and other users", pythonUsers},
			{"what kind of file: libmagic and MIME types", pythonKind},
			{"a C library found by its short name", pythonLibrary},
			{"a module and a pipe as subprocesses", pythonSummary},
			{"versions of what is installed", pythonVersions},
		},
		mutate: []string{
			// The first four are those of the core set.
			"/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so",
			"/usr/lib/python3.11/lib-dynload/_codecs_tw.cpython-311-x86_64-linux-gnu.so",
			"/etc/ld.so.cache",
			"/app/templates/money.html",
			"/app/shop/plugins/bicycle.py",
			"/app/shop/tools/summary.py",
			"/app/data/post.json",
			"/app/templates/base.html",
			"/app/templates/lost.html",
			"/app/static/logo.png",
			"/app/locale/de/LC_MESSAGES/shop.mo",
			"/app/gunicorn.conf.py",
			"/etc/shop/settings.yaml",
			"/var/lib/shop/shop.db",
			"/var/log/shop",
			"/run/shop",
			"/etc/passwd",
			"/etc/group",
			"/etc/mime.types",
			"/sbin/ldconfig",
			"/bin/sh",
			"/usr/bin/awk",
			"/usr/bin/python3",
			"/usr/bin/gunicorn",
			"/etc/ssl/openssl.cnf",
			"/etc/ssl/certs/ca-certificates.crt",
			"/etc/ssl/certs/example-shop.pem",
			"/usr/local/share/ca-certificates/example-shop.crt",
			"/etc/shop/tls/bank.crt",
			"/usr/lib/locale/locale-archive",
			"/usr/share/zoneinfo/America/Caracas",
			"/usr/share/zoneinfo/Australia/Lord_Howe",
			"/usr/lib/file/magic.mgc",
			"/usr/lib/x86_64-linux-gnu/libmagic.so.1",
			"/usr/lib/python3.11/encodings/big5.py",
			"/usr/lib/python3.11/encodings/idna.py",
			"/usr/lib/python3.11/lib-dynload/_codecs_jp.cpython-311-x86_64-linux-gnu.so",
			"/usr/lib/python3.11/lib-dynload/_lzma.cpython-311-x86_64-linux-gnu.so",
			"/usr/lib/python3/dist-packages/flask/templating.py",
		},
	})
}

// pythonAsk is a GET with a query of name and value pairs.
func pythonAsk(ctx context.Context, c *container, path string, query ...string) (reply, error) {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return httpDo(ctx, "GET", "http://"+c.addr(pythonPort)+path+"?"+values.Encode(), nil, nil)
}

// pythonHas compares status, type and a part of the body.
func pythonHas(ctx context.Context, c *container, path string, code int, kind, part string) error {
	r, err := pythonAsk(ctx, c, path)
	if err == nil {
		err = r.expect(code, nil, part)
	}
	if got := r.header.Get("Content-Type"); err == nil && !strings.HasPrefix(got, kind) {
		err = fmt.Errorf("the type is %q, want %q", got, kind)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return err
}

// pythonWant compares the whole answer as JSON.
func pythonWant(ctx context.Context, c *container, want, path string, query ...string) error {
	r, err := pythonAsk(ctx, c, path, query...)
	if err != nil {
		return err
	}
	var g, w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return fmt.Errorf("what is wanted of %s: %w", path, err)
	}
	if err := json.Unmarshal([]byte(r.body), &g); err != nil || r.code != 200 || !reflect.DeepEqual(g, w) {
		return fmt.Errorf("%s %q: status %d, %.300s; want %s", path, query, r.code, r.body, want)
	}
	return nil
}

func pythonPage(ctx context.Context, c *container) error {
	const list = "<ul>\n<li>Große Tasse: 8,95 €</li>\n<li>tee aus Darjeeling: 12,90 €</li>\n<li>Teekanne: 24,50 €</li>\n</ul>"
	return errors.Join(
		pythonHas(ctx, c, "/", 200, "text/html; charset=utf-8", list),
		pythonHas(ctx, c, "/", 200, "text/html; charset=utf-8", "<title>Zum goldenen Löwen</title>"),
		pythonHas(ctx, c, "/", 200, "text/html; charset=utf-8", "<footer>Alle Preise in Euro</footer>"),
	)
}

func pythonStatic(ctx context.Context, c *container) error {
	return errors.Join(
		pythonHas(ctx, c, "/static/logo.png", 200, "image/png", "\x89PNG\r\n"),
		pythonHas(ctx, c, "/static/no-such.css", 404, "text/html", "<p>Das führen wir nicht.</p>"),
		pythonHas(ctx, c, "/no/such/page", 404, "text/html", "<title>404</title>"),
	)
}

func pythonOrders(ctx context.Context, c *container) error {
	for _, o := range []struct{ order, want string }{
		{`{"product": 1, "count": 2}`, `{"ref": "R-1", "name": "Teekanne", "count": 2, "cents": 4900}`},
		{`{"product": 2, "count": 3}`, `{"ref": "R-1", "name": "Große Tasse", "count": 3, "cents": 2685}`},
	} {
		r, err := httpDo(ctx, "PUT", "http://"+c.addr(pythonPort)+"/orders/R-1", map[string]string{"Content-Type": "application/json"}, strings.NewReader(o.order))
		if err != nil {
			return err
		}
		if err := r.expect(204, nil, ""); err != nil {
			return err
		}
		if err := pythonWant(ctx, c, o.want, "/orders/R-1"); err != nil {
			return err
		}
	}
	return pythonHas(ctx, c, "/orders/unknown", 404, "text/html", "")
}

func pythonSearch(ctx context.Context, c *container) error {
	return errors.Join(
		pythonWant(ctx, c, `["tee aus Darjeeling"]`, "/search", "q", "darjeeling"),
		pythonWant(ctx, c, `["Teekanne", "tee aus Darjeeling"]`, "/search", "q", "Teekanne OR tee"),
		pythonWant(ctx, c, `[]`, "/search", "q", "kaffee"),
	)
}

func pythonCSV(ctx context.Context, c *container) error {
	return pythonHas(ctx, c, "/products.csv", 200, "text/csv", "Teekanne,24.5\r\nGroße Tasse,8.95\r\ntee aus Darjeeling,12.9\r\n")
}

func pythonPlugins(ctx context.Context, c *container) error {
	return errors.Join(
		pythonWant(ctx, c, `{"by": "post", "cents": 450}`, "/delivery/post", "grams", "700"),
		pythonWant(ctx, c, `{"by": "nobody"}`, "/delivery/post", "grams", "10001"),
		pythonWant(ctx, c, `{"by": "bicycle", "cents": 507}`, "/delivery/bicycle", "grams", "700"),
		pythonHas(ctx, c, "/delivery/drone", 404, "application/json", `"post"`),
	)
}

func pythonTLS(ctx context.Context, c *container) error {
	const want = `{"balance": 4711, "over": "TLSv1.3"}`
	return errors.Join(
		pythonWant(ctx, c, want, "/balance", "trust", "default"),   // what OpenSSL was built with
		pythonWant(ctx, c, want, "/balance", "trust", "requests"),  // Debian's bundle
		pythonWant(ctx, c, want, "/balance", "trust", "directory"), // links named by hashes
	)
}

func pythonDistrust(ctx context.Context, c *container) error {
	r, err := pythonAsk(ctx, c, "/balance", "trust", "default", "host", "127.0.0.1")
	if err != nil {
		return err
	}
	return r.expect(500, nil, "IP address mismatch, certificate is not valid for '127.0.0.1'")
}

func pythonClocks(ctx context.Context, c *container) error {
	return errors.Join(
		pythonWant(ctx, c, `{"Europe/Berlin": "2024-07-01 14:00 +0200 CEST",
			"America/Caracas": "2024-07-01 08:00 -0400 -04",
			"Australia/Lord_Howe": "2024-07-01 22:30 +1030 +1030"}`, "/clocks", "unix", "1719835200"),
		pythonWant(ctx, c, `{"Europe/Berlin": "2015-01-01 01:00 +0100 CET",
			"America/Caracas": "2014-12-31 19:30 -0430 -0430",
			"Australia/Lord_Howe": "2015-01-01 11:00 +1100 +11"}`, "/clocks", "unix", "1420070400"),
	)
}

func pythonFrench(ctx context.Context, c *container) error {
	return pythonWant(ctx, c, `{"price": "1\u202f234\u202f567,89 €", "number": "3,14", "month": "août",
		"words": ["Abc", "eau", "école", "été", "zèbre"]}`, "/french", "words", "zèbre été école eau Abc")
}

func pythonGreet(ctx context.Context, c *container) error {
	return errors.Join(
		pythonWant(ctx, c, `"Grüß Gott! 1 Stück"`, "/greet", "lang", "de", "n", "1"),
		pythonWant(ctx, c, `"Grüß Gott! 2 Stücke"`, "/greet", "lang", "de", "n", "2"),
		pythonWant(ctx, c, `"Welcome! 2 items"`, "/greet", "lang", "xx", "n", "2"),
	)
}

func pythonEncode(ctx context.Context, c *container) error {
	for _, t := range []struct{ to, text, hex string }{
		{"big5", "商店", "b0d3a9b1"},
		{"shift_jis", "お茶", "82a89283"},
		{"euc_kr", "가게", "b0a1b0d4"},
		{"gb18030", "茶壶", "b2e8baf8"},
		{"iso2022_jp", "茶", "1b244243631b2842"},
		{"cp1252", "8,95 €", "382c39352080"},
		{"cp500", "TEE", "e3c5c5"},
		{"utf_16_be", "é", "00e9"},
	} {
		if err := pythonWant(ctx, c, `{"hex": "`+t.hex+`", "back": true}`, "/encode", "to", t.to, "text", t.text); err != nil {
			return err
		}
	}
	return nil
}

func pythonNames(ctx context.Context, c *container) error {
	return pythonWant(ctx, c, `{"names": ["LATIN SMALL LETTER O WITH DIAERESIS", "LATIN SMALL LETTER L"],
		"plain": "ol", "host": "xn--l-0ga"}`, "/names", "text", "öl")
}

func pythonDigests(ctx context.Context, c *container) error {
	return pythonWant(ctx, c, `{
		"md4": "c74a672afeac8ec1c75474345960de23",
		"ripemd160": "7efea6091eb61544edcb3984a2600993486b504b",
		"sha3_256": "067b789ca92250b4ef3ab4f73690d5debb3c7b3661224f991d9bc0655cb4d1dc",
		"sm3": "ac9f5853b46e5dfdd37ce2bdd1541272fa7a889769c2884dafda07fecbaa8417"}`,
		"/digests", "names", "md4 ripemd160 sha3_256 sm3")
}

func pythonKey(ctx context.Context, c *container) error {
	return pythonWant(ctx, c, `{"pbkdf2": "a8df899f3c4f204d967e0ad63c092987", "scrypt": "eba9bb7eb94c6ebd8d2c4636469b51c6"}`, "/key")
}

func pythonPacked(ctx context.Context, c *container) error {
	return pythonWant(ctx, c, `{"bz2": [true, true], "gzip": [true, true], "lzma": [true, true], "zlib": [true, true]}`, "/packed")
}

// pythonUsers knows no number: the slim image runs as another user.
func pythonUsers(ctx context.Context, c *container) error {
	r, err := pythonAsk(ctx, c, "/me")
	if err != nil {
		return err
	}
	var me struct{ Name, Login, Group string }
	if err := json.Unmarshal([]byte(r.body), &me); err != nil || r.code != 200 {
		return fmt.Errorf("status %d, %s", r.code, r.body)
	}
	if me.Name == "" || me.Name != me.Login || me.Group == "" {
		return fmt.Errorf("it does not know who it is: %s", r.body)
	}
	return pythonWant(ctx, c, `"Web shop in /app, group shop"`, "/users/shop")
}

func pythonKind(ctx context.Context, c *container) error {
	return errors.Join(
		pythonWant(ctx, c, `{"type": "image/png", "says": "PNG image data, 12 x 8, 8-bit/color RGB, non-interlaced"}`, "/kind/logo.png"),
		pythonWant(ctx, c, `"image/vnd.dwg"`, "/type/plan.dwg"), // only /etc/mime.types has it
	)
}

// pythonLibrary is how ctypes finds libraries: ldconfig prints ld.so.cache.
func pythonLibrary(ctx context.Context, c *container) error {
	return pythonWant(ctx, c, `{"found": "libsqlite3.so.0", "major": "3"}`, "/sqlite")
}

func pythonSummary(ctx context.Context, c *container) error {
	return pythonWant(ctx, c, `{"module": "a3b2c1", "pipe": "a3b2c1"}`, "/summary", "words", "bb a b aa ab c")
}

func pythonVersions(ctx context.Context, c *container) error {
	return pythonWant(ctx, c, `{"Flask": "2", "gunicorn": "20", "requests": "2"}`, "/versions")
}
