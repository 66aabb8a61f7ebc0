package slim

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/pare-image/pare/internal/testelf"
	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// baseOf is the image that archive describes, as a base.
func baseOf(t *testing.T, archive string) *Base {
	t.Helper()
	img := testimage.New(t, archive)
	return NewBase("registry.example/base:1", v1.Hash{}, img, openImage(t, img))
}

// slimmedOn is slimmed with a base, and the image's tree.
func slimmedOn(t *testing.T, tree *layers.Tree, p *profile.Profile, o Options) (*Plan, *layers.Tree) {
	t.Helper()
	plan := planned(t, tree, p, o)
	img, err := BuildOn(t.Context(), tree, o.Base, plan, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Fatalf("the image is not valid: %v", err)
	}
	checkLayersOf(t, img, o.Base.Image)
	return plan, openImage(t, img)
}

// checkLayersOf holds that the lowest layers are the base's own blobs.
func checkLayersOf(t *testing.T, img, base v1.Image) {
	t.Helper()
	got, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	want, err := base.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range want.Layers {
		if i >= len(got.Layers) || got.Layers[i].Digest != l.Digest {
			t.Fatalf("layer %d is not the base's %s", i, l.Digest)
		}
	}
}

// carriedLines are the entries of pare's layers, as "PATH RULE", with what
// else is to say of them; directories that only lead to them are left out.
func carriedLines(plan *Plan) []string {
	var out []string
	for _, e := range plan.Entries {
		if e.Base || e.Type == layers.Directory.String() && e.Reasons[0].Rule == "parent" {
			continue
		}
		line := quoted(e.Path) + " " + e.Reasons[0].Rule
		if e.From != "" {
			line += " from " + quoted(e.From)
		}
		if e.Over {
			line += " over"
		}
		out = append(out, line)
	}
	return out
}

// distroless is a base as they are: certificates, time zones, accounts, /tmp,
// and a package a file.
const distroless = `
-- image --
{"os":"linux","architecture":"amd64","config":{"User":"0"}}
-- layer --
dir etc
dir etc/ssl
dir tmp 01777
dir home/nonroot 0700 65532:65532
file etc/os-release "ID=debian\nVERSION_ID=\"12\"\nNAME=base\n"
file etc/passwd "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
file etc/group "root:x:0:\nnonroot:x:65532:\n"
file usr/share/zoneinfo/Europe/Berlin "TZif"
file var/lib/dpkg/status.d/tzdata "Package: tzdata\nVersion: 2024b-0+deb12u1\nArchitecture: all\n"
file var/lib/dpkg/status.d/tzdata.md5sums "00  usr/share/zoneinfo/Europe/Berlin\n"
-- layer --
file usr/lib/libc.so.6 "c newer"
file var/lib/dpkg/status.d/libc6 "Package: libc6\nVersion: 2.36-9+deb12u9\nArchitecture: amd64\n"
file var/lib/dpkg/status.d/libc6.md5sums "01  usr/lib/libc.so.6\n"
`

// onDebian is an application on Debian, whose packages are not as new as the
// base's.
const onDebian = `
-- config --
{"Entrypoint":["/app/run"]}
-- layer --
file etc/os-release "ID=debian\nVERSION_ID=\"12\"\nNAME=source\n"
file etc/debian_version "12.1\n"
file etc/passwd "root:x:0:0:root:/root:/bin/bash\napp:x:999:999::/srv:/bin/sh\n"
file etc/group "root:x:0:\napp:x:999:\n"
file etc/hosts "built here"
dir tmp 01777
file usr/lib/libc.so.6 "c older"
file usr/lib/libextra.so.1 "extra"
file usr/share/zoneinfo/Europe/Berlin "TZif"
file var/lib/dpkg/status "Package: extra\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\nPackage: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\n\nPackage: tzdata\nStatus: install ok installed\nVersion: 2024b-0+deb12u1\nArchitecture: all\n"
file var/lib/dpkg/info/extra.list "/.\n/usr/lib/libextra.so.1\n"
file var/lib/dpkg/info/extra.md5sums "02  usr/lib/libextra.so.1\n"
file var/lib/dpkg/info/libc6.list "/.\n/usr/lib/libc.so.6\n"
file var/lib/dpkg/info/libc6.md5sums "03  usr/lib/libc.so.6\n"
file var/lib/dpkg/info/tzdata.list "/.\n/usr/share/zoneinfo/Europe/Berlin\n"
-- layer --
dir app
file app/run 0755 "#!"
file srv/data 0644 999:999 "data"
`

