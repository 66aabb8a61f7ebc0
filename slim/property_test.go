package slim

import (
	"archive/tar"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testelf"
	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

var images = flag.Int("images", 250, "how many random images to slim")

// maker makes random images, profiles and options.
type maker struct {
	*rand.Rand
	compressions []string
}

// names are few, so that layers meet.
var names = []string{"a", "b", "lib", "etc", "usr", "app", "opt", "x.so", "var", "run", "n\xff\n", "ü", "libq.so.1", "m.py", "__init__.py", "i.js"}

func (m maker) pick(list []string) string { return list[m.IntN(len(list))] }

func (m maker) path() string {
	p := m.pick(names)
	for m.IntN(3) > 0 && strings.Count(p, "/") < 4 {
		p += "/" + m.pick(names)
	}
	return p
}

func (m maker) header(name string, flag byte) testimage.Entry {
	h := tar.Header{
		Typeflag: flag, Name: name, Format: tar.FormatPAX,
		Mode: []int64{0o755, 0o644, 0o600, 0o4755, 0o2775, 0o1777, 0, 0o700}[m.IntN(8)],
		Uid:  []int{0, 0, 5, 65532, 3_000_000}[m.IntN(5)], Gid: []int{0, 0, 7, 65532}[m.IntN(4)],
		ModTime: time.Unix(int64(m.IntN(2_000_000_000))-500_000_000, int64(m.IntN(2))*123_456_789),
	}
	if m.IntN(6) == 0 {
		h.PAXRecords = map[string]string{"SCHILY.xattr.user.k": "v\x01\xff", "SCHILY.xattr.security.capability": "\x01\x00"}
	}
	return testimage.Entry{Header: h}
}

func (m maker) body() []byte {
	switch m.IntN(8) {
	case 6:
		return []byte("import a, lib.m, m\nfrom .app import m\nfrom .. import x, m\n")
	case 7:
		return []byte("require('./a'); import('../lib/i.js'); export * from '/app/i.js'")
	case 0:
		return []byte("#!/" + m.path() + "\n")
	case 1:
		return testelf.File{Class: 2, Machine: 62, Type: 3, Interp: "/" + m.path(), Soname: m.pick(names), Needed: []string{m.pick(names), m.pick(names)}, RPath: "/" + m.path()}.Bytes()
	case 2:
		return nil
	}
	return fmt.Appendf(nil, "content %d", m.IntN(1000))
}

// layer is one of a docker-like stack: directories, files, links, special
// files, whiteouts, changes of a directory alone.
func (m maker) layer(lowest bool) []testimage.Entry {
	var entries []testimage.Entry
	files := []string{}
	seen := map[string]bool{}
	add := func(e testimage.Entry) bool {
		if seen[e.Name] {
			return false
		}
		seen[e.Name] = true
		entries = append(entries, e)
		return true
	}
	for range m.IntN(14) {
		name := m.path()
		switch k := m.IntN(14); {
		case k < 3:
			add(m.header(name, tar.TypeDir))
		case k < 8:
			e := m.header(name, tar.TypeReg)
			e.Body = m.body()
			if add(e) {
				files = append(files, name)
			}
		case k < 10:
			e := m.header(name, tar.TypeSymlink)
			e.Linkname = []string{"/" + m.path(), m.path(), "../" + m.path(), ".", "/"}[m.IntN(5)]
			add(e)
		case k == 10 && len(files) > 0:
			e := m.header(name, tar.TypeLink)
			e.Linkname = m.pick(files)
			add(e)
		case k == 11:
			e := m.header(name, []byte{tar.TypeFifo, tar.TypeChar}[m.IntN(2)])
			e.Devmajor, e.Devminor = 1, 3
			add(e)
		case k > 11 && !lowest:
			add(testimage.Entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: path.Join(path.Dir(name), []string{".wh." + path.Base(name), ".wh..wh..opq"}[m.IntN(2)]), Format: tar.FormatPAX}})
		}
	}
	if m.IntN(3) == 0 {
		entries = append(entries, m.database()...)
	}
	return entries
}

// database is dpkg's, of two packages that own some of the names.
func (m maker) database() []testimage.Entry {
	file := func(name, body string) testimage.Entry {
		e := m.header("var/lib/dpkg/"+name, tar.TypeReg)
		e.Body = []byte(body)
		return e
	}
	list := func() string {
		var s strings.Builder
		s.WriteString("/.\n")
		for range m.IntN(6) {
			if p := m.path(); !strings.Contains(p, "\n") {
				s.WriteString("/" + p + "\n")
			}
		}
		return s.String()
	}
	return []testimage.Entry{
		file("status", "Package: p\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nDepends: q\n\nPackage: q\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"),
		file("info/p.list", list()), file("info/q.list", list()), file("info/q.postinst", "#!/a"),
	}
}

