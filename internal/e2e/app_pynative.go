package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // for image.DecodeConfig
	_ "image/jpeg" // for image.DecodeConfig
	_ "image/png"  // for image.DecodeConfig
	"net/url"
	"strings"
)

const pynativePort = 8000

func init() {
	register(app{
		name:    "pynative",
		context: "testdata/images/pynative",
		ports:   []int{pynativePort},
		single:  []string{"--http", "/"},
		smoke: []string{
			"/",
			"/picture?form=PNG&width=24",
			"PUT /series/smoke -d [1]",
		},
		ready: func(ctx context.Context, c *container) error {
			return pynativeJSON(ctx, c, `{"x": [2, 3], "det": 5}`, "/solve", "of", "9 8")
		},
		checks: []check{
			{"a page, and the page for lost ones", pynativePage},
			{"linear algebra, Fourier, random numbers", pynativeAlgebra},
			{"polynomials and masked arrays", pynativePolynomials},
			{"series are kept", pynativeSeries},
			{"packed arrays", pynativePacked},
			{"tables as CSV, rows of SQLite", pynativeTables},
			{"exact statistics", pynativeStatistics},
			{"a calculation in a process of its own", pynativeApart},
			{"pictures in seven formats", pynativeFormats},
			{"pictures that are read", pynativeLook},
			{"text in a font of its own", pynativeText},
			{"colour profiles and filters", pynativeColour},
			{"style sheets with extensions", pynativeStyle},
			{"three languages of schemas", pynativeSchemas},
			{"HTML, cleaned and with its links", pynativeHTML},
			{"XML as objects, built, and by the standard library", pynativeXML},
			{"hours of other places", pynativeClock},
			{"character sets", pynativeEncode},
			{"archives", pynativeArchives},
			{"words and settings", pynativeWords},
		},
		mutate: []string{
			"/srv/lab/lab/apart.py",
			"/srv/lab/lab/templates/lost.html",
			"/srv/lab/fonts/DejaVuSans.ttf",
			"/srv/lab/styles/kinds.xsl",
			"/srv/lab/styles/sample.xsd",
			"/var/lib/lab",
			"/usr/bin/python3",
			"/usr/lib/python3/dist-packages/PIL/TiffImagePlugin.py",
			"/usr/lib/python3/dist-packages/PIL/_imagingft.cpython-311-x86_64-linux-gnu.so",
			"/usr/lib/python3/dist-packages/lxml/isoschematron/resources/xsl/RNG2Schtrn.xsl",
			"/usr/lib/python3/dist-packages/lxml/objectify.cpython-311-x86_64-linux-gnu.so",
			"/usr/lib/python3/dist-packages/numpy/fft/_pocketfft_internal.cpython-311-x86_64-linux-gnu.so",
			"/usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so",
			"/usr/lib/python3.11/encodings/koi8_r.py",
			"/usr/lib/x86_64-linux-gnu/libexslt.so.0",
			"/usr/share/zoneinfo/Asia/Kathmandu",
		},
	})
}

func pynativeURL(c *container, path string, query ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return "http://" + c.addr(pynativePort) + path + "?" + values.Encode()
}

// pynativeJSON compares the whole answer as JSON.
func pynativeJSON(ctx context.Context, c *container, want, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", pynativeURL(c, path, query...), nil, nil)
	if err != nil {
		return err
	}
	return r.expectJSON(path, want)
}

// pynativePost sends a body and compares status and a part of the answer.
func pynativePost(ctx context.Context, c *container, body, want, path string, query ...string) error {
	r, err := httpDo(ctx, "POST", pynativeURL(c, path, query...), nil, strings.NewReader(body))
	if err == nil {
		err = r.expect(200, nil, want)
	}
	if err != nil {
		err = fmt.Errorf("%s %q: %w", path, query, err)
	}
	return err
}

// pynativeSays compares the status and a part of the body.
func pynativeSays(ctx context.Context, c *container, code int, part, path string, query ...string) error {
	r, err := httpDo(ctx, "GET", pynativeURL(c, path, query...), nil, nil)
	if err == nil {
		err = r.expect(code, nil, part)
	}
	if err != nil {
		err = fmt.Errorf("%s %q: %w", path, query, err)
	}
	return err
}

