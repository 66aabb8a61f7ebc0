package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const rubyPort = 4567

func init() {
	register(app{
		name:    "ruby",
		context: "testdata/images/ruby",
		ports:   []int{rubyPort},
		single:  []string{"--http", "/"},
		smoke:   []string{"/", "PUT /orders/1 -d smoke", "/clock?zone=Europe/Berlin&unix=0"},
		ready: func(ctx context.Context, c *container) error {
			return rubySays(ctx, c, 200, "font-family: serif", "/style.css")
		},
		checks: []check{
			{"a page from templates and the database", rubyPage},
			{"static files, and the page for lost ones", rubyStatic},
			{"an error of its own, loaded when it is raised", rubyBroken},
			{"orders are kept, and replaced", rubyOrders},
			{"a table as CSV", rubyTable},
			{"hours of other places", rubyClock},
			{"Asian and old character sets", rubyEncode},
			{"normal forms", rubyForms},
			{"exact numbers", rubyExact},
			{"digests and keys", rubyDigest},
			{"settings from YAML", rubySettings},
			{"packed text", rubyPacked},
			{"plugins by name, with data of their own", rubyDelivery},
			{"a class that is loaded by its name", rubyReceipt},
			{"XML that is built, through XSLT, and by a schema", rubyXML},
			{"HTML by its newest rules", rubyHTML},
			{"a mail with an attachment", rubyMail},
			{"templates and XML of the standard library", rubyMarkup},
			{"a process of its own", rubyApart},
			{"words that were meant", rubyWords},
			{"names", rubyResolve},
		},
		mutate: []string{
			"/usr/bin/ruby3.1",
			"/usr/bin/puma",
			"/srv/shop/config.ru",
			"/srv/shop/lib/receipt.rb",
			"/srv/shop/lib/trouble.rb",
			"/srv/shop/lib/apart.rb",
			"/srv/shop/plugins/bicycle.rb",
			"/srv/shop/plugins/post.json",
			"/srv/shop/views/lost.erb",
			"/srv/shop/data/line.xsl",
			"/srv/shop/data/products.rng",
			"/var/lib/shop",
			"/usr/lib/ruby/3.1.0/csv.rb",
			"/usr/lib/ruby/3.1.0/psych.rb",
			"/usr/lib/x86_64-linux-gnu/ruby/3.1.0/bigdecimal.so",
			"/usr/lib/x86_64-linux-gnu/ruby/3.1.0/enc/trans/japanese_euc.so",
			"/usr/lib/ruby/vendor_ruby/mail/fields/from_field.rb",
			"/usr/lib/ruby/vendor_ruby/tilt/erb.rb",
			"/usr/share/zoneinfo/Asia/Kathmandu",
		},
	})
}

func rubyURL(c *container, path string, query ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return "http://" + c.addr(rubyPort) + path + "?" + values.Encode()
}

// rubySays compares the status and a part of the body.
func rubySays(ctx context.Context, c *container, code int, part, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", rubyURL(c, path, query...), nil, nil)
	if err == nil {
		err = r.expect(code, nil, part)
	}
	if err != nil {
		err = fmt.Errorf("%s %q: %w", path, query, err)
	}
	return err
}

// rubyWant compares the one element of the answer's array, as JSON.
func rubyWant(ctx context.Context, c *container, want, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", rubyURL(c, path, query...), nil, nil)
	if err != nil {
		return err
	}
	return r.expectJSON(path, "["+want+"]")
}

func rubyPage(ctx context.Context, c *container) error {
	return rubySays(ctx, c, 200, "<title>Zum goldenen Löwen</title>\n<body><ul><li>Große Tasse: 895</li><li>Teekanne: 2450</li></ul>", "/")
}

func rubyStatic(ctx context.Context, c *container) error {
	return errors.Join(
		rubySays(ctx, c, 200, "font-family: serif", "/style.css"),
		rubySays(ctx, c, 404, "<p>Das führen wir nicht.</p>", "/no/such"),
	)
}

func rubyBroken(ctx context.Context, c *container) error {
	return rubySays(ctx, c, 500, "<p>Shop::Trouble: zu viel Tee</p>", "/broken", "text", "zu viel Tee")
}

