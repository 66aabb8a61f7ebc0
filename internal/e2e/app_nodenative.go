package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const nodenativePort = 3000

func init() {
	register(app{
		name:    "nodenative",
		context: "testdata/images/nodenative",
		ports:   []int{nodenativePort},
		single:  []string{"--http", "/"},
		smoke:   []string{"/", "PUT /orders/1 -d smoke", "/encode?to=ISO-8859-1&text=a"},
		ready: func(ctx context.Context, c *container) error {
			return nodenativeSays(ctx, c, 200, "font-family: serif", "/static/style.css")
		},
		checks: []check{
			{"a page from templates and the database", nodenativePage},
			{"the pages for what is lost or broken", nodenativeErrors},
			{"orders are kept, and replaced", nodenativeOrders},
			{"Asian and old character sets", nodenativeEncode},
			{"expressions that take no longer than their text", nodenativeMatch},
			{"forms, and text in an old character set", nodenativeForms},
			{"settings from YAML", nodenativeSettings},
			{"XML, read and written", nodenativeXML},
			{"pages of its own, fetched", nodenativeFetched},
			{"hours of other places by language", nodenativeClock},
			{"the order of words by language", nodenativeSorted},
			{"a module that is imported when it is asked for", nodenativeReceipt},
			{"plugins by name, with data of their own", nodenativeDelivery},
			{"a thread, and a fork of itself", nodenativeOthers},
			{"packed text", nodenativePacked},
			{"digests and keys", nodenativeDigest},
			{"a name of /etc/hosts, as JSON and as text", nodenativeAddress},
			{"a file with a name and a cookie", nodenativeFile},
		},
		mutate: []string{
			"/usr/bin/node",
			"/srv/shop/server.js",
			"/srv/shop/settings.yml",
			"/srv/shop/lib/receipt.mjs",
			"/srv/shop/lib/total.js",
			"/srv/shop/lib/sum.js",
			"/srv/shop/lib/count.js",
			"/srv/shop/plugins/bicycle.js",
			"/srv/shop/plugins/post.json",
			"/srv/shop/views/lost.ejs",
			"/srv/shop/views/broken.ejs",
			"/var/lib/shop",
			"/usr/share/nodejs/express/lib/view.js",
			"/usr/share/nodejs/ejs/lib/ejs.js",
			"/usr/share/nodejs/xml2js/package.json",
			"/usr/lib/x86_64-linux-gnu/gconv/EUC-JP.so",
		},
	})
}

func nodenativeURL(c *container, path string, query ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return "http://" + c.addr(nodenativePort) + path + "?" + values.Encode()
}

// nodenativeSays compares the status and a part of the body.
func nodenativeSays(ctx context.Context, c *container, code int, part, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", nodenativeURL(c, path, query...), nil, nil)
	if err == nil {
		err = r.expect(code, nil, part)
	}
	if err != nil {
		err = fmt.Errorf("%s %q: %w", path, query, err)
	}
	return err
}

// nodenativeWant compares the whole answer as JSON.
func nodenativeWant(ctx context.Context, c *container, want, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", nodenativeURL(c, path, query...), nil, nil)
	if err != nil {
		return err
	}
	return r.expectJSON(path, want)
}

// nodenativePost sends a body of a type and compares the answer as JSON.
func nodenativePost(ctx context.Context, c *container, path, kind, body, want string) error {
	r, err := httpDo(ctx, "POST", nodenativeURL(c, path), map[string]string{"Content-Type": kind}, strings.NewReader(body))
	if err != nil {
		return err
	}
	return r.expectJSON(path, want)
}

func nodenativePage(ctx context.Context, c *container) error {
	return nodenativeSays(ctx, c, 200, "<title>Zum goldenen Löwen</title>\n<ul><li>Große Tasse: 895</li><li>Teekanne: 2450</li></ul>", "/")
}

func nodenativeErrors(ctx context.Context, c *container) error {
	return errors.Join(
		nodenativeSays(ctx, c, 404, "<p>/no/such führen wir nicht.</p>", "/no/such"),
		nodenativeSays(ctx, c, 500, "<p>Trouble: zu viel Tee</p>", "/broken", "text", "zu viel Tee"),
	)
}

func nodenativeOrders(ctx context.Context, c *container) error {
	for _, order := range []string{"2 Teekannen", "3 Tassen"} {
		r, err := httpDo(ctx, "PUT", nodenativeURL(c, "/orders/7"), nil, strings.NewReader(order))
		if err == nil {
			err = r.expect(204, nil, "")
		}
		if err == nil {
			err = nodenativeSays(ctx, c, 200, order, "/orders/7")
		}
		if err != nil {
			return err
		}
	}
	return nodenativeSays(ctx, c, 404, "<p>/orders/99 führen wir nicht.</p>", "/orders/99")
}

