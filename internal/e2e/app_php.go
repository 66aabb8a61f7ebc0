package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const phpPort = 8080

func init() {
	register(app{
		name:    "php",
		context: "testdata/images/php",
		ports:   []int{phpPort},
		single:  []string{"--http", "/static/style.css"},
		smoke: []string{
			"/",
			"PUT /orders/1 -d smoke",
			"/encode?to=ISO-8859-1&text=a",
		},
		ready: func(ctx context.Context, c *container) error {
			return phpSays(ctx, c, 404, "", "/no/such")
		},
		checks: []check{
			{"a page from nested templates and the database", phpPage},
			{"static files by the server in front", phpStatic},
			{"the pages for what is lost or broken", phpErrors},
			{"orders are kept, and replaced", phpOrders},
			{"sessions count", phpCart},
			{"pictures in five formats, text in a font", phpPictures},
			{"dates by language, hours of other places", phpWhen},
			{"money by language", phpMoney},
			{"the order of words, normal forms, other scripts", phpSorted},
			{"words with choices", phpGreet},
			{"Asian and old character sets", phpEncode},
			{"carriers of a package, with data of their own", phpDelivery},
			{"XML through XSLT, and by a schema", phpXML},
			{"a mail from macros and filters", phpMail},
			{"templates of strangers in a sandbox", phpSafe},
			{"digests and ciphers", phpDigest},
			{"archives, and what kind a file is", phpPacked},
			{"a name of /etc/hosts", phpResolve},
		},
		mutate: []string{
			"/usr/sbin/php-fpm8.2",
			"/usr/sbin/nginx",
			"/bin/sh",
			"/etc/php/8.2/fpm/pool.d/www.conf",
			"/etc/php/8.2/fpm/conf.d/20-intl.ini",
			"/etc/nginx/fastcgi_params",
			"/srv/shop/vendor/autoload.php",
			"/srv/shop/vendor/composer/autoload_static.php",
			"/srv/shop/vendor/example/shipping/src/Bicycle.php",
			"/srv/shop/vendor/example/shipping/data/post.json",
			"/srv/shop/src/Answers/Mail.php",
			"/srv/shop/src/Trouble.php",
			"/srv/shop/words/de.php",
			"/srv/shop/templates/macros.twig",
			"/srv/shop/templates/lost.html.twig",
			"/srv/shop/sheets/line.xsl",
			"/srv/shop/fonts/DejaVuSans.ttf",
			"/var/lib/shop",
			"/usr/share/php/Twig/autoload.php",
			"/usr/share/php/Twig/Sandbox/SecurityPolicy.php",
			"/usr/share/php/Twig/Extension/StringLoaderExtension.php",
			"/usr/lib/php/20220829/xsl.so",
			"/usr/lib/x86_64-linux-gnu/gconv/EUC-JP.so",
			"/usr/share/zoneinfo/Asia/Kathmandu",
		},
	})
}

func phpURL(c *container, path string, query ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return "http://" + c.addr(phpPort) + path + "?" + values.Encode()
}

// phpSays compares the status and a part of the body.
func phpSays(ctx context.Context, c *container, code int, part, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", phpURL(c, path, query...), nil, nil)
	if err == nil {
		err = r.expect(code, nil, part)
	}
	if err != nil {
		err = fmt.Errorf("%s %q: %w", path, query, err)
	}
	return err
}

// phpWant compares the whole answer as JSON.
func phpWant(ctx context.Context, c *container, want, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", phpURL(c, path, query...), nil, nil)
	if err != nil {
		return err
	}
	return r.expectJSON(path, want)
}

func phpPage(ctx context.Context, c *container) error {
	return phpSays(ctx, c, 200, "<title>Zum goldenen Löwen</title>\n<body><ul><li>Große Tasse: 895</li><li>Teekanne: 2450</li></ul><p>01.07.2024 14:00</p></body>", "/")
}

func phpStatic(ctx context.Context, c *container) error {
	return errors.Join(
		phpSays(ctx, c, 200, "font-family: serif", "/static/style.css"),
		phpSays(ctx, c, 404, "nginx", "/static/no-such.css"),
	)
}

func phpErrors(ctx context.Context, c *container) error {
	return errors.Join(
		phpSays(ctx, c, 404, "<p>/no/such führen wir nicht.</p>", "/no/such"),
		phpSays(ctx, c, 500, "<title>500</title>\n<body><p>ZU VIEL TEE</p>", "/broken", "text", "zu viel Tee"),
	)
}

func phpOrders(ctx context.Context, c *container) error {
	for _, order := range []string{"2 Teekannen", "3 große Tassen"} {
		r, err := httpDo(ctx, "PUT", phpURL(c, "/orders/7"), nil, strings.NewReader(order))
		if err == nil {
			err = r.expect(204, nil, "")
		}
		if err == nil {
			err = phpSays(ctx, c, 200, order, "/orders/7")
		}
		if err != nil {
			return err
		}
	}
	return phpSays(ctx, c, 404, "<p>99 führen wir nicht.</p>", "/orders/99")
}

func phpCart(ctx context.Context, c *container) error {
	first, err := httpDo(ctx, "GET", phpURL(c, "/cart"), nil, nil)
	if err != nil {
		return err
	}
	cookie, _, _ := strings.Cut(first.header.Get("Set-Cookie"), ";")
	second, err := httpDo(ctx, "GET", phpURL(c, "/cart"), map[string]string{"Cookie": cookie}, nil)
	if err != nil {
		return err
	}
	return errors.Join(first.expectJSON("/cart", "1"), second.expectJSON("/cart", "2"))
}

