package e2e

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

const javaPort = 8080

func init() {
	register(app{
		name:    "java",
		context: "testdata/images/java",
		ports:   []int{javaPort},
		single:  []string{"--http", "/"},
		smoke:   []string{"/", "PUT /orders/1 -d smoke", "/shell?words=b+a"},
		ready: func(ctx context.Context, c *container) error {
			return javaSays(ctx, c, "body { font-family: serif; }\nfooter { font-size: smaller; }\n", "/static/style.css")
		},
		checks: []check{
			{"a page from a file in the jar", javaPage},
			{"static files, and types by suffix", javaStatic},
			{"gzip for those who ask", javaGzip},
			{"orders are kept, and replaced", javaOrders},
			{"German dates, and hours of other places", javaWhen},
			{"money and order of words by language", javaLocales},
			{"words from bundles, with choices", javaGreet},
			{"Asian and old character sets", javaEncode},
			{"digests and keys", javaDigest},
			{"a pipe of the shell", javaShell},
			{"pictures from PNG to JPEG and back", javaPicture},
			{"a plugin from a jar of its own", javaPlugin},
			{"a file in a zip", javaZip},
			{"XML with a DTD, through XSLT", javaXML},
			{"a sum in parallel", javaSum},
			{"TLS that trusts what the system trusts", javaTLS},
			{"a log in the form that its configuration says", javaLog},
			{"who it runs as", javaUser},
			{"a name of /etc/hosts", javaResolve},
			{"closes as it should", javaCloses},
		},
		signals: []signal{{"QUIT", "Full thread dump"}},
		mutate: []string{
			"/app/bin/shop",
			"/app/lib/shop.jar",
			"/app/plugins/post.jar",
			"/app/data/rates.zip",
			"/app/data/products.dtd",
			"/app/data/list.xsl",
			"/app/static/logo.png",
			"/bin/sh",
			"/bin/uname",
			"/usr/bin/dirname",
			"/usr/bin/java",
			"/usr/bin/tr",
			"/usr/lib/jvm/java-17-openjdk-amd64/lib/modules",
			"/usr/lib/jvm/java-17-openjdk-amd64/lib/jspawnhelper",
			"/usr/lib/jvm/java-17-openjdk-amd64/lib/libjavajpeg.so",
			"/usr/lib/jvm/java-17-openjdk-amd64/lib/libawt_headless.so",
			"/usr/lib/jvm/java-17-openjdk-amd64/lib/libnio.so",
			"/usr/lib/jvm/java-17-openjdk-amd64/lib/tzdb.dat",
			"/usr/lib/x86_64-linux-gnu/libjpeg.so.62",
			"/etc/java-17-openjdk/security/java.security",
			"/etc/ssl/certs/java/cacerts",
			"/etc/shop/tls/till.p12",
			"/etc/shop/logging.properties",
			"/var/lib/shop",
			"/var/log/shop",
		},
	})
}

func javaAsk(ctx context.Context, c *container, path string, query ...string) (reply, error) {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return httpDo(ctx, "GET", "http://"+c.addr(javaPort)+path+"?"+values.Encode(), nil, nil)
}

// javaSays compares the whole body of an answer.
func javaSays(ctx context.Context, c *container, want, path string, query ...string) error {
	r, err := javaAsk(ctx, c, path, query...)
	if err == nil && (r.code != 200 || r.body != want) {
		err = fmt.Errorf("%s %q: status %d, %.300q; want %q", path, query, r.code, r.body, want)
	}
	return err
}

// javaFails wants an error that names what went wrong.
func javaFails(ctx context.Context, c *container, part, path string, query ...string) error {
	r, err := javaAsk(ctx, c, path, query...)
	if err == nil {
		err = r.expect(500, nil, part)
	}
	return err
}

func javaPage(ctx context.Context, c *container) error {
	return javaSays(ctx, c, "<!DOCTYPE html>\n<html lang=\"de\"><title>Zum goldenen Löwen</title><p>Tee &amp; mehr</p><footer>Alle Preise in Euro</footer></html>\n",
		"/page", "text", "Tee &amp; mehr")
}

func javaStatic(ctx context.Context, c *container) error {
	r, err := javaAsk(ctx, c, "/static/logo.png")
	if err != nil {
		return err
	}
	lost, err := javaAsk(ctx, c, "/static/no-such.css")
	if err != nil {
		return err
	}
	return errors.Join(
		r.expect(200, map[string]string{"Content-Type": "image/png"}, "\x89PNG\r\n"),
		lost.expect(404, nil, "no such file"),
	)
}

func javaGzip(ctx context.Context, c *container) error {
	r, err := httpDo(ctx, "GET", "http://"+c.addr(javaPort)+"/static/style.css", map[string]string{"Accept-Encoding": "gzip"}, nil)
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
	if err != nil || !strings.HasPrefix(string(b), "body {") {
		return fmt.Errorf("unpacked: %w, %.100q", err, b)
	}
	return nil
}

func javaOrders(ctx context.Context, c *container) error {
	for _, order := range []string{"2 Teekannen", "3 große Tassen"} {
		r, err := httpDo(ctx, "PUT", "http://"+c.addr(javaPort)+"/orders/7", nil, strings.NewReader(order))
		if err == nil {
			err = r.expect(204, nil, "")
		}
		if err == nil {
			err = javaSays(ctx, c, order, "/orders/7")
		}
		if err != nil {
			return err
		}
	}
	r, err := javaAsk(ctx, c, "/orders/99")
	if err != nil {
		return err
	}
	return r.expect(404, nil, "no such order")
}

