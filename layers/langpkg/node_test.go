package langpkg

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// nodeImage has every way in which a package says where its code is.
const nodeImage = `
-- layer --
file app/package.json "{\"name\":\"shop\",\"version\":\"1\",\"imports\":{\"#db\":{\"node\":\"./db.js\",\"default\":\"./db-web.js\"},\"#dep\":\"plain\",\"#lib/*.js\":\"./lib/*.js\",\"#up\":\"../x.js\"}}"
file app/db.js
file app/db-web.js
file app/main.js
file app/lib/a.js
file app/lib/b.json
file app/lib/native.node
file app/lib/exact
file app/lib/dir/index.js
file app/lib/dir2/package.json "{\"main\":\"./start\"}"
file app/lib/dir2/start.js
file app/lib/dir3/package.json "{\"main\":\"./gone\"}"
file app/lib/dir3/index.json
file app/lib/dir4/package.json "{\"main\":\"sub\"}"
file app/lib/dir4/sub/index.js
file app/lib/both.js
file app/lib/both/index.js
file app/node_modules/plain/package.json "{\"name\":\"plain\",\"version\":\"1\"}"
file app/node_modules/plain/index.js
file app/node_modules/plain/sub.js
file app/node_modules/plain/node_modules/inner/index.js
file app/node_modules/single.js
file app/node_modules/@scope/pkg/package.json "{\"name\":\"@scope/pkg\",\"version\":\"1\",\"main\":\"lib\"}"
file app/node_modules/@scope/pkg/lib/index.js
file app/node_modules/exp/package.json "{\"name\":\"exp\",\"version\":\"1\",\"main\":\"no.js\",\"exports\":{\".\":{\"browser\":\"./web.js\",\"import\":\"./m.mjs\",\"require\":\"./c.cjs\"},\"./f/*\":\"./f/*.js\",\"./f/x*\":\"./fx/*.js\",\"./f/hidden\":null,\"./list\":[\"bad\",\"./l.js\"],\"./nested\":{\"node\":{\"import\":\"./n.mjs\"},\"default\":\"./n.js\"},\"./out\":\"./../plain/index.js\",\"./package.json\":\"./package.json\"}}"
file app/node_modules/exp/no.js
file app/node_modules/exp/web.js
file app/node_modules/exp/m.mjs
file app/node_modules/exp/c.cjs
file app/node_modules/exp/f/a.js
file app/node_modules/exp/f/hidden.js
file app/node_modules/exp/fx/y.js
file app/node_modules/exp/l.js
file app/node_modules/exp/n.mjs
file app/node_modules/exp/n.js
file app/node_modules/sugar/package.json "{\"name\":\"sugar\",\"exports\":\"./s.js\"}"
file app/node_modules/sugar/s.js
file app/node_modules/sugar/other.js
file app/node_modules/string_decoder/package.json "{\"name\":\"string_decoder\"}"
file app/node_modules/string_decoder/index.js
symlink app/node_modules/linked -> .pnpm/linked@1/node_modules/linked
file app/node_modules/.pnpm/linked@1/node_modules/linked/package.json "{\"name\":\"linked\",\"version\":\"1\",\"dependencies\":{\"peer\":\"1\"}}"
file app/node_modules/.pnpm/linked@1/node_modules/linked/index.js
symlink app/node_modules/.pnpm/linked@1/node_modules/peer -> ../../peer@1/node_modules/peer
file app/node_modules/.pnpm/peer@1/node_modules/peer/index.js
file node_modules/top/index.js
file x.js
`