func phpPictures(ctx context.Context, c *container) error {
	errs := []error{phpWant(ctx, c, "true", "/label", "text", "Löwe")}
	for _, form := range []string{"bmp", "gif", "jpeg", "png", "webp"} {
		errs = append(errs, phpWant(ctx, c, `["image/`+form+`", 24, 12]`, "/thumb/"+form))
	}
	return errors.Join(errs...)
}

func phpWhen(ctx context.Context, c *container) error {
	return errors.Join(
		phpWant(ctx, c, `["2024-07-01T17:45:00+05:45 +0545", "Montag, 1. Juli 2024 um 17:45"]`, "/when", "unix", "1719835200", "zone", "Asia/Kathmandu"),
		phpWant(ctx, c, `["2024-07-01T08:00:00-04:00 -04", "lundi 1 juillet 2024 à 08:00"]`, "/when", "unix", "1719835200", "zone", "America/Caracas", "lang", "fr_FR"),
	)
}

func phpMoney(ctx context.Context, c *container) error {
	return errors.Join(
		phpWant(ctx, c, "\"1.234,50\u00a0€\"", "/money", "lang", "de_DE", "in", "EUR"),
		phpWant(ctx, c, `"￥1,234"`, "/money", "lang", "ja_JP", "in", "JPY"),
	)
}

func phpSorted(ctx context.Context, c *container) error {
	return errors.Join(
		phpWant(ctx, c, `[["zebra", "ål", "öl"], "é", "ol al zebra"]`, "/sorted", "lang", "sv", "words", "öl ål zebra"),
		phpWant(ctx, c, `[["ål", "öl", "zebra"], "é", "ol al zebra"]`, "/sorted", "lang", "de", "words", "öl ål zebra"),
	)
}

func phpGreet(ctx context.Context, c *container) error {
	return errors.Join(
		phpWant(ctx, c, `"2 Stücke"`, "/greet", "lang", "de", "n", "2"),
		phpWant(ctx, c, `"One item"`, "/greet", "lang", "en", "n", "1"),
	)
}

func phpEncode(ctx context.Context, c *container) error {
	return errors.Join(
		phpWant(ctx, c, `["b0a1b0d4", "b0a1b0d4"]`, "/encode", "to", "EUC-KR", "text", "가게"),
		phpWant(ctx, c, `["c3e3", "c3e3"]`, "/encode", "to", "EUC-JP", "text", "茶"),
		phpWant(ctx, c, `["e3c5c5", "544545"]`, "/encode", "to", "IBM500", "mb", "ASCII", "text", "TEE"),
	)
}

func phpDelivery(ctx context.Context, c *container) error {
	return errors.Join(
		phpWant(ctx, c, "450", "/delivery/post", "grams", "700"),
		phpWant(ctx, c, "370", "/delivery/bicycle", "grams", "700"),
		phpSays(ctx, c, 404, "<p>drone führen wir nicht.</p>", "/delivery/drone", "grams", "700"),
	)
}

func phpXML(ctx context.Context, c *container) error {
	errs := []error{phpSays(ctx, c, 200, "Große Tasse: 895\nTeekanne: 2450\nsum 3345", "/report")}
	for body, want := range map[string]string{
		"<products><product cents='1'>Tee</product></products>": "true",
		"<products><product>Tee</product></products>":           "false",
	} {
		r, err := httpDo(ctx, "POST", phpURL(c, "/valid"), nil, strings.NewReader(body))
		if err == nil {
			err = r.expectJSON("/valid", want)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func phpMail(ctx context.Context, c *container) error {
	return errors.Join(
		phpSays(ctx, c, 200, "Hello Ada Lovelace,\n1. Teekanne     24,50 EUR\n2. Große Tasse 8,95 EUR\nsum 33,45 EUR", "/mail", "name", "ada lovelace"),
		phpSays(ctx, c, 200, `ab cd a\u0027b adA 1 Jul 2024`, "/mail", "name", "Ada"),
		phpSays(ctx, c, 200, "1-2-3 14", "/mail", "name", "Ada"),
	)
}

func phpSafe(ctx context.Context, c *container) error {
	return errors.Join(
		phpWant(ctx, c, `"TEE"`, "/safe", "template", "{% if 1 %}{{ 'tee'|upper }}{% endif %}"),
		phpWant(ctx, c, `"Twig\\Sandbox\\SecurityNotAllowedFilterError"`, "/safe", "template", "{{ 'tee'|lower }}"),
	)
}

func phpDigest(ctx context.Context, c *container) error {
	return phpWant(ctx, c, `["b9fbb2c10201d480",
		"8c9b4ac7a6174c8296e0a6b9cfc3d25719eae22fddcc4b4ea1227e3350cae2417f56f7b27fa02c26f94c7f2ad95ceefd55c0b3a5a9ee3fe6ef124f1fa990573a",
		"88ab5881baf186dd", true, "aee199"]`, "/digest", "word", "tea")
}

func phpPacked(ctx context.Context, c *container) error {
	return phpWant(ctx, c, `["Tee", "Tee", "image/png"]`, "/packed", "text", "Tee")
}

func phpResolve(ctx context.Context, c *container) error {
	return phpWant(ctx, c, `"127.0.0.1"`, "/resolve", "name", "localhost")
}