func rubyOrders(ctx context.Context, c *container) error {
	for _, order := range []string{"2 Teekannen", "3 Tassen"} {
		r, err := httpDo(ctx, "PUT", rubyURL(c, "/orders/7"), nil, strings.NewReader(order))
		if err == nil {
			err = r.expect(204, nil, "")
		}
		if err == nil {
			err = rubySays(ctx, c, 200, order, "/orders/7")
		}
		if err != nil {
			return err
		}
	}
	return rubySays(ctx, c, 404, "<p>Das führen wir nicht.</p>", "/orders/99")
}

func rubyTable(ctx context.Context, c *container) error {
	return rubySays(ctx, c, 200, "Große Tasse,895\nTeekanne,2450\n", "/table.csv")
}

func rubyClock(ctx context.Context, c *container) error {
	return errors.Join(
		rubyWant(ctx, c, `["2024-07-01T17:45:00+05:45", "+0545", 60]`, "/clock", "unix", "1719835200", "zone", "Asia/Kathmandu"),
		rubyWant(ctx, c, `["2015-01-01T01:00:00+01:00", "CET", 60]`, "/clock", "unix", "1420070400", "zone", "Europe/Berlin"),
	)
}

func rubyEncode(ctx context.Context, c *container) error {
	return errors.Join(
		rubyWant(ctx, c, `"c3e3"`, "/encode", "to", "EUC-JP", "text", "茶"),
		rubyWant(ctx, c, `"b0d3a9b1"`, "/encode", "to", "Big5", "text", "商店"),
		rubyWant(ctx, c, `"b0a1b0d4"`, "/encode", "to", "EUC-KR", "text", "가게"),
		rubyWant(ctx, c, `"d3cfccd8"`, "/encode", "to", "KOI8-R", "text", "соль"),
		rubyWant(ctx, c, `"feff00e9"`, "/encode", "to", "UTF-16", "text", "é"),
	)
}

func rubyForms(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, "6", "/forms", "text", "öﬁé")
}

func rubyExact(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `["0.142857142857", 5, [[2, 3], [3, 2], [5, 1]]]`, "/exact")
}

func rubyDigest(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `["bef801bf86cddac7", "bb54b46c14a93915", "88ab5881baf186dd", 16]`, "/digest", "word", "tea")
}

func rubySettings(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `{"opened": "2024-07-01", "hours": [9, 18]}`, "/settings")
}

func rubyPacked(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `"Löwe"`, "/packed", "text", "Löwe")
}

func rubyDelivery(ctx context.Context, c *container) error {
	return errors.Join(
		rubyWant(ctx, c, "450", "/delivery/post", "grams", "700"),
		rubyWant(ctx, c, "370", "/delivery/bicycle", "grams", "700"),
		rubySays(ctx, c, 404, "<p>Das führen wir nicht.</p>", "/delivery/drone", "grams", "700"),
	)
}

func rubyReceipt(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `"33.45 of [[\"Große Tasse\", 895], [\"Teekanne\", 2450]]"`, "/receipt")
}

func rubyXML(ctx context.Context, c *container) error {
	errs := []error{
		rubySays(ctx, c, 200, `<product cents="895">Große Tasse</product>`, "/feed"),
		rubySays(ctx, c, 200, "Große Tasse: 895\nTeekanne: 2450\nsum 3345", "/report"),
	}
	for body, want := range map[string]string{
		"<products><product cents='1'>Tee</product></products>": "[true]",
		"<products><product>Tee</product></products>":           "[false]",
	} {
		r, err := httpDo(ctx, "POST", rubyURL(c, "/valid"), map[string]string{"Content-Type": "application/xml"}, strings.NewReader(body))
		if err == nil {
			err = r.expectJSON("/valid", want)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func rubyHTML(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `["two", "a"]`, "/page")
}

func rubyMail(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `["Größe", 2, "text/plain", ["shop@example.com"]]`, "/mail")
}

func rubyMarkup(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `["2", "&lt;a&gt;", "x"]`, "/markup")
}

func rubyApart(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `["5.0", 0]`, "/apart", "of", "3 4")
}

func rubyWords(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `["big", ["kettle"], 3]`, "/words", "text", "big kettle")
}

func rubyResolve(ctx context.Context, c *container) error {
	return rubyWant(ctx, c, `[true, true, "GET"]`, "/resolve", "name", "localhost")
}