func javaWhen(ctx context.Context, c *container) error {
	return errors.Join(
		javaSays(ctx, c, "Montag, 1. Juli 2024 um 14:00:00 Mitteleuropäische Sommerzeit\n2024-07-01T08:00-04:00[America/Caracas]\n", "/when", "unix", "1719835200"),
		javaSays(ctx, c, "Donnerstag, 1. Januar 2015 um 01:00:00 Mitteleuropäische Normalzeit\n2014-12-31T19:30-04:30[America/Caracas]\n", "/when", "unix", "1420070400"),
	)
}

func javaLocales(ctx context.Context, c *container) error {
	return errors.Join(
		javaSays(ctx, c, "1.234,50\u00a0€", "/money", "lang", "de-DE"),
		javaSays(ctx, c, "￥1,234", "/money", "lang", "ja-JP"),
		javaSays(ctx, c, "zebra ål ärlig öl", "/sorted", "lang", "sv", "words", "öl ärlig zebra ål"),
		javaSays(ctx, c, "ål ärlig öl zebra", "/sorted", "lang", "de", "words", "öl ärlig zebra ål"),
	)
}

func javaGreet(ctx context.Context, c *container) error {
	return errors.Join(
		javaSays(ctx, c, "Grüß Gott! 2 Stücke", "/greet", "lang", "de", "n", "2"),
		javaSays(ctx, c, "Welcome! One item", "/greet", "lang", "xx", "n", "1"),
	)
}

func javaEncode(ctx context.Context, c *container) error {
	for _, t := range []struct{ to, text, hex string }{
		{"Big5", "商店", "b0d3a9b1"},
		{"Shift_JIS", "お茶", "82a89283"},
		{"GB18030", "茶壶", "b2e8baf8"},
		{"IBM850", "Räksmörgås", "52846b736d9472678673"},
		{"IBM500", "TEE", "e3c5c5"},
	} {
		if err := javaSays(ctx, c, t.hex, "/encode", "to", t.to, "text", t.text); err != nil {
			return err
		}
	}
	return javaFails(ctx, c, "UnsupportedCharsetException: none", "/encode", "to", "none", "text", "x")
}

func javaDigest(ctx context.Context, c *container) error {
	return javaSays(ctx, c, "9a8e2c486677d37a9d9d935f59fc32b4a51f5213c343167150926449ca20dc00 88ab5881baf186dd5a8407ffa6cecf3a", "/digest", "word", "tea")
}

func javaShell(ctx context.Context, c *container) error {
	return javaSays(ctx, c, "a b c 0", "/shell", "words", "c a b")
}

func javaPicture(ctx context.Context, c *container) error {
	return javaSays(ctx, c, "24x16", "/picture", "width", "24")
}

func javaPlugin(ctx context.Context, c *container) error {
	return errors.Join(
		javaSays(ctx, c, "450", "/delivery", "by", "post", "grams", "700"),
		javaSays(ctx, c, "nobody", "/delivery", "by", "drone", "grams", "700"),
	)
}

func javaZip(ctx context.Context, c *container) error {
	return javaSays(ctx, c, "grams,cents\n500,285\n1000,450\n", "/rates")
}

func javaXML(ctx context.Context, c *container) error {
	return javaSays(ctx, c, "Große Tasse: 8.95\nTeekanne: 24.5\n", "/products")
}

func javaSum(ctx context.Context, c *container) error {
	return javaSays(ctx, c, "500000500000", "/sum", "to", "1000000")
}

func javaTLS(ctx context.Context, c *container) error {
	return errors.Join(
		javaSays(ctx, c, "4711 TLS_AES_256_GCM_SHA384", "/balance", "host", "localhost"),
		javaFails(ctx, c, "No subject alternative names matching IP address 127.0.0.1", "/balance", "host", "127.0.0.1"),
	)
}

func javaLog(ctx context.Context, c *container) error {
	r, err := javaAsk(ctx, c, "/log")
	if err != nil {
		return err
	}
	return errors.Join(r.expect(200, nil, "SHOP INFO open on 8080\n"), r.expect(200, nil, "SHOP INFO /log\n"))
}

// javaUser knows no name: the slim image runs as another user. "?" is what
// Java makes of one that passwd does not have.
func javaUser(ctx context.Context, c *container) error {
	r, err := javaAsk(ctx, c, "/me")
	if err != nil {
		return err
	}
	name, home, ok := strings.Cut(r.body, " in ")
	if r.code != 200 || !ok || name == "" || name == "?" || !strings.HasPrefix(home, "/") {
		return fmt.Errorf("it does not know who it is: status %d, %s", r.code, r.body)
	}
	return nil
}

func javaResolve(ctx context.Context, c *container) error {
	return javaSays(ctx, c, "127.0.0.1", "/resolve", "name", "localhost")
}

// javaCloses has a second container close: the one that is being recorded or
// checked must live on.
func javaCloses(ctx context.Context, c *container) error {
	return c.another(ctx, javaPort, func(ctx context.Context, second *container) error {
		code, err := second.stop(ctx)
		if err != nil {
			return err
		}
		out, stderr, err := second.logs(ctx)
		if err == nil && (code != 143 || out != "closed\n") {
			err = fmt.Errorf("it ends with %d and says: %s%s", code, out, stderr)
		}
		return err
	})
}