func (m maker) image() (v1.Image, error) {
	cfg := &v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: v1.Config{
		Entrypoint: []string{"/" + m.path(), m.path()}, WorkingDir: "/" + m.path(),
		User: []string{"", "5", "5:7"}[m.IntN(3)], Volumes: map[string]struct{}{"/" + m.path(): {}},
	}}
	var ls []v1.Layer
	for i := range 1 + m.IntN(4) {
		l, err := testimage.Layer(m.layer(i == 0), m.pick(m.compressions))
		if err != nil {
			return nil, err
		}
		ls = append(ls, l)
	}
	return testimage.Image(cfg, ls...)
}

func (m maker) profile(tree *layers.Tree) *profile.Profile {
	kinds := []profile.Kind{profile.Open, profile.Exec, profile.Write, profile.Create, profile.Delete, profile.Rename, profile.Stat, profile.Readlink, profile.List, profile.Chdir}
	all := paths(tree)
	p := &profile.Profile{}
	for range 1 + m.IntN(8) {
		a := profile.Access{Path: m.pick(all), Exists: m.IntN(8) > 0, Kinds: []profile.Kind{kinds[m.IntN(len(kinds))]}, FirstMS: int64(m.IntN(100)), By: []string{"/x"}}
		switch m.IntN(6) {
		case 0:
			a.Path = "/" + m.path() + "/../" + m.path()
		case 1:
			a.Path = strings.TrimSuffix(a.Path, "/") + "/" + m.pick(names)
		case 2:
			a.Resolved = m.pick(all)
		}
		p.Accesses = append(p.Accesses, a)
	}
	if m.IntN(3) == 0 {
		p.Users = []profile.User{{UID: 5, GID: 7}}
	}
	return joined(p)
}

func (m maker) options(tree *layers.Tree) Options {
	o := Options{
		Granularity: m.pick([]string{GranularityAuto, GranularityFile, GranularityPackage}), Layers: m.pick([]string{LayersPreserve, LayersSquash}),
		Compression: []layers.Compression{layers.Gzip, layers.Zstd, layers.Uncompressed, layers.EStargz}[m.IntN(4)],
		User:        m.pick([]string{"", "", "0:0", "5:7"}), Reach: m.pick([]string{ReachReport, ReachKeep}), Allow: allowable(),
	}
	patterns := func() []string {
		var out []string
		for range m.IntN(4) {
			out = append(out, m.pick([]string{"", "!"})+m.pick([]string{"/", "", "**/"})+strings.NewReplacer("\xff", "?", "\n", "?").Replace(m.path())+m.pick([]string{"", "/", "/**"}))
		}
		return out
	}
	if m.IntN(2) == 0 {
		o.Keep, o.Drop = patterns(), patterns()
	}
	if p := m.pick(paths(tree)); there(tree, p+"/.") && utf8.ValidString(p) {
		o.Own = []string{p}
	}
	return o
}

// For any image, profile and options: what is built, read back, is exactly
// the plan, and the plan is true of the source.
func TestBuiltImageIsThePlan(t *testing.T) {
	n := *images
	if testing.Short() {
		n = min(n, 60)
	}
	built := 0
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := maker{rand.New(rand.NewPCG(uint64(seed), 77)), []string{"gzip", "zstd", "none"}}
			img, err := m.image()
			if err != nil {
				t.Fatal(err)
			}
			source, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir()})
			if errors.Is(err, layers.ErrInvalid) {
				return // links to what later became a directory
			}
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			p, o := m.profile(source), m.options(source)
			k, err := Select(t.Context(), source, p, o)
			if err != nil {
				return // a profile that names nothing, a passwd that is a directory
			}
			plan, err := NewPlan(t.Context(), source, p, k, o)
			if err != nil {
				t.Fatal(err)
			}
			img, err = Build(t.Context(), source, plan, t.TempDir())
			if err != nil {
				t.Fatalf("%v\noptions %+v", err, o)
			}
			out := openImage(t, img)
			built++
			checkHeaders(t, source, out, plan)
			checkContents(t, source, out, plan)
			checkPlaces(t, source, out, plan)
			checkPartition(t, source, plan)
			checkChains(t, plan)
			checkSummary(t, plan)
			checkDatabase(t, source, out)
			if t.Failed() {
				t.Logf("options %+v\nprofile %+v\nsource %q", o, p.Accesses, dumpTree(t, source))
			}
		})
	}
	if built < n/2 {
		t.Errorf("only %d of %d images were built", built, n)
	}
}