func TestOnDistroless(t *testing.T) {
	o := Options{Base: baseOf(t, distroless)}
	plan, out := slimmedOn(t, open(t, onDebian), opened("/app/run", "/usr/lib/libc.so.6", "/usr/lib/libextra.so.1", "/usr/share/zoneinfo/Europe/Berlin", "/srv/data"), o)
	if d := cmp.Diff([]string{
		"/app/run access", "/etc/hostname runtime-mount", "/etc/hosts runtime-mount", "/etc/passwd merged over", "/etc/group merged over", "/etc/resolv.conf runtime-mount",
		"/srv/data access", "/usr/lib/libextra.so.1 access",
		"/var/lib/dpkg/status.d/extra package-database", "/var/lib/dpkg/status.d/extra.md5sums package-database",
	}, carriedLines(plan), sortedStrings); d != "" {
		t.Errorf("carried (-want +got):\n%s", d)
	}
	for p, want := range map[string]string{
		"/usr/lib/libc.so.6": "c newer", "/etc/os-release": "ID=debian\nVERSION_ID=\"12\"\nNAME=base\n",
		"/etc/passwd":                          "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\napp:x:999:999::/srv:/bin/sh\n",
		"/var/lib/dpkg/status.d/extra.md5sums": "02  usr/lib/libextra.so.1\n",
		"/srv/data":                            "data",
	} {
		if got := content(t, out, p); got != want {
			t.Errorf("%s is %q, want %q", p, got, want)
		}
	}
	var packages []string
	for _, p := range plan.Packages {
		packages = append(packages, fmt.Sprintf("%s %s base=%v files=%d", p.Name, p.Version, p.Base, p.Files))
	}
	if d := cmp.Diff([]string{"extra 1 base=false files=1", "libc6 2.36-9+deb12u9 base=true files=1", "tzdata 2024b-0+deb12u1 base=true files=1"}, packages); d != "" {
		t.Errorf("packages (-want +got):\n%s", d)
	}
	if u := plan.User; u.UID != 65532 || u.Name != "nonroot" || u.Home != "/home/nonroot" || u.Added {
		t.Errorf("user %+v", u)
	}
	if x, err := plan.Why("/usr/lib/libc.so.6"); err != nil || x.Chain[0].Reason.Rule != "base" || len(x.Others) != 1 || x.Others[0].Rule != "access" {
		t.Errorf("why: %+v %v", x, err)
	}
	if plan.Annotations[AnnotationBaseDigest] != o.Base.Digest || plan.Annotations[AnnotationBaseName] != "registry.example/base:1" {
		t.Errorf("annotations %q", plan.Annotations)
	}
	s := plan.Summary
	if s.BaseEntries == 0 || s.SharedEntries == 0 || s.OverEntries != 2 {
		t.Errorf("summary %+v", s)
	}
	if d := cmp.Diff([]string(nil), findingLines(plan)); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	checkOnBase(t, open(t, onDebian), o.Base.Tree, out, plan)
}

var sortedStrings = cmp.Transformer("sorted", func(s []string) []string { return slices.Sorted(slices.Values(s)) })

