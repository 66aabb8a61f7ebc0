package probe

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
)

func TestLinks(t *testing.T) {
	for _, c := range []struct{ page, base, want string }{
		{page: `<a href="/a">x</a><A HREF='b?x=1&amp;y=2'><a href=c><a name=d>`, want: "/a b?x=1&y=2 c"},
		{page: `<!-- <a href="/no"> --><script src="/s.js">"<a href='/no'>"</script><img src=i.png srcset="j.png 1x, k.png 2x">`, want: "/s.js i.png j.png k.png"},
		{page: `<style>a{background:url( "x.png" )} /* url(no) */ @import 'y.css';</style><p style="background:url(z.png)">`, want: "x.png y.css z.png"},
		{page: `<form action="/get"><form method=POST action="/post"><form action="/m" method="get"><a data-method="delete" href="/del">`, want: "/get /m"},
		{page: `<base href="/sub/"><base href="/other/"><link href=a>`, base: "/sub/", want: "a"},
		{page: `<meta http-equiv="Refresh" content="0; url='/next'"><meta content="a=/no"><object data=o><div data=no><video poster=p>`, want: "/next o p"},
		{page: `<title><a href=no></title><textarea><a href=no></TEXTAREA><a href=yes`, want: "yes"},
		{page: `a < b <a/href=x><a href="unclosed>`, want: "x unclosed>"},
		{page: `<`, want: ""},
		{page: `<a `, want: ""},
		{page: `<a =x href= >`, want: ""},
		{page: `<script>`, want: ""},
		{page: `<a href="x" href="y">`, want: "x y"},
		{page: strings.Repeat("<a href=x>", maxLinks+10), want: strings.TrimSpace(strings.Repeat("x ", maxLinks))},
	} {
		found, base := links(c.page)
		found = slices.DeleteFunc(found, func(s string) bool { return s == "" })
		if got := strings.Join(found, " "); got != c.want || base != c.base {
			t.Errorf("%.100s: %.200q base %q, want %.200q base %q", c.page, got, base, c.want, c.base)
		}
	}
}

// site serves pages by request URI; others are 404.
func site(t *testing.T, pages map[string]string) *fake {
	return newFake(t, map[int]string{8080: serve(t, func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.RequestURI()]
		switch to, redirect := strings.CutPrefix(page, "-> "); {
		case !ok:
			http.NotFound(w, r)
		case redirect:
			w.Header().Set("Location", to)
			w.WriteHeader(301)
		case strings.HasSuffix(r.URL.Path, ".css"):
			w.Header().Set("Content-Type", "text/css")
			io.WriteString(w, page)
		default:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, page)
		}
	})})
}

func crawled(c Crawled) []string {
	var out []string
	for _, p := range c.Probes {
		out = append(out, fmt.Sprintf("%s %d", p.Path, p.Answer.Status))
	}
	return out
}

func TestCrawl(t *testing.T) {
	f := site(t, map[string]string{
		"/": `<link href="style.css"><a href="/docs/">d</a><a href="#top">t</a><a href="/">self</a><a href="//other.example/x">o</a>
			<a href="http://localhost:8080/abs#frag">a</a><a href="https://localhost:8080/tls">t</a><a href="mailto:a@b">m</a>
			<a href="/logout">l</a><a href="/x?action=sign_out">l</a><a href="/item/1/delete">d</a><img src="/icons/delete.svg">
			<a href="javascript:alert(1)">j</a><a href="/missing">m</a><a href="http://u:p@localhost:8080/user">u</a><a href="a b">sp</a><a href="/bad%zz">`,
		"/style.css":         `@import "more.css"; body { background: url(bg.png) }`,
		"/docs/":             `<base href="/base/"><a href="rel">r</a><a href="../loop">l</a>`,
		"/loop":              "-> /loop2",
		"/loop2":             "-> http://127.0.0.1:8080/loop",
		"/abs":               "-> http://elsewhere.example/",
		"/base/rel":          "text <a href='/'>home</a>",
		"/icons/delete.svg":  "",
		"/a%20b":             "",
		"/more.css":          "",
		"/logout":            "never",
		"/item/1/delete":     "never",
		"/x?action=sign_out": "never",
	})
	want := []string{
		"/ 200", "/style.css 200", "/docs/ 200", "/abs 301", "/icons/delete.svg 200", "/missing 404", "/a%20b 200",
		"/more.css 200", "/bg.png 404", "/base/rel 200", "/loop 301", "/loop2 301",
	}
	for range 2 {
		got, err := Crawl(t.Context(), f, mustHTTP(t, ":8080/"), CrawlLimits{}, quick())
		if diff := cmp.Diff(want, crawled(got)); err != nil || diff != "" || got.Left != 0 || got.Why != "" {
			t.Errorf("%v, left %d %s\n%s", err, got.Left, got.Why, diff)
		}
	}
}

