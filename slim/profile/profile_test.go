package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func random(r *rand.Rand) *Profile {
	p := &Profile{Image: Image{Digest: "sha256:a", Platform: "linux/amd64"}}
	for range r.IntN(20) {
		a := Access{Path: fmt.Sprintf("/p%d\xff", r.IntN(12)), Exists: r.IntN(2) == 0, FirstMS: int64(r.IntN(100))}
		for range 1 + r.IntN(3) {
			a.Kinds = append(a.Kinds, kinds[r.IntN(len(kinds))])
		}
		for range r.IntN(2 * MaxBy) {
			a.By = append(a.By, fmt.Sprintf("/bin/%d", r.IntN(100)))
		}
		if r.IntN(2) == 0 {
			a.Resolved = fmt.Sprintf("/r%d", r.IntN(3))
		}
		switch r.IntN(4) {
		case 0:
			q := Package{Name: fmt.Sprintf("p%d", r.IntN(3)), Arch: "amd64", Version: "1", Source: "p"}
			a.Package, p.Packages = q.ID(), append(p.Packages, q)
		case 1:
			a.Origin = OriginImage
		case 2:
			a.Origin = OriginRun
		}
		p.Accesses = append(p.Accesses, a)
	}
	for range r.IntN(3) {
		p.Sessions = append(p.Sessions, Session{ID: fmt.Sprint(r.IntN(4)), Engine: "strace"})
		p.Ports = append(p.Ports, r.IntN(9))
		p.Users = append(p.Users, User{r.IntN(3), r.IntN(3)})
		p.Home = append(p.Home, fmt.Sprintf("/h%d", r.IntN(3)))
		p.Directories = append(p.Directories, Directory{fmt.Sprintf("/d%d\xff", r.IntN(3)), []string{fmt.Sprint(r.IntN(3)), fmt.Sprint(r.IntN(3))}})
		p.Derived = append(p.Derived, randomDerivation(r))
	}
	p.normalize()
	return p
}

func randomDerivation(r *rand.Rand) Derivation {
	one := func() string { return fmt.Sprint("/", r.IntN(3)) }
	return Derivation{
		From: Image{Digest: fmt.Sprint(r.IntN(3))}, Verified: r.IntN(2) == 0, Appeared: []string{one()}, Added: []string{one(), one()},
		Mapped:  []Mapping{{Path: one(), To: one(), How: "soname"}},
		Gone:    []Gone{{Path: one(), InImage: r.IntN(2) == 0, Used: r.IntN(2) == 0, Text: "gone"}},
		Changed: []PackageChange{{Name: one(), Version: one()}},
	}
}

func union(t *testing.T, ps ...*Profile) *Profile {
	t.Helper()
	u, err := Union(ps...)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUnionProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		a, b, c := random(r), random(r), random(r)
		if diff := cmp.Diff(union(t, a, b), union(t, b, a)); diff != "" {
			t.Fatal("not commutative", diff)
		}
		if diff := cmp.Diff(union(t, union(t, a, b), c), union(t, a, union(t, b, c))); diff != "" {
			t.Fatal("not associative", diff)
		}
		if diff := cmp.Diff(a, union(t, a, a)); diff != "" {
			t.Fatal("not idempotent", diff)
		}
	}
}

// What one has verified and another has not is not verified.
func TestVerified(t *testing.T) {
	p := &Profile{Derived: []Derivation{{From: Image{Digest: "sha256:a"}}, {From: Image{Digest: "sha256:b"}}}}
	if v := p.AsVerified(); len(v.Unverified()) != 0 || len(p.Unverified()) != 2 {
		t.Errorf("verified %+v, before %+v", v.Derived, p.Derived)
	}
	if u := union(t, p, p.AsVerified()); len(u.Unverified()) != 2 {
		t.Errorf("united %+v", u.Derived)
	}
}

func TestUnionOfDifferentImages(t *testing.T) {
	a := &Profile{Image: Image{Digest: "sha256:a", Platform: "linux/amd64"}}
	for _, img := range []Image{{Digest: "sha256:b"}, {Platform: "linux/arm64"}} {
		if _, err := Union(a, &Profile{Image: img}); !errors.Is(err, ErrDifferentImage) {
			t.Errorf("%+v: %v", img, err)
		}
	}
	if _, err := Union(a, &Profile{}); err != nil {
		t.Errorf("an unknown image: %v", err)
	}
}

func TestWriteAndReadAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		p := random(r)
		var one, two bytes.Buffer
		if err := p.Write(&one); err != nil {
			t.Fatal(err)
		}
		q, err := Read(&one)
		if err != nil {
			t.Fatalf("%v\n%s", err, one.String())
		}
		if err := q.Write(&two); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, q, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		d1, _ := p.Digest()
		d2, _ := q.Digest()
		if d1 != d2 {
			t.Fatal("digests differ")
		}
	}
}

func doc(accesses string) string {
	return `{"schemaVersion":1,"kind":"pare.profile","image":{},"sessions":[],"accesses":[` + accesses + `]}`
}

