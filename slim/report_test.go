package slim

import (
	"archive/tar"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

func TestSummary(t *testing.T) {
	tree := open(t, `
-- layer --
file a "12345"
link b => a
file c "123"
link d => c
dir e
-- layer --
file f "1234567"
link g => f
`)
	plan := planned(t, tree, opened("/b", "/f", "/g"), Options{User: "0:0"})
	s := plan.Summary
	if s.SourceEntries != 7 || s.SourceBytes != 5+3+7 {
		t.Errorf("source: %+v", s)
	}
	// what /a holds stays, as /b
	if s.KeptBytes != 5+7 || s.DroppedEntries != 4 || s.DroppedBytes != 3 {
		t.Errorf("%+v", s)
	}
	var sizes []int64
	for _, p := range []string{"/b", "/f", "/g"} {
		e, _ := plan.entry(p)
		sizes = append(sizes, e.Size)
	}
	if d := cmp.Diff([]int64{5, 7, 0}, sizes); d != "" {
		t.Errorf("sizes (-want +got):\n%s", d)
	}
}

// A dropped path says what dropped it, touched or not.
func TestDroppedSaysWhy(t *testing.T) {
	plan := planned(t, open(t, debian), opened("/usr/bin/tool"), Options{Granularity: GranularityFile, Drop: []string{"/etc/tool.d"}})
	got := map[string]string{}
	for _, d := range plan.Dropped {
		got[d.Path] = d.Package + " " + d.Rule
	}
	for p, want := range map[string]string{
		"/var/lib/dpkg/status-old":         " package-database",
		"/var/lib/dpkg/info/tool.postinst": " package-database",
		"/usr/bin/tool-extra":              "tool ",
		"/usr/lib/libm.so.6":               "libc6:amd64 ",
		"/t":                               " ",
	} {
		if got[p] != want {
			t.Errorf("%s: %q, want %q", p, got[p], want)
		}
	}
	x, err := plan.Why("/var/lib/dpkg/status-old")
	if err != nil || x.Kept || x.Dropped != "package-database" {
		t.Errorf("%+v %v", x, err)
	}
}

// An eStargz layer begins with what the workload opened, in that order.
func TestPrioritizedFilesComeFirst(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile a \"a\"\nfile b \"b\"\nfile c \"c\"\nsymlink l -> c\nfile srv/kept \"k\"\n")
	p := joined(
		&profile.Profile{Accesses: []profile.Access{{Path: "/c", Exists: true, Kinds: []profile.Kind{profile.Open}, FirstMS: 5}}},
		&profile.Profile{Accesses: []profile.Access{{Path: "/l", Exists: true, Kinds: []profile.Kind{profile.Open}, FirstMS: 3}}},
		&profile.Profile{Accesses: []profile.Access{{Path: "/a", Exists: true, Kinds: []profile.Kind{profile.Open}, FirstMS: 4}}},
	)
	o := Options{Compression: layers.EStargz, Keep: []string{"/srv", "/b"}, Granularity: GranularityFile}
	plan := planned(t, tree, p, o)
	want := []string{"/c", "/l", "/a"}
	if d := cmp.Diff(want, plan.Prioritized); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
	img, err := Build(t.Context(), tree, plan, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ls, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := ls[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var first []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err != nil {
			t.Fatalf("no landmark after %q: %v", first, err)
		}
		if h.Name == ".prefetch.landmark" {
			break
		}
		if h.Typeflag != tar.TypeDir {
			first = append(first, "/"+h.Name)
		}
	}
	if d := cmp.Diff(want, first); d != "" {
		t.Errorf("layer (-want +got):\n%s", d)
	}
	if plan = planned(t, tree, p, Options{}); plan.Prioritized != nil {
		t.Errorf("for gzip: %q", plan.Prioritized)
	}
}