// checkOnBase holds that what is built is the plan: every path of the output
// is in it, has what the plan says, and nothing that the base has is carried
// again.
func checkOnBase(t *testing.T, source, base, out *layers.Tree, plan *Plan) {
	t.Helper()
	seen := map[string]bool{}
	written := map[string]File{}
	for _, f := range plan.Generated {
		written[f.Path] = f
	}
	n := len(base.Layers())
	for i := range plan.Entries {
		e := &plan.Entries[i]
		got, ok := out.Lookup(e.Path)
		if !ok {
			t.Errorf("%q is in the plan and not in the image", e.Path)
			continue
		}
		seen[e.Path] = true
		if is := got.Type.String() + " " + octal(got.Mode) + " " + owner(got.Header); is != fmt.Sprintf("%s %s %d:%d", e.Type, e.Mode, e.UID, e.GID) {
			t.Errorf("%q is %s, the plan has %s %s %d:%d", e.Path, is, e.Type, e.Mode, e.UID, e.GID)
		}
		in := got.Touched
		if _, have := base.Lookup(e.Path); !have { // what the base had, and took away
			in = slices.DeleteFunc(slices.Clone(in), func(layer int) bool { return layer < n })
		}
		if d := cmp.Diff(e.Layers, in); d != "" && len(e.Layers)+len(in) > 0 {
			t.Errorf("%q in layers (-plan +image):\n%s", e.Path, d)
		}
		checkWhose(t, e, source, base, out, written)
	}
	for e := range out.All() {
		if !seen[e.Path] && !(e.Path == "/" && e.Implied) {
			t.Errorf("%q is in the image and not in the plan", e.Path)
		}
	}
	for e := range base.All() {
		if !seen[e.Path] {
			t.Errorf("%q of the base is not in the plan", e.Path)
		}
	}
	for i, l := range plan.Layers {
		if l.Base != (i < n) {
			t.Errorf("layer %d of %d of the base: %+v", i, n, l)
		}
	}
	for _, d := range plan.Dropped {
		if seen[d.Path] {
			t.Errorf("%q is dropped, and there", d.Path)
		}
	}
}

// checkWhose holds that an entry is the base's as the base has it, the
// source's as the source has it and not as the base has it, or written.
func checkWhose(t *testing.T, e *Entry, source, base, out *layers.Tree, written map[string]File) {
	t.Helper()
	got, _ := out.Lookup(e.Path)
	theirs, inBase := base.Lookup(e.Path)
	switch {
	case e.Base:
		if !inBase || e.Reasons[0].Rule != "base" || e.Source >= 0 {
			t.Errorf("%q is the base's: %v, %+v", e.Path, inBase, e.Reasons)
			return
		}
		if dumpEntry(t, base, theirs) != dumpEntry(t, out, got) || !theirs.ModTime.Equal(got.ModTime) {
			t.Errorf("%q is %s, the base's %s", e.Path, dumpEntry(t, out, got), dumpEntry(t, base, theirs))
		}
	case e.Source >= 0:
		src, ok := source.Lookup(e.sourcePath())
		if !ok {
			t.Errorf("%q is of the source's %q, which it does not have", e.Path, e.sourcePath())
			return
		}
		if src.Type == layers.Regular && content(t, source, src.Path) != content(t, out, e.Path) || src.Linkname != got.Linkname || src.Mode != got.Mode {
			t.Errorf("%q is not the source's %q", e.Path, src.Path)
		}
		if inBase && dumpEntry(t, base, theirs) == dumpEntry(t, out, got) && theirs.ModTime.Unix() == got.ModTime.Unix() && cmp.Equal(theirs.Xattrs, got.Xattrs) {
			t.Errorf("%q is carried, and the base has it: %s", e.Path, dumpEntry(t, base, theirs))
		}
	default:
		f, ok := written[e.Path]
		if !ok || got.Type == layers.Regular && content(t, out, e.Path) != string(f.Content) || got.Linkname != f.Target {
			t.Errorf("%q is not what pare writes: %+v", e.Path, f)
		}
		if inBase && theirs.Type == layers.Regular && content(t, base, e.Path) == string(f.Content) && theirs.Mode == got.Mode {
			t.Errorf("%q is written as the base has it", e.Path)
		}
	}
}

// baseCase is a source on a base: what is carried, and what was found.
type baseCase struct {
	name, source, base string
	opened             string
	profile            *profile.Profile
	options            Options
	carried            []string
	findings           []string
}

