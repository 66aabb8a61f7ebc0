package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const perlPort = 5000

func init() {
	register(app{
		name:    "perl",
		context: "testdata/images/perl",
		ports:   []int{perlPort},
		single:  []string{"--http", "/"},
		smoke: []string{
			"/",
			"PUT /orders/1 -d smoke",
			"/clock?zone=Europe/Berlin&unix=0&lang=de",
		},
		ready: func(ctx context.Context, c *container) error {
			return perlSays(ctx, c, 200, "font-family: serif", "/static/style.css")
		},
		checks: []check{
			{"a page from templates and the database", perlPage},
			{"static files, and the page for lost ones", perlStatic},
			{"an error of its own", perlBroken},
			{"orders are kept, and replaced", perlOrders},
			{"Asian and old character sets", perlEncode},
			{"letters, their names and scripts", perlLetters},
			{"the order of words by language", perlSorted},
			{"hours of other places, days by language", perlClock},
			{"exact numbers", perlExact},
			{"digests", perlDigest},
			{"plugins by name, with data of their own", perlDelivery},
			{"XML by a schema", perlReport},
			{"a mail from templates and their plugins", perlMail},
			{"packed text", perlPacked},
			{"a process of its own", perlApart},
			{"words, wrapped and parsed", perlWords},
			{"links of a page", perlLinks},
			{"names", perlResolve},
		},
		mutate: []string{
			"/usr/bin/perl",
			"/usr/bin/starman",
			"/srv/shop/shop.psgi",
			"/srv/shop/lib/Shop/Trouble.pm",
			"/srv/shop/lib/Shop/Delivery/Bicycle.pm",
			"/srv/shop/data/post.json",
			"/srv/shop/data/apart.pl",
			"/srv/shop/data/products.rng",
			"/srv/shop/templates/lost.tt",
			"/srv/shop/templates/price.tt",
			"/var/lib/shop",
			"/usr/share/perl/5.36.0/Math/BigFloat.pm",
			"/usr/share/perl/5.36.0/unicore/Name.pl",
			"/usr/share/perl5/Plack/Middleware/Static.pm",
			"/usr/lib/x86_64-linux-gnu/perl5/5.36/Template/Plugin/Table.pm",
			"/usr/lib/x86_64-linux-gnu/perl/5.36.0/auto/Encode/JP/JP.so",
		},
	})
}

func perlURL(c *container, path string, query ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return "http://" + c.addr(perlPort) + path + "?" + values.Encode()
}

// perlSays compares the status and a part of the body.
func perlSays(ctx context.Context, c *container, code int, part, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", perlURL(c, path, query...), nil, nil)
	if err == nil {
		err = r.expect(code, nil, part)
	}
	if err != nil {
		err = fmt.Errorf("%s %q: %w", path, query, err)
	}
	return err
}

// perlWant compares the whole answer as JSON.
func perlWant(ctx context.Context, c *container, want, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", perlURL(c, path, query...), nil, nil)
	if err != nil {
		return err
	}
	return r.expectJSON(path, want)
}

func perlPage(ctx context.Context, c *container) error {
	return perlSays(ctx, c, 200, "<title>Zum goldenen Löwen</title>\n<body><ul><li>Große Tasse: 895</li><li>Teekanne: 2450</li></ul>", "/")
}

func perlStatic(ctx context.Context, c *container) error {
	return errors.Join(
		perlSays(ctx, c, 200, "font-family: serif", "/static/style.css"),
		perlSays(ctx, c, 404, "<p>/nothing führen wir nicht.</p>", "/nothing"),
	)
}

func perlBroken(ctx context.Context, c *container) error {
	return perlSays(ctx, c, 500, "<p>ZU VIEL TEE</p>", "/broken", "text", "zu viel Tee")
}

func perlOrders(ctx context.Context, c *container) error {
	for _, order := range []string{"2 Teekannen", "3 Tassen"} {
		r, err := httpDo(ctx, "PUT", perlURL(c, "/orders/7"), nil, strings.NewReader(order))
		if err == nil {
			err = r.expect(204, nil, "")
		}
		if err == nil {
			err = perlSays(ctx, c, 200, order, "/orders/7")
		}
		if err != nil {
			return err
		}
	}
	return perlSays(ctx, c, 404, "<p>/orders/99 führen wir nicht.</p>", "/orders/99")
}

