package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
)

func TestAskTwice(t *testing.T) {
	n, users := 0, map[string]bool{}
	f := newFake(t, map[int]string{80: serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		switch {
		case r.URL.Path == "/clock":
			fmt.Fprint(w, strings.Repeat("x", 100+n))
		case r.Method == "POST" && users["u"]:
			w.WriteHeader(409)
		case r.Method == "POST":
			users["u"] = true
			w.WriteHeader(201)
		case r.URL.Path == "/flaky" && n > 5:
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/users":
			fmt.Fprint(w, len(users))
		default:
			io.WriteString(w, "same")
		}
	})})
	var order []string
	probes := []profile.Probe{
		mustHTTP(t, ":80/users"), mustHTTP(t, "POST :80/users -d u"), mustHTTP(t, ":80/clock"), mustHTTP(t, ":80/flaky"), mustHTTP(t, ":80/"),
	}
	got, err := AskTwice(t.Context(), f, probes, quick(), func(done, of int, p profile.Probe) {
		order = append(order, fmt.Sprintf("%d/%d %s", done, of, Line(p)))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"digest"}, {"status"}, {"digest", "size"}, {"contentType", "digest", "error", "size", "status"}, nil}
	for i, p := range got {
		if !slices.Equal(p.Answer.Volatile, want[i]) {
			t.Errorf("%s: volatile %q, want %q", Line(p), p.Answer.Volatile, want[i])
		}
	}
	if got[1].Answer.Status != 201 || got[3].Answer.Status != 200 {
		t.Errorf("the first answer does not count: %+v", got)
	}
	if len(order) != 10 || order[0] != "0/10 GET :80/users" || order[5] != "5/10 GET :80/users" || order[9] != "9/10 GET :80/" {
		t.Errorf("order %q", order)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := AskTwice(ctx, f, probes, quick(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestCompare(t *testing.T) {
	page := profile.Answer{Status: 200, ContentType: "text/html", Digest: sum("a"), Size: 1}
	with := func(a profile.Answer, change func(*profile.Answer)) profile.Answer { change(&a); return a }
	for _, c := range []struct {
		name      string
		want, got profile.Answer
		diff      string
	}{
		{"same", page, page, ""},
		{"status and body", page, profile.Answer{Status: 500, ContentType: "text/html", Digest: sum("error"), Size: 5}, "status: 200 became 500\ncontent: 1 byte (sha256:ca978112ca1b) became 5 bytes (sha256:ca00fccfb408)"},
		{"type", page, with(page, func(a *profile.Answer) { a.ContentType = "a\x1bb" }), `content type: text/html became "a\x1bb"`},
		{"no answer", page, profile.Answer{Error: "connection refused"}, "answer: one with status 200 became none (connection refused)"},
		{"an answer", profile.Answer{Error: "x"}, profile.Answer{ExitCode: 1}, "answer: none (x) became one"},
		{"other words for no answer", profile.Answer{Error: "connection reset"}, profile.Answer{Error: "connection refused"}, ""},
		{"exit code", profile.Answer{}, profile.Answer{ExitCode: 127}, "exit code: 0 became 127"},
		{"no end", page, with(page, func(a *profile.Answer) { a.Digest, a.Size, a.Volatile = "", 0, []string{"digest"} }), "content: 1 byte (sha256:ca978112ca1b) became one that did not end"},
		{"volatile content", with(page, func(a *profile.Answer) { a.Volatile = []string{"digest"} }), with(page, func(a *profile.Answer) { a.Digest, a.Size = sum("bcd"), 3 }), ""},
		{"volatile content, gone", with(page, func(a *profile.Answer) { a.Volatile = []string{"digest"} }), with(page, func(a *profile.Answer) { a.Digest, a.Size = sum(""), 0 }), "size: 1 byte became 0 bytes"},
		{"volatile everything", with(page, func(a *profile.Answer) { a.Volatile = []string{"digest", "error", "size"} }), profile.Answer{Error: "x"}, ""},
		{"volatile status", with(page, func(a *profile.Answer) { a.Volatile = []string{"status"} }), with(page, func(a *profile.Answer) { a.Status = 409 }), ""},
		{"volatile only now", page, with(page, func(a *profile.Answer) { a.Status, a.Volatile = 500, []string{"status"} }), "status: 200 became 500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, d := range Compare(c.want, c.got) {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(c.diff, strings.Join(got, "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLine(t *testing.T) {
	for want, p := range map[string]profile.Probe{
		"GET :80/":                       {Kind: profile.ProbeHTTP, Method: "GET", Path: "/", Port: 80},
		"GET /":                          {Kind: profile.ProbeHTTP, Method: "GET", Path: "/"},
		"POST https://name:8443/x":       {Kind: profile.ProbeHTTP, Method: "POST", Path: "/x", Port: 8443, TLS: true, Host: "name:1"},
		"tcp :6379":                      {Kind: profile.ProbeTCP, Port: 6379},
		`"exec sh -c a\nb"`:              {Kind: profile.ProbeExec, Argv: []string{"sh", "-c", "a\nb"}},
		"health /ok":                     {Kind: profile.ProbeHealth, Argv: []string{"/ok"}},
		`"GET :80/\x1b[31m"`:             {Kind: profile.ProbeHTTP, Method: "GET", Path: "/\x1b[31m", Port: 80},
		"GET http://name:80/with a host": {Kind: profile.ProbeHTTP, Method: "GET", Path: "/with a host", Port: 80, Host: "name"},
	} {
		if got := Line(p); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A whole workload: ports found, documents and pages read, everything asked
// twice, each question once, the health check last.
func TestRun(t *testing.T) {
	web := site(t, map[string]string{"/": "<a href=/a><a href=/b>", "/a": "a", "/b": "b", "/api/v": "v", "/o": `{"openapi": "3.0.0", "paths": {"/api/v": {"get": {}}, "/no/{x}": {"get": {}}}}`})
	f := newFake(t, map[int]string{8080: web.address(8080), 9000: web.address(8080)})
	doc, err := ParseDocument("http:///o", nil)
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string]int{}
	w := Workload{
		Probes:  []profile.Probe{mustHTTP(t, "/a"), {Kind: profile.ProbeExec, Argv: []string{"echo", "hi"}}, {Kind: profile.ProbeRun, Argv: []string{"sh", "-c", `test "$PARE_PORT $PARE_PORT_2" = "8080 9000"`}}},
		Crawl:   []profile.Probe{mustHTTP(t, "/")},
		OpenAPI: []Document{doc},
		Health:  &Health{Argv: []string{"true"}},
		Exposed: []int{8080, 9000},
		Options: quick(), Progress: func(p Progress) { stages[p.Stage]++ },
	}
	r, err := Run(t.Context(), f, w)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range r.Probes {
		got = append(got, fmt.Sprintf("%s %d %d %s", Line(p), p.Answer.Status, p.Answer.ExitCode, p.Answer.Error))
	}
	want := []string{
		"GET :8080/a 200 0 ", "exec echo hi 0 0 ", `"run sh -c test \"$PARE_PORT $PARE_PORT_2\" = \"8080 9000\"" 0 0 `,
		"GET :8080/o 200 0 ", "GET :8080/api/v 200 0 ", "GET :8080/ 200 0 ", "GET :8080/b 200 0 ", "health true 0 0 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if fmt.Sprint(r.NotAsked) != "[GET /no/{x}: {x} is not described]" || r.Ready != "port 8080 accepts connections" ||
		!slices.Equal(r.Asked, []int{8080}) || !slices.Equal(r.Listening, []int{8080, 9000}) || len(r.Notes) != 0 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(map[string]int{"ready": 1, "openapi": 1, "crawl": 1, "ask": 16}, stages); diff != "" {
		t.Error(diff)
	}
}

func TestRunBatch(t *testing.T) {
	f := newFake(t, nil)
	f.end(0)
	if r, err := Run(t.Context(), f, Workload{}); err != nil || r.Ready != nothingToWaitFor || !(Workload{}).Batch() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRunErrors(t *testing.T) {
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	two := map[int]string{1111: addr, 2222: addr}
	for _, c := range []struct {
		name  string
		ports map[int]string
		w     Workload
		is    error
		want  string
	}{
		{"no variable", two, Workload{Probes: []profile.Probe{mustHTTP(t, "/ -H 'Cookie: $C'")}}, ErrUnset, "export C=... first"},
		{"two ports", two, Workload{Probes: []profile.Probe{mustHTTP(t, "/")}}, ErrNoPort, "asking GET /: which port speaks HTTP is not clear: the workload listens on 1111, 2222; write the port"},
		{"a document that is not there", two, Workload{OpenAPI: []Document{{Name: "x", Base: mustHTTP(t, ":1111/o")}}}, nil, "asking for the OpenAPI document GET :1111/o: status 503"},
		{"a document that is none", two, Workload{OpenAPI: []Document{{Name: "x.yaml", Base: mustHTTP(t, ":1111/"), Data: []byte("a: b")}}}, ErrYAML, "reading the OpenAPI document x.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.w.Options = quick()
			_, err := Run(t.Context(), newFake(t, c.ports), c.w)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A workload that ends while it is asked is no success.
func TestRunEnded(t *testing.T) {
	var f *fake
	var once sync.Once
	f = newFake(t, map[int]string{80: serve(t, func(http.ResponseWriter, *http.Request) { once.Do(func() { f.end(139) }) })})
	r, err := Run(t.Context(), f, Workload{Probes: []profile.Probe{mustHTTP(t, ":80/")}, Options: quick()})
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "exit code 139") || len(r.Probes) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		spec               string
		exposed, listening []int
		want               int
	}{
		{"/", []int{9000}, []int{80, 9000}, 9000},
		{"/", []int{80, 9000}, []int{80, 9000}, 80},
		{"/", []int{443, 8080}, []int{443, 8080}, 8080},
		{"https:///", []int{80, 443}, []int{80, 443}, 443},
		{"/", []int{80}, []int{5555}, 5555},
		{"/", nil, []int{3000, 9229}, 3000},
		{"/", nil, []int{1, 2}, 0},
		{"/", nil, nil, 0},
		{":7/", nil, nil, 7},
	} {
		p := mustHTTP(t, c.spec)
		if err := (Workload{Exposed: c.exposed}).place(&p, c.listening); p.Port != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%s, exposed %v, listening %v: %d, %v; want %d", c.spec, c.exposed, c.listening, p.Port, err, c.want)
		}
	}
}

// A job of an image that is a server otherwise: that it ends before the
// image's ports and HEALTHCHECK say anything is what was to happen; but
// questions that somebody gave want answers.
func TestRunMayEnd(t *testing.T) {
	server := Workload{Exposed: []int{80}, Health: &Health{Argv: []string{"false"}}, Options: quick()}
	for _, c := range []struct {
		name   string
		change func(*Workload)
		ready  string
		is     error
	}{
		{"a job", func(w *Workload) { w.MayEnd = true }, endedByItself, nil},
		{"a server", func(*Workload) {}, "", ErrEnded},
		{"a question", func(w *Workload) { w.MayEnd, w.Probes = true, []profile.Probe{mustHTTP(t, ":80/")} }, "", ErrEnded},
		{"a way to be ready", func(w *Workload) { w.MayEnd, w.Ready.By = true, ByHealth }, "", ErrEnded},
	} {
		f := newFake(t, nil)
		f.end(0)
		f.logW.Close()
		w := server
		c.change(&w)
		if r, err := Run(t.Context(), f, w); r.Ready != c.ready || !errors.Is(err, c.is) {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
	}
}