func nodenativeEncode(ctx context.Context, c *container) error {
	return errors.Join(
		nodenativeWant(ctx, c, `"c3e3"`, "/encode", "to", "EUC-JP", "text", "茶"),
		nodenativeWant(ctx, c, `"b0d3a9b1"`, "/encode", "to", "BIG5", "text", "商店"),
		nodenativeWant(ctx, c, `"d3cfccd8"`, "/encode", "to", "KOI8-R", "text", "соль"),
	)
}

func nodenativeMatch(ctx context.Context, c *container) error {
	return nodenativeWant(ctx, c, `["tea12", "12"]`, "/match", "re", `tea(\d+)`, "text", "no tea12")
}

func nodenativeForms(ctx context.Context, c *container) error {
	return errors.Join(
		nodenativePost(ctx, c, "/form", "application/x-www-form-urlencoded", "a[b]=1&a[c][]=2", `{"a": {"b": "1", "c": ["2"]}}`),
		nodenativePost(ctx, c, "/old", "text/plain; charset=windows-1252", "8 \x80", `"8 €"`),
	)
}

func nodenativeSettings(ctx context.Context, c *container) error {
	return nodenativeWant(ctx, c, `{"opened": "2024-07-01T00:00:00.000Z", "hours": [9, 18]}`, "/settings")
}

func nodenativeXML(ctx context.Context, c *container) error {
	return nodenativePost(ctx, c, "/xml", "application/xml", "<a><b c='1'>x</b></a>", `[{"a": {"b": [{"$": {"c": "1"}, "_": "x"}]}}, "<a><b c=\"1\">x</b></a>"]`)
}

func nodenativeFetched(ctx context.Context, c *container) error {
	return nodenativeWant(ctx, c, `["body { font-family: serif; }", 200]`, "/fetched")
}

func nodenativeClock(ctx context.Context, c *container) error {
	return errors.Join(
		nodenativeWant(ctx, c, `"Montag, 1. Juli 2024 um 17:45"`, "/clock", "unix", "1719835200", "zone", "Asia/Kathmandu", "lang", "de"),
		nodenativeWant(ctx, c, `"lundi 1 juillet 2024 à 08:00"`, "/clock", "unix", "1719835200", "zone", "America/Caracas", "lang", "fr"),
	)
}

func nodenativeSorted(ctx context.Context, c *container) error {
	return errors.Join(
		nodenativeWant(ctx, c, `["zebra", "ål", "ärlig", "öl"]`, "/sorted", "lang", "sv", "words", "öl ärlig zebra ål"),
		nodenativeWant(ctx, c, `["ål", "ärlig", "öl", "zebra"]`, "/sorted", "lang", "de", "words", "öl ärlig zebra ål"),
	)
}

func nodenativeReceipt(ctx context.Context, c *container) error {
	return nodenativeWant(ctx, c, `"3345 .txt"`, "/receipt")
}

func nodenativeDelivery(ctx context.Context, c *container) error {
	return errors.Join(
		nodenativeWant(ctx, c, "450", "/delivery/post", "grams", "700"),
		nodenativeWant(ctx, c, "370", "/delivery/bicycle", "grams", "700"),
		nodenativeSays(ctx, c, 404, "<p>/delivery/drone führen wir nicht.</p>", "/delivery/drone"),
	)
}

func nodenativeOthers(ctx context.Context, c *container) error {
	return errors.Join(
		nodenativeWant(ctx, c, "500500", "/thread", "n", "1000"),
		nodenativeWant(ctx, c, "3", "/fork", "words", "a b c"),
	)
}

func nodenativePacked(ctx context.Context, c *container) error {
	return nodenativeWant(ctx, c, `["Löwe", "Löwe"]`, "/packed", "text", "Löwe")
}

func nodenativeDigest(ctx context.Context, c *container) error {
	return nodenativeWant(ctx, c, `["9a8e2c486677d37a", "88ab5881baf186dd"]`, "/digest", "word", "tea")
}

func nodenativeAddress(ctx context.Context, c *container) error {
	r, err := httpDo(ctx, "GET", nodenativeURL(c, "/address", "name", "localhost"), map[string]string{"Accept": "text/plain"}, nil)
	if err == nil {
		err = r.expect(200, nil, "127.0.0.1")
	}
	return errors.Join(err, nodenativeWant(ctx, c, `"127.0.0.1"`, "/address", "name", "localhost"))
}

func nodenativeFile(ctx context.Context, c *container) error {
	r, err := httpDo(ctx, "GET", nodenativeURL(c, "/file"), nil, nil)
	if err != nil {
		return err
	}
	return r.expect(200, map[string]string{
		"Content-Disposition": `attachment; filename="price_?.txt"; filename*=UTF-8''price_%E2%82%AC.txt`,
		"Set-Cookie":          "seen=yes; Path=/",
	}, "Tee")
}