func perlEncode(ctx context.Context, c *container) error {
	return errors.Join(
		perlWant(ctx, c, `"c3e3"`, "/encode", "to", "euc-jp", "text", "茶"),
		perlWant(ctx, c, `"b0d3a9b1"`, "/encode", "to", "big5", "text", "商店"),
		perlWant(ctx, c, `"b0a1b0d4"`, "/encode", "to", "euc-kr", "text", "가게"),
		perlWant(ctx, c, `"d3cfccd8"`, "/encode", "to", "koi8-r", "text", "соль"),
		perlWant(ctx, c, `"feff00e9"`, "/encode", "to", "UTF-16", "text", "é"),
		perlWant(ctx, c, `"3d3f5554462d383f423f77366b3d3f3d"`, "/encode", "to", "MIME-Header", "text", "é"),
	)
}

func perlLetters(ctx context.Context, c *container) error {
	return perlWant(ctx, c, `[5, "LATIN SMALL LETTER O WITH DIAERESIS", "ÖFIΣ", "Latin", 1, true]`, "/letters", "text", "öﬁσ")
}

func perlSorted(ctx context.Context, c *container) error {
	return errors.Join(
		perlWant(ctx, c, `["zebra", "ål", "ärlig", "öl"]`, "/sorted", "lang", "sv", "words", "öl ärlig zebra ål"),
		perlWant(ctx, c, `["ål", "ärlig", "öl", "zebra"]`, "/sorted", "lang", "de", "words", "öl ärlig zebra ål"),
	)
}

func perlClock(ctx context.Context, c *container) error {
	return errors.Join(
		perlWant(ctx, c, `["2024-07-01T17:45 +0545 Montag", "17:45 +0545"]`, "/clock", "unix", "1719835200", "zone", "Asia/Kathmandu", "lang", "de"),
		perlWant(ctx, c, `["2015-01-01T01:00 +0100 jeudi", "01:00 CET"]`, "/clock", "unix", "1420070400", "zone", "Europe/Berlin", "lang", "fr"),
	)
}

func perlExact(ctx context.Context, c *container) error {
	return perlWant(ctx, c, `["0.14285714285714285714", "4722366482869645213695"]`, "/exact")
}

func perlDigest(ctx context.Context, c *container) error {
	return perlWant(ctx, c, `["7239ea2b5dc943f6", "75490f32c06a5005", "86fa5b02aa63fd09", "dGVh"]`, "/digest", "word", "tea")
}

func perlDelivery(ctx context.Context, c *container) error {
	return errors.Join(
		perlWant(ctx, c, "450", "/delivery/post", "grams", "700"),
		perlWant(ctx, c, "370", "/delivery/bicycle", "grams", "700"),
		perlSays(ctx, c, 404, "<p>/delivery/drone führen wir nicht.</p>", "/delivery/drone", "grams", "700"),
	)
}

func perlReport(ctx context.Context, c *container) error {
	return perlWant(ctx, c, `["3345", true, "product"]`, "/report")
}

func perlMail(ctx context.Context, c *container) error {
	return errors.Join(
		perlSays(ctx, c, 200, "Hello Ada,\n1. Große Tasse 8.95 EUR\n2. Teekanne 24.50 EUR\n2024 ODO > quoted\nwe are closed", "/mail", "name", "Ada"),
	)
}

func perlPacked(ctx context.Context, c *container) error {
	return perlWant(ctx, c, `["Löwe", ["a.txt"], [1, 2]]`, "/packed", "text", "Löwe")
}

func perlApart(ctx context.Context, c *container) error {
	return perlWant(ctx, c, `["5\n", 0]`, "/apart", "of", "3 4")
}

func perlWords(ctx context.Context, c *container) error {
	return perlWant(ctx, c, `["water and\nsalt", ["a", "b c"], 10, 59, "[1]"]`, "/words", "text", "water and salt")
}

func perlLinks(ctx context.Context, c *container) error {
	r, err := httpDo(ctx, "POST", perlURL(c, "/links"), nil, strings.NewReader("<a href=b.html>b</a><img src=/c.png>"))
	if err != nil {
		return err
	}
	return r.expectJSON("/links", `["http://shop.example/a/b.html", "http://shop.example/c.png"]`)
}

func perlResolve(ctx context.Context, c *container) error {
	return perlWant(ctx, c, `["127.0.0.1", "I'm a teapot"]`, "/resolve", "name", "localhost")
}