// nodeResolutions were checked against Node 20.20.2: require.resolve, and
// import.meta.resolve with a look at whether the file is there.
var nodeResolutions = []struct{ from, spec, want, wantESM string }{
	{"/app/main.js", "./lib/a.js", "/app/lib/a.js", "/app/lib/a.js"},
	{"/app/main.js", "./lib/a", "/app/lib/a.js", ""},
	{"/app/main.js", "./lib/b", "/app/lib/b.json", ""},
	{"/app/main.js", "./lib/native", "/app/lib/native.node", ""},
	{"/app/main.js", "./lib/exact", "/app/lib/exact", "/app/lib/exact"},
	{"/app/main.js", "./lib/dir", "/app/lib/dir/index.js", ""},
	{"/app/main.js", "./lib/dir2", "/app/lib/dir2/start.js", ""},
	{"/app/main.js", "./lib/dir3", "/app/lib/dir3/index.json", ""},
	{"/app/main.js", "./lib/dir4", "/app/lib/dir4/sub/index.js", ""},
	{"/app/main.js", "./lib/both", "/app/lib/both.js", ""},
	{"/app/main.js", "./lib/both/", "/app/lib/both/index.js", ""},
	{"/app/lib/dir/index.js", "..", "", ""},
	{"/app/lib/dir/index.js", ".", "/app/lib/dir/index.js", ""},
	{"/app/lib/a.js", "../main", "/app/main.js", ""},
	{"/app/main.js", "/x.js", "/x.js", "/x.js"},
	{"/app/main.js", "./gone", "", ""},
	{"/app/main.js", "fs", "", ""},
	{"/app/main.js", "fs/promises", "", ""},
	{"/app/main.js", "node:test", "", ""},
	{"/app/main.js", "string_decoder", "", ""},
	{"/app/main.js", "string_decoder/", "/app/node_modules/string_decoder/index.js", ""},
	{"/app/main.js", "plain", "/app/node_modules/plain/index.js", "/app/node_modules/plain/index.js"},
	{"/app/main.js", "plain/sub", "/app/node_modules/plain/sub.js", ""},
	{"/app/main.js", "plain/sub.js", "/app/node_modules/plain/sub.js", "/app/node_modules/plain/sub.js"},
	{"/app/main.js", "single", "/app/node_modules/single.js", ""},
	{"/app/main.js", "inner", "", ""},
	{"/app/node_modules/plain/index.js", "inner", "/app/node_modules/plain/node_modules/inner/index.js", "/app/node_modules/plain/node_modules/inner/index.js"},
	{"/app/node_modules/plain/index.js", "exp", "/app/node_modules/exp/c.cjs", "/app/node_modules/exp/m.mjs"},
	{"/app/lib/a.js", "@scope/pkg", "/app/node_modules/@scope/pkg/lib/index.js", "/app/node_modules/@scope/pkg/lib/index.js"},
	{"/app/main.js", "@scope", "", ""},
	{"/app/main.js", "exp", "/app/node_modules/exp/c.cjs", "/app/node_modules/exp/m.mjs"},
	{"/app/main.js", "exp/no.js", "", ""},
	{"/app/main.js", "exp/f/a", "/app/node_modules/exp/f/a.js", "/app/node_modules/exp/f/a.js"},
	{"/app/main.js", "exp/f/xy", "/app/node_modules/exp/fx/y.js", "/app/node_modules/exp/fx/y.js"},
	{"/app/main.js", "exp/f/hidden", "", ""},
	{"/app/main.js", "exp/list", "/app/node_modules/exp/l.js", "/app/node_modules/exp/l.js"},
	{"/app/main.js", "exp/nested", "/app/node_modules/exp/n.js", "/app/node_modules/exp/n.mjs"},
	{"/app/main.js", "exp/out", "", ""},
	{"/app/main.js", "exp/package.json", "/app/node_modules/exp/package.json", "/app/node_modules/exp/package.json"},
	{"/app/node_modules/exp/c.cjs", "exp/f/a", "/app/node_modules/exp/f/a.js", "/app/node_modules/exp/f/a.js"},
	{"/app/main.js", "sugar", "/app/node_modules/sugar/s.js", "/app/node_modules/sugar/s.js"},
	{"/app/main.js", "sugar/other.js", "", ""},
	{"/app/main.js", "linked", "/app/node_modules/linked/index.js", "/app/node_modules/linked/index.js"},
	{"/app/main.js", "peer", "", ""},
	{"/app/node_modules/.pnpm/linked@1/node_modules/linked/index.js", "peer", "/app/node_modules/.pnpm/linked@1/node_modules/peer/index.js", "/app/node_modules/.pnpm/linked@1/node_modules/peer/index.js"},
	{"/app/main.js", "top", "/node_modules/top/index.js", "/node_modules/top/index.js"},
	{"/app/main.js", "#db", "/app/db.js", "/app/db.js"},
	{"/app/lib/a.js", "#db", "/app/db.js", "/app/db.js"},
	{"/app/main.js", "#dep", "/app/node_modules/plain/index.js", "/app/node_modules/plain/index.js"},
	{"/app/main.js", "#lib/a.js", "/app/lib/a.js", "/app/lib/a.js"},
	{"/app/main.js", "#up", "", ""},
	{"/app/main.js", "#none", "", ""},
	{"/app/node_modules/plain/index.js", "#db", "", ""},
}

func TestNodeResolve(t *testing.T) {
	n := &Node{Reader: NewReader(open(t, nodeImage))}
	for _, c := range nodeResolutions {
		for esm, want := range map[bool]string{false: c.want, true: c.wantESM} {
			got, ok, err := n.Resolve(c.spec, c.from, esm)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				got = ""
			}
			if got != want {
				t.Errorf("%s in %s (ESM %v): %q, want %q", c.spec, c.from, esm, got, want)
			}
		}
	}
}