func TestOnBase(t *testing.T) {
	const layer = "-- layer --\n"
	dpkg := func(version, files string) string {
		return `file var/lib/dpkg/status "Package: p\nStatus: install ok installed\nVersion: ` + version + `\nArchitecture: all\n"` +
			"\nfile var/lib/dpkg/info/p.list \"" + strings.ReplaceAll(files, " ", `\n`) + "\\n\"\n"
	}
	for _, c := range []baseCase{
		{
			name:   "an older package of the base is a conflict",
			source: layer + "file usr/bin/p \"new\"\n" + dpkg("2", "/usr/bin/p"), base: layer + "file usr/bin/p \"old\"\n" + dpkg("1", "/usr/bin/p"),
			opened: "/usr/bin/p", findings: []string{"error base-conflict /usr/bin/p"},
		},
		{
			name:   "decided for the source, whose version the database has",
			source: layer + "file usr/bin/p \"new\"\n" + dpkg("2", "/usr/bin/p"), base: layer + "file usr/bin/p \"old\"\n" + dpkg("1", "/usr/bin/p"),
			opened: "/usr/bin/p", options: Options{Prefer: PreferSource},
			carried: []string{"/usr/bin/p access over", "/var/lib/dpkg/status package-database over"},
		},
		{
			name:   "decided for the base",
			source: layer + "file usr/bin/p \"new\"\n" + dpkg("2", "/usr/bin/p"), base: layer + "file usr/bin/p \"old\"\n" + dpkg("1", "/usr/bin/p"),
			opened: "/usr/bin/p", options: Options{Prefer: PreferBase},
		},
		{
			name:   "configuration is the application's, the package the base's",
			source: layer + "file etc/p.conf \"ours\"\n" + dpkg("1", "/etc/p.conf"), base: layer + "file etc/p.conf \"theirs\"\n" + dpkg("2", "/etc/p.conf"),
			opened: "/etc/p.conf", carried: []string{"/etc/p.conf access over"},
		},
		{
			name:   "a directory that is given to the user is carried",
			source: layer + "dir var/lib/app 0755\nfile app/run\n", base: layer + "dir var/lib/app 0755\n",
			profile: joined(opened("/app/run"), accessed("/var/lib/app/db", profile.Create)), options: Options{User: "5:5"},
			carried: []string{"/app/run access", "/var/lib/app access"},
		},
		{
			name:   "a directory that the source lets the user write is carried",
			source: layer + "dir srv/up 0755 5:5\nfile app/run\n", base: layer + "dir srv/up 0755\n",
			profile: joined(opened("/app/run"), accessed("/srv/up/new", profile.Create)), options: Options{User: "5:5"},
			carried: []string{"/app/run access", "/srv/up access"},
		},
		{
			name:   "a directory of the base that the user cannot pass",
			source: layer + "dir opt 0755\nfile opt/x\n", base: layer + "dir opt 0700\n",
			opened: "/opt/x", options: Options{User: "5:5"}, carried: []string{"/opt/x access"}, findings: []string{"error unreadable-by-user /opt/x"},
		},
		{
			name:   "a name behind a link that is a directory of the base",
			source: layer + "symlink bin -> usr/bin\nfile usr/bin/sh 0755 \"sh\"\n", base: layer + "dir bin\n",
			opened: "/bin/sh", carried: []string{"/bin/sh link", "/usr/bin/sh access"},
		},
		{
			name:   "a cache of the base's loader that lacks a library",
			source: layer + elfFile("usr/lib/libx.so.1", testelf.File{Soname: "libx.so.1"}), base: layer + "file etc/ld.so.cache \"stale\"\n",
			opened: "/usr/lib/libx.so.1", carried: []string{"/etc/ld.so.cache ld.so.cache over", "/usr/lib/libx.so.1 access"},
		},
		{
			name:   "packages of another format",
			source: layer + "file usr/bin/p\n" + dpkg("1", "/usr/bin/p"), base: layer + "file lib/apk/db/installed \"P:musl\\nV:1\\nA:x86_64\\nF:lib\\nR:x\\n\"\nfile lib/x\n",
			opened: "/usr/bin/p", carried: []string{"/usr/bin/p access"}, findings: []string{"error package-database"},
		},
		{
			name:    "packages of another release",
			source:  layer + "file usr/bin/p\nfile etc/os-release \"ID=debian\\nVERSION_ID=12\\n\"\n" + dpkg("1", "/usr/bin/p"),
			base:    layer + "file usr/bin/q\nfile etc/os-release \"ID=debian\\nVERSION_ID=13\\n\"\n" + strings.ReplaceAll(dpkg("1", "/usr/bin/q"), "p.list", "q.list") + "",
			opened:  "/usr/bin/p",
			carried: []string{"/usr/bin/p access"}, findings: []string{"error base-distribution /usr/bin/p"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "packages of another release" {
				c.base = strings.ReplaceAll(c.base, "Package: p", "Package: q")
				c.carried = append(c.carried, "/var/lib/dpkg/info/p.list package-database", "/var/lib/dpkg/status package-database over")
			}
			c.run(t)
		})
	}
}