func pynativePage(ctx context.Context, c *container) error {
	return errors.Join(
		pynativeSays(ctx, c, 200, "<title>The laboratory</title>\n<body><p>mean 4.50</p>\n<footer>The laboratory</footer>", "/"),
		pynativeSays(ctx, c, 404, "<p>There is no such experiment.</p>", "/no/such"),
	)
}

func pynativeAlgebra(ctx context.Context, c *container) error {
	return errors.Join(
		pynativeJSON(ctx, c, `{"x": [2, 3], "det": 5}`, "/solve", "of", "9 8"),
		pynativeJSON(ctx, c, `[10, 2.828427, 2]`, "/spectrum", "of", "1 2 3 4"),
		pynativeJSON(ctx, c, `[94, 62, 68, 89, 57]`, "/draws"),
	)
}

func pynativePolynomials(ctx context.Context, c *container) error {
	return errors.Join(
		pynativeJSON(ctx, c, `[1, 2]`, "/roots", "of", "2 -3 1"),
		pynativeJSON(ctx, c, `3`, "/masked", "of", "-1 2 4"),
	)
}

func pynativeSeries(ctx context.Context, c *container) error {
	for _, series := range []string{"[1, 2]", "[3]"} {
		r, err := httpDo(ctx, "PUT", pynativeURL(c, "/series/tide"), nil, strings.NewReader(series))
		if err == nil {
			err = r.expect(204, nil, "")
		}
		if err == nil {
			err = pynativeJSON(ctx, c, series, "/series/tide")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func pynativePacked(ctx context.Context, c *container) error {
	return pynativeJSON(ctx, c, `{"members": ["a"], "first": 2.5}`, "/series.npz", "of", "2.5 7")
}

func pynativeTables(ctx context.Context, c *container) error {
	return errors.Join(
		pynativeSays(ctx, c, 200, "1.0,2.5\r\n3.0,4.0\r\n", "/table.csv", "of", "1 2.5 3 4"),
		pynativeJSON(ctx, c, `[3, 7, "1.0/2.0/4.0"]`, "/rows", "of", "1 2 4"),
	)
}

func pynativeStatistics(ctx context.Context, c *container) error {
	return pynativeJSON(ctx, c, `{"mean": "0.5", "median": "1/2", "exact": "0.1428571428571428571428571429"}`, "/statistics", "of", "1/4 1/2 3/4")
}

func pynativeApart(ctx context.Context, c *container) error {
	return pynativeJSON(ctx, c, `5`, "/apart", "of", "3 4")
}

// pynativePictures are formats and how a picture of each begins.
var pynativePictures = map[string]string{
	"PNG": "\x89PNG\r\n", "JPEG": "\xff\xd8\xff", "GIF": "GIF8", "WEBP": "RIFF",
	"TIFF": "II*\x00", "BMP": "BM", "JPEG2000": "\x00\x00\x00\x0cjP  ",
}

// pynativePicture asks for a picture of 24 by 12.
func pynativePicture(ctx context.Context, c *container, form string) (string, error) {
	r, err := httpDo(ctx, "GET", pynativeURL(c, "/picture", "form", form), nil, nil)
	if err == nil {
		err = r.expect(200, nil, "")
	}
	if err == nil && !strings.HasPrefix(r.body, pynativePictures[form]) {
		err = fmt.Errorf("it begins with %.12q", r.body)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", form, err)
	}
	return r.body, err
}

func pynativeFormats(ctx context.Context, c *container) error {
	var errs []error
	for _, form := range []string{"BMP", "GIF", "JPEG", "JPEG2000", "PNG", "TIFF", "WEBP"} {
		body, err := pynativePicture(ctx, c, form)
		errs = append(errs, err)
		if err != nil || (form != "GIF" && form != "JPEG" && form != "PNG") {
			continue
		}
		is, name, err := image.DecodeConfig(bytes.NewReader([]byte(body)))
		if err != nil || !strings.EqualFold(name, form) || is.Width != 24 || is.Height != 12 {
			errs = append(errs, fmt.Errorf("%s: it is a %s of %d by %d: %w", form, name, is.Width, is.Height, err))
		}
	}
	return errors.Join(errs...)
}

func pynativeLook(ctx context.Context, c *container) error {
	const ppm = "P6 1 1 255\nabc"
	errs := []error{pynativePost(ctx, c, ppm, `{"form":"PPM","mode":"RGB","size":[1,1]}`, "/look")}
	for _, form := range []string{"JPEG2000", "TIFF", "WEBP"} {
		body, err := pynativePicture(ctx, c, form)
		if err == nil {
			err = pynativePost(ctx, c, body, `{"form":"`+form+`","mode":"RGB","size":[24,12]}`, "/look")
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func pynativeText(ctx context.Context, c *container) error {
	return pynativeJSON(ctx, c, `{"family": ["DejaVu Sans", "Book"], "dark": true}`, "/text", "of", "Löwe")
}

func pynativeColour(ctx context.Context, c *container) error {
	return errors.Join(
		pynativeJSON(ctx, c, `["sRGB built-in", 255]`, "/colour"),
		pynativeJSON(ctx, c, `true`, "/sharp"),
	)
}

func pynativeStyle(ctx context.Context, c *container) error {
	return pynativeSays(ctx, c, 200, "salt: 3\nacid: 4\nmost 4, padded ***", "/samples")
}

func pynativeSchemas(ctx context.Context, c *container) error {
	const sample, wrong = "<sample kind='salt'>3</sample>", "<samples><sample>x</sample></samples>"
	var errs []error
	for _, by := range []string{"relaxng", "schema", "schematron"} {
		errs = append(errs, pynativePost(ctx, c, "<samples>"+sample+"</samples>", "true", "/valid", "by", by))
		bad := wrong
		if by == "schematron" {
			bad = "<samples>" + sample + sample + sample + "</samples>"
		}
		errs = append(errs, pynativePost(ctx, c, bad, "false", "/valid", "by", by))
	}
	return errors.Join(errs...)
}

func pynativeHTML(ctx context.Context, c *container) error {
	return errors.Join(
		pynativePost(ctx, c, "<p><a href='b.html'>b</a><img src=/c.png>", `["http://lab.example/a/b.html","http://lab.example/c.png"]`, "/links"),
		pynativePost(ctx, c, "<p onclick='x()'>ok<script>x()</script></p>", "<p>ok</p>", "/clean"),
	)
}

func pynativeXML(ctx context.Context, c *container) error {
	return errors.Join(
		pynativeJSON(ctx, c, `{"sum": 7, "kinds": ["salt", "acid"]}`, "/object"),
		pynativeSays(ctx, c, 200, `<report by="lab"><p>done</p></report>`, "/built"),
		pynativeSays(ctx, c, 200, "\n <sample kind=\"salt\">3</sample>\n", "/feed"),
	)
}

func pynativeClock(ctx context.Context, c *container) error {
	return errors.Join(
		pynativeJSON(ctx, c, `["2024-07-01T17:45:00+05:45", "+0545"]`, "/clock", "unix", "1719835200", "zone", "Asia/Kathmandu"),
		pynativeJSON(ctx, c, `["2024-07-01T14:00:00+02:00", "CEST"]`, "/clock", "unix", "1719835200", "zone", "Europe/Berlin"),
	)
}

func pynativeEncode(ctx context.Context, c *container) error {
	return errors.Join(
		pynativeJSON(ctx, c, `"d3cfccd8"`, "/encode", "to", "koi8_r", "text", "соль"),
		pynativeJSON(ctx, c, `"8996"`, "/encode", "to", "shift_jis", "text", "塩"),
		pynativeJSON(ctx, c, `"fffe0000e9000000"`, "/encode", "to", "utf_32", "text", "é"),
	)
}

func pynativeArchives(ctx context.Context, c *container) error {
	return pynativeJSON(ctx, c, `["salt", ["b.txt"]]`, "/zip", "text", "salt")
}

func pynativeWords(ctx context.Context, c *container) error {
	return errors.Join(
		pynativeJSON(ctx, c, `[["sulfate"], ["acid", "sulfate", "water"]]`, "/diff", "text", "acid sulfate water"),
		pynativeJSON(ctx, c, `[1, {"x": [1, 2]}]`, "/settings"),
	)
}