func TestNodePackage(t *testing.T) {
	tree := open(t, `
-- content json --
{"name":"@a/b","version":"1.2","type":"module","main":"./lib/","bin":"cli.js",
 "dependencies":{"z":"1","@s/y":"*","../evil":"1","/abs":"1","":"1"},
 "optionalDependencies":{"fsevents":"1"},
 "peerDependencies":{"react":"1","typescript":"1"},"peerDependenciesMeta":{"typescript":{"optional":true}},
 "devDependencies":{"mocha":"1"},
 "exports":{".":{"types":"./t.d.ts","node":["./n.js","./n2.js"],"default":"./d.js"},"./p/*":"./p/*.js","./up":"./../../up.js"},
 "imports":{"#x":{"require":"./x.cjs"},"#y":"other"}}
-- layer --
file a/package.json @json
file odd/package.json "{\"name\":5,\"version\":[],\"main\":{},\"bin\":{\"b\":\"x\",\"../c\":\"x\",\"\":\"y\"},\"dependencies\":[\"x\"],\"exports\":7}"
file no/package.json "["
`)
	r := NewReader(tree)
	p, err := r.Package("/a")
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	if d := cmp.Diff([]string{"@a/b", "1.2", "/a"}, []string{p.Name, p.Version, p.Dir}); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"@s/y", "fsevents", "react", "z"}, p.Dependencies); d != "" {
		t.Errorf("dependencies (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"d.js", "n.js", "n2.js", "up.js", "x.cjs"}, p.Targets()); d != "" {
		t.Errorf("targets (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"b"}, p.Bin); d != "" {
		t.Errorf("bin (-want +got):\n%s", d)
	}
	odd, err := r.Package("/odd")
	if err != nil || odd == nil || odd.Name != "" || odd.main != "" || strings.Join(odd.Bin, " ") != "b" || odd.Dependencies != nil {
		t.Errorf("%+v %v", odd, err)
	}
	if p, err := r.Package("/no"); p != nil || err != nil {
		t.Errorf("%+v %v", p, err)
	}
}

func TestNodeRoot(t *testing.T) {
	for p, want := range map[string]string{
		"/app/node_modules/a/b.js":                        "/app/node_modules/a",
		"/app/node_modules/@s/a/b.js":                     "/app/node_modules/@s/a",
		"/app/node_modules/a/node_modules/b/c.js":         "/app/node_modules/a/node_modules/b",
		"/app/node_modules/.pnpm/a@1/node_modules/a/i.js": "/app/node_modules/.pnpm/a@1/node_modules/a",
		"/app/node_modules/a":                             "",
		"/app/node_modules/@s/a":                          "",
		"/app/node_modules/.bin/a":                        "",
		"/app/node_modules/.package-lock.json":            "",
		"/usr/share/nodejs/express/lib/x.js":              "/usr/share/nodejs/express",
		"/app/lib/x.js":                                   "",
	} {
		if got := NodeRoot(p); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
}

// Whatever a package.json says, nothing outside of the package is a target,
// and every name of a dependency is one.
func FuzzPackage(f *testing.F) {
	f.Add([]byte(`{"name":"a","main":"../x","exports":{".":[{"import":"./a.js"},null],"./*":"./b/*"},"imports":{"#*":"./c/*"},"bin":{"x":"y"}}`), "./q")
	f.Add([]byte(`{"exports":`+strings.Repeat(`[`, 100)+strings.Repeat(`]`, 100)+`}`), ".")
	f.Add([]byte(`{"exports":{"./*a*":"./*/*"}}`), "./xa")
	f.Fuzz(func(t *testing.T, b []byte, sub string) {
		p := parsePackage(b)
		if p == nil {
			return
		}
		for _, s := range p.Targets() {
			if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "../") {
				t.Errorf("target %q", s)
			}
		}
		for _, d := range p.Dependencies {
			if d == "" || strings.HasPrefix(d, "/") || strings.HasPrefix(d, ".") || strings.Contains(d, "/../") {
				t.Errorf("dependency %q", d)
			}
		}
		for _, x := range []target{p.exports, p.imports} {
			tg, star, _ := x.match(sub)
			s, _ := tg.pick(true, true)
			if in, ok := inside("/p", s, star); ok && !strings.HasPrefix(in, "/p") {
				t.Errorf("%q leads out of the package", in)
			}
		}
	})
}