func (c baseCase) run(t *testing.T) {
	t.Helper()
	tree := open(t, c.source)
	c.options.Base = baseOf(t, c.base)
	if c.options.User == "" {
		c.options.User = "0:0"
	}
	p := c.profile
	if p == nil {
		p = opened(strings.Fields(c.opened)...)
	}
	plan := planned(t, tree, p, c.options)
	if d := cmp.Diff(c.findings, findingLines(plan)); d != "" {
		t.Errorf("findings (-want +got):\n%s\n%+v", d, plan.Findings)
	}
	var carried []string
	for _, l := range carriedLines(plan) {
		if !strings.HasSuffix(l, " runtime-mount") && !strings.HasSuffix(l, " skeleton") && !strings.HasSuffix(l, " user") {
			carried = append(carried, l)
		}
	}
	if d := cmp.Diff(c.carried, carried, sortedStrings); d != "" {
		t.Errorf("carried (-want +got):\n%s", d)
	}
	if plan.Err() != nil {
		return
	}
	img, err := BuildOn(t.Context(), tree, c.options.Base, plan, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	checkOnBase(t, tree, c.options.Base.Tree, openImage(t, img), plan)
	checkChains(t, plan)
}

// A plan is written and read again, builds the same on the base that it names,
// and on no other.
func TestPlanNamesItsBase(t *testing.T) {
	tree, base := open(t, onDebian), baseOf(t, distroless)
	for _, mode := range []string{LayersPreserve, LayersSquash} {
		plan := planned(t, tree, opened("/app/run", "/usr/lib/libextra.so.1"), Options{Base: base, Layers: mode})
		var b bytes.Buffer
		if err := plan.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := ReadPlan(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(plan, again); d != "" {
			t.Errorf("(-written +read):\n%s", d)
		}
		var digests []string
		for _, p := range []*Plan{plan, again} {
			img, err := BuildOn(t.Context(), tree, base, p, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			d, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			digests = append(digests, d.String())
		}
		if digests[0] != digests[1] {
			t.Errorf("%s: %q", mode, digests)
		}
		for name, other := range map[string]*Base{"another": baseOf(t, "-- layer --\nfile x\n"), "none": nil} {
			if _, err := BuildOn(t.Context(), tree, other, again, t.TempDir()); !errors.Is(err, ErrPlan) || !strings.Contains(err.Error(), base.Digest) {
				t.Errorf("on %s base: %v", name, err)
			}
		}
		scratch := planned(t, tree, opened("/app/run"), Options{})
		if _, err := BuildOn(t.Context(), tree, base, scratch, t.TempDir()); !errors.Is(err, ErrPlan) {
			t.Errorf("a plan for scratch, on a base: %v", err)
		}
	}
}

// What a plan says of a base must hold before anything is built by it.
func TestHostilePlanOnBase(t *testing.T) {
	tree, base := open(t, onDebian), baseOf(t, distroless)
	plan := planned(t, tree, opened("/app/run", "/usr/lib/libextra.so.1", "/usr/lib/libc.so.6"), Options{Base: base})
	first := func(m map[string]any, list string, is func(map[string]any) bool) map[string]any {
		for _, x := range m[list].([]any) {
			if e := x.(map[string]any); is(e) {
				return e
			}
		}
		t.Fatalf("no such entry in %s", list)
		return nil
	}
	for name, change := range map[string]func(map[string]any){
		"a file of the base in a layer above": func(m map[string]any) {
			e := first(m, "entries", func(e map[string]any) bool { return e["path"] == "/usr/lib/libc.so.6" })
			e["layers"] = append(e["layers"].([]any), float64(len(plan.Layers)-1))
		},
		"a layer of the base that is no longer one": func(m map[string]any) {
			delete(m["layers"].([]any)[0].(map[string]any), "base")
		},
		"a layer of the base above another": func(m map[string]any) {
			m["layers"].([]any)[len(plan.Layers)-1].(map[string]any)["base"] = true
		},
		"no base": func(m map[string]any) {
			delete(m["options"].(map[string]any), "base")
		},
		"another layer of the base": func(m map[string]any) {
			m["layers"].([]any)[0].(map[string]any)["sourceDiffId"] = "sha256:0"
		},
	} {
		p, err := ReadPlan(strings.NewReader(hostile(t, plan, change)))
		if err == nil {
			_, err = BuildOn(t.Context(), tree, base, p, t.TempDir())
		}
		if !errors.Is(err, ErrPlan) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