// checkContents compares paths, contents and hard links.
func checkContents(t *testing.T, source, out *layers.Tree, plan *Plan) {
	t.Helper()
	var want []string
	kept := map[string]bool{}
	for _, e := range plan.Entries {
		if len(e.Layers) > 0 || e.Path == "/" {
			want = append(want, e.Path)
		}
		kept[e.Path] = e.Source >= 0
	}
	if d := cmp.Diff(want, paths(out)); d != "" {
		t.Errorf("paths (-plan +image):\n%s", d)
	}
	written := map[string]string{} // the last copy counts
	for _, f := range plan.Generated {
		written[f.Path] = string(f.Content)
	}
	for e := range out.All() {
		p, ok := plan.entry(e.Path)
		if !ok || e.Type != layers.Regular {
			continue
		}
		if p.Source < 0 {
			if got := content(t, out, e.Path); got != written[e.Path] {
				t.Errorf("%q is %q, the plan has %q", e.Path, got, written[e.Path])
			}
			continue
		}
		if got, want := content(t, out, e.Path), content(t, source, e.Path); got != want {
			t.Errorf("%q is %q, the source has %q", e.Path, got, want)
		}
	}
	for e := range out.All() {
		src, ok := source.Lookup(e.Path)
		if !ok || !kept[e.Path] {
			continue
		}
		group := slices.DeleteFunc(slices.Clone(src.Paths()), func(p string) bool { return !kept[p] })
		if d := cmp.Diff(group, e.Paths()); d != "" {
			t.Errorf("hard links of %q (-want +got):\n%s", e.Path, d)
		}
	}
}

// checkPlaces holds that every path is in the output layers that the plan
// names, and that each directory has there what the source's merged view has.
func checkPlaces(t *testing.T, source, out *layers.Tree, plan *Plan) {
	t.Helper()
	owners := map[string]Ownership{}
	for _, o := range plan.Ownership {
		owners[o.Path] = o
	}
	last := -2
	for i, l := range plan.Layers {
		if l.Source != pareOwnLayer && l.Source <= last || l.Source == pareOwnLayer && i != len(plan.Layers)-1 {
			t.Errorf("layers are not in the source's order: %+v", plan.Layers)
		}
		last = l.Source
	}
	for e := range out.All() {
		p, ok := plan.entry(e.Path)
		if !ok {
			continue
		}
		if d := cmp.Diff(p.Layers, e.Touched); d != "" && len(p.Layers)+len(e.Touched) > 0 {
			t.Errorf("%q in layers (-plan +image):\n%s", e.Path, d)
		}
		if e.Type != layers.Directory || p.Source < 0 {
			continue
		}
		for _, i := range p.Layers {
			from := plan.Layers[i].Source
			if from == pareOwnLayer {
				from = len(source.Layers()) - 1
			}
			want, ok1 := source.DirAt(e.Path, from)
			if src, ok := source.Lookup(e.Path); ok && !ok1 {
				// above a package's list, in a layer without the database
				want, ok1 = src.Header, true
			}
			got, ok2 := out.DirAt(e.Path, i)
			if o, ok := owners[e.Path]; ok {
				want.UID, want.GID = o.UID, o.GID
			}
			want.ModTime, got.ModTime = want.ModTime.UTC(), got.ModTime.UTC()
			if d := cmp.Diff(want, got); d != "" || !ok1 || !ok2 {
				t.Errorf("directory %q after layer %d (%v, %v) (-want +got):\n%s", e.Path, i, ok1, ok2, d)
			}
		}
	}
}

// checkPartition holds that every path of the source is kept or dropped, never
// both, and that nothing else is in the plan but what pare writes.
func checkPartition(t *testing.T, source *layers.Tree, plan *Plan) {
	t.Helper()
	where := map[string]string{}
	for _, e := range plan.Entries {
		where[e.Path] += "kept "
		if _, ok := source.Lookup(e.Path); !ok && e.Source >= 0 {
			t.Errorf("%q is kept and not in the source", e.Path)
		}
	}
	for _, d := range plan.Dropped {
		where[d.Path] += "dropped "
	}
	for e := range source.All() {
		if w := where[e.Path]; w != "kept " && w != "dropped " && !(e.Path == "/" && e.Implied) {
			t.Errorf("%q is %q", e.Path, w)
		}
		delete(where, e.Path)
	}
	for _, p := range slices.Sorted(maps.Keys(where)) {
		if e, ok := plan.entry(p); !ok || e.Source >= 0 {
			t.Errorf("%q is in the plan, and neither in the source nor written by pare", p)
		}
	}
}