func TestReadRefuses(t *testing.T) {
	ok := `{"path":"/a","exists":true,"kinds":["open"],"firstMs":0}`
	if _, err := Read(strings.NewReader(doc(ok))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ in, want string }{
		"empty":             {"", "EOF"},
		"another kind":      {`{"schemaVersion":1,"kind":"pare.plan"}`, "kind"},
		"a newer version":   {`{"schemaVersion":2,"kind":"pare.profile"}`, "version 2"},
		"unknown field":     {strings.Replace(doc(ok), `"image"`, `"x":1,"image"`, 1), "unknown field"},
		"trailing data":     {doc(ok) + "{}", "more data"},
		"twice":             {doc(ok + "," + ok), "twice"},
		"relative":          {doc(strings.Replace(ok, "/a", "a", 1)), "absolute"},
		"dot component":     {doc(strings.Replace(ok, "/a", "/./a", 1)), "components"},
		"NUL":               {doc(strings.Replace(ok, "/a", `/a\u0000`, 1)), "NUL"},
		"long":              {doc(strings.Replace(ok, "/a", "/"+strings.Repeat("a", 5000), 1)), "5001 bytes"},
		"no kind":           {doc(strings.Replace(ok, `"open"`, ``, 1)), "kinds"},
		"unknown kind":      {doc(strings.Replace(ok, `"open"`, `"smell"`, 1)), "unknown kind"},
		"not UTF-8":         {doc(strings.Replace(ok, "/a", "/\xff", 1)), "UTF-8"},
		"text and base64":   {doc(strings.Replace(ok, `"exists"`, `"path_b64":"L2E=","exists"`, 1)), "both"},
		"package unlisted":  {doc(strings.Replace(ok, `"exists"`, `"package":"p:amd64","exists"`, 1)), "not listed"},
		"unknown origin":    {doc(strings.Replace(ok, `"exists"`, `"origin":"moon","exists"`, 1)), "unknown origin"},
		"directory":         {strings.Replace(doc(ok), `"accesses"`, `"directories":[{"path":"a","names":"b"}],"accesses"`, 1), "absolute"},
		"resolved relative": {doc(strings.Replace(ok, `"exists"`, `"resolved":"b","exists"`, 1)), "resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.in))
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ErrInvalid with %q", err, c.want)
			}
		})
	}
}

// TestSchemaNamesEveryField holds the schema against the Go types.
func TestSchemaNamesEveryField(t *testing.T) {
	var schema struct {
		Properties map[string]json.RawMessage
	}
	if err := json.Unmarshal(Schema, &schema); err != nil {
		t.Fatal(err)
	}
	sub := func(name string, items bool) map[string]bool {
		var s struct {
			Properties map[string]any
			Items      struct{ Properties map[string]any }
		}
		if err := json.Unmarshal(schema.Properties[name], &s); err != nil {
			t.Fatal(err)
		}
		props := s.Properties
		if items {
			props = s.Items.Properties
		}
		names := map[string]bool{}
		for n := range props {
			names[n] = true
		}
		return names
	}
	derivation := func(list string) map[string]bool {
		type object struct {
			Properties map[string]struct {
				Items struct{ Properties map[string]any }
			}
		}
		var s struct {
			Defs struct{ Derivation object } `json:"$defs"`
		}
		if err := json.Unmarshal(Schema, &s); err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for n := range s.Defs.Derivation.Properties {
			names[n] = true
		}
		if list != "" {
			names = map[string]bool{}
			for n := range s.Defs.Derivation.Properties[list].Items.Properties {
				names[n] = true
			}
		}
		return names
	}
	top := map[string]bool{}
	for n := range schema.Properties {
		top[n] = true
	}
	for _, c := range []struct {
		typ  any
		have map[string]bool
	}{
		{document{}, top},
		{Image{}, sub("image", false)},
		{Session{}, sub("sessions", true)},
		{User{}, sub("users", true)},
		{accessRecord{}, sub("accesses", true)},
		{Package{}, sub("packages", true)},
		{directoryRecord{}, sub("directories", true)},
		{Derivation{}, derivation("")},
		{Mapping{}, derivation("mapped")},
		{Gone{}, derivation("gone")},
		{PackageChange{}, derivation("changed")},
	} {
		want := map[string]bool{}
		for f := range reflect.TypeOf(c.typ).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			want[name] = true
		}
		if diff := cmp.Diff(want, c.have); diff != "" {
			t.Errorf("%T (-type +schema):\n%s", c.typ, diff)
		}
	}
	for _, k := range kinds {
		if !bytes.Contains(Schema, []byte(`"`+string(k)+`"`)) {
			t.Errorf("kind %s is not in the schema", k)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(doc(`{"path":"/a","exists":true,"kinds":["open"],"firstMs":0}`)))
	f.Add([]byte(strings.Replace(doc(`{"path":"/a","exists":true,"kinds":["open"],"firstMs":0,"package":"p:all"}`), `"accesses"`,
		`"packages":[{"name":"p","arch":"all","version":"1"}],"directories":[{"path_b64":"L/8=","names":"a/b"}],"derived":[{"from":{},"gone":[{"path":"/b","text":"x"}]}],"accesses"`, 1)))
	f.Add([]byte(doc(`{"path_b64":"L/8=","exists":false,"kinds":["stat","exec"],"firstMs":3,"by":["/bin/sh"]}`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		var w bytes.Buffer
		if err := p.Write(&w); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&w); err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
	})
}

func TestImportPaths(t *testing.T) {
	for name, in := range map[string]string{"lines": "/b\n/a//x/./\nrelative\n\n/b", "nul": "/b\x00/a/x\x00relative\x00\x00/b"} {
		p, report, err := ImportPaths(strings.NewReader(in), Image{Platform: "linux/amd64"})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range p.Accesses {
			got = append(got, a.Path)
		}
		if diff := cmp.Diff([]string{"/a/x", "/b"}, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if report.Lines != 4 || report.Used != 3 {
			t.Errorf("%s: %+v", name, report)
		}
		var w bytes.Buffer
		if err := p.WritePaths(&w); err != nil || w.String() != "/a/x\n/b\n" {
			t.Errorf("%s: %q, %v", name, w.String(), err)
		}
	}
	if _, _, err := ImportPaths(strings.NewReader(""), Image{}); !errors.Is(err, ErrNothing) {
		t.Errorf("empty: %v", err)
	}
}