// A site without an end, in pages, depth, queries, size or time.
func TestCrawlBounds(t *testing.T) {
	n := 0
	f := newFake(t, map[int]string{8080: serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Content-Type", "text/html")
		switch r.URL.Path {
		case "/wide":
			for i := range 100 {
				fmt.Fprintf(w, "<a href=/leaf%d>", i)
			}
		case "/calendar":
			fmt.Fprintf(w, "<a href=/calendar?page=%d><a href=/calendar?n=%d>", n, n)
		case "/huge":
			io.WriteString(w, "<a href=/first>"+strings.Repeat(" ", maxPage)+"<a href=/last>")
		case "/slow":
			time.Sleep(30 * time.Millisecond)
			fmt.Fprintf(w, "<a href=/slow?%d>", n)
		default:
			if strings.HasPrefix(r.URL.Path, "/deep") {
				fmt.Fprintf(w, "<a href=%s/x>", r.URL.Path)
			}
		}
	})})
	for _, c := range []struct {
		start  string
		limits CrawlLimits
		asked  int
		why    string
	}{
		{"/wide", CrawlLimits{Pages: 10}, 10, "the crawl has 10 questions"},
		{"/deep", CrawlLimits{Depth: 3}, 4, "the crawl goes 3 links deep, and takes 8 queries of one path"},
		{"/calendar", CrawlLimits{Depth: 100}, 9, "the crawl goes 100 links deep, and takes 8 queries of one path"},
		{"/huge", CrawlLimits{}, 2, ""},
		{"/slow", CrawlLimits{Time: 100 * time.Millisecond, Depth: 100}, -1, "the crawl has 100ms"},
	} {
		t.Run(c.start, func(t *testing.T) {
			o := quick()
			o.MaxBody = 0
			got, err := Crawl(t.Context(), f, mustHTTP(t, ":8080"+c.start), c.limits, o)
			if err != nil || got.Why != c.why || (got.Left > 0) != (c.why != "") || c.asked >= 0 && len(got.Probes) != c.asked {
				t.Errorf("%v: %d asked, %d left: %s; want %d, %s", err, len(got.Probes), got.Left, got.Why, c.asked, c.why)
			}
		})
	}
	if _, err := Crawl(t.Context(), f, mustHTTP(t, "POST :8080/"), CrawlLimits{}, quick()); err == nil {
		t.Error("a crawl began with a POST")
	}
}

func FuzzLinks(f *testing.F) {
	f.Add(`<base href="/x/"><a href='a&amp;b'><style>url("x")</style><script><!--`)
	f.Add(`<img srcset="a 1x, b 2x"><meta http-equiv=refresh content=0;url=/><a href="http://localhost:1/../../x?y#z">`)
	c := &crawl{start: profile.Probe{Kind: profile.ProbeHTTP, Method: "GET", Path: "/", Port: 80}}
	f.Fuzz(func(t *testing.T, page string) {
		found, base := links(page)
		for _, ref := range slices.Concat(found, cssLinks(page), []string{base, page}) {
			path, ok := c.resolve("/dir/page?x", ref)
			if !ok {
				continue
			}
			if _, err := checkPath(path); err != nil || !strings.HasPrefix(path, "/") || harmful(path) {
				t.Fatalf("%q gives %q: %v", ref, path, err)
			}
		}
	})
}