func checkSummary(t *testing.T, plan *Plan) {
	t.Helper()
	var kept, dropped int64
	for _, e := range plan.Entries {
		kept += e.Size
		if len(e.Reasons) == 0 {
			t.Errorf("%q has no reason", e.Path)
		}
	}
	for _, d := range plan.Dropped {
		dropped += d.Size
	}
	s := plan.Summary
	if s.KeptBytes != kept || s.DroppedBytes != dropped || s.KeptEntries != len(plan.Entries) || s.DroppedEntries != len(plan.Dropped) {
		t.Errorf("summary %+v; want %d and %d bytes, %d and %d entries", s, kept, dropped, len(plan.Entries), len(plan.Dropped))
	}
	var byRule, byOwner int64
	for _, r := range s.ByRule {
		byRule += r.Bytes
	}
	for _, o := range s.DroppedByOwner {
		byOwner += o.Bytes
	}
	if byRule != kept || byOwner != dropped {
		t.Errorf("by rule %d of %d bytes, by owner %d of %d", byRule, kept, byOwner, dropped)
	}
}

// A new release of an application changes the layers on top. What else is kept
// of the topmost layer leaves the bytes of those below as they were.
func TestLowerLayersStay(t *testing.T) {
	n := *images
	if testing.Short() {
		n = min(n, 60)
	}
	compared := 0
	for seed := range n {
		m := maker{rand.New(rand.NewPCG(uint64(seed), 78)), []string{"none"}}
		img, err := m.image()
		if err != nil {
			t.Fatal(err)
		}
		source, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir()})
		if err != nil {
			continue // links to what later became a directory
		}
		few := m.somePaths(source)
		o := Options{Granularity: GranularityFile, User: "0:0", Compression: []layers.Compression{layers.Gzip, layers.EStargz}[m.IntN(2)], Allow: allowable()}
		k, err := Select(t.Context(), source, opened(few...), o)
		if err == nil {
			more := topPaths(source, k, planned(t, source, opened(few...), o))
			before := lowerLayers(t, source, opened(few...), o)
			after := lowerLayers(t, source, opened(append(few, more...)...), o)
			if d := cmp.Diff(before, after); d != "" {
				t.Errorf("seed %d: with %q, then %q as well (-before +after):\n%s\n%q", seed, few, more, d, dumpTree(t, source))
			}
			if len(more) > 0 && len(before) > 0 {
				compared++
			}
		}
		source.Close()
	}
	if compared < n/10 {
		t.Errorf("only %d of %d images had layers to compare", compared, n)
	}
}

func (m maker) somePaths(tree *layers.Tree) []string {
	var out []string
	for _, p := range paths(tree) {
		if m.IntN(2) == 0 {
			out = append(out, p)
		}
	}
	return append(out, "/")
}

// topPaths are the plain files of the topmost layer that can be kept without
// keeping anything of others: their directories are kept, and so is that of
// the package lists if they are a package's.
func topPaths(tree *layers.Tree, k *KeepSet, plan *Plan) []string {
	var out []string
	top := len(tree.Layers()) - 1
	_, lists := plan.entry("/var/lib/dpkg/info")
	for e := range tree.All() {
		if e.Type == layers.Regular && e.Inode.Layer == top && e.Sniff() == (layers.Sniff{}) && k.Has(parentOf(e.Path)) {
			if _, owned := k.selection.packages.Owner(e.Path); owned && !lists {
				continue
			}
			out = append(out, e.Path)
		}
	}
	return out
}

// lowerLayers are the digests of all output layers but the topmost source
// layer's and pare's own.
func lowerLayers(t *testing.T, tree *layers.Tree, p *profile.Profile, o Options) map[int]string {
	t.Helper()
	plan := planned(t, tree, p, o)
	img, err := Build(t.Context(), tree, plan, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ls, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]string{}
	for i, l := range plan.Layers {
		if l.Source == pareOwnLayer || l.Source == len(tree.Layers())-1 {
			continue
		}
		h, err := ls[i].Digest()
		if err != nil {
			t.Fatal(err)
		}
		out[l.Source] = h.String()
	}
	return out
}
