package rebase

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// status is a section for a status file of "name version" packages, with a
// list of their files.
func status(packages ...string) string {
	var b, lists strings.Builder
	for _, p := range packages {
		f := strings.Fields(p)
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nVersion: %s\nArchitecture: amd64\n", f[0], f[1])
		var list strings.Builder
		list.WriteString("/.\n")
		for _, word := range f[2:] {
			if dep, ok := strings.CutPrefix(word, "depends:"); ok {
				fmt.Fprintf(&b, "Depends: %s\n", strings.ReplaceAll(dep, "_", " "))
				continue
			}
			list.WriteString(word + "\n")
		}
		b.WriteString("\n")
		fmt.Fprintf(&lists, "file var/lib/dpkg/info/%s.list 0644 0:0 %q\n", f[0], list.String())
	}
	return fmt.Sprintf("file var/lib/dpkg/status 0644 0:0 %q\n%s", b.String(), lists.String())
}

// planned plans the move of upper layers from old to base.
func planned(t *testing.T, old, base string, o Options, uppers ...string) *Plan {
	t.Helper()
	return plannedFrom(t, testimage.New(t, old+above(uppers)), testimage.New(t, old), testimage.New(t, base), o)
}

func above(uppers []string) string {
	var b strings.Builder
	for _, u := range uppers {
		b.WriteString("\n-- layer --\n" + u + "\n")
	}
	return b.String()
}

func plannedFrom(t *testing.T, app, old, base v1.Image, o Options) *Plan {
	t.Helper()
	o.Dir = t.TempDir()
	p, err := NewPlan(t.Context(), app, describe(t, "base:old", old), base, describe(t, "base:new", base), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func describe(t *testing.T, name string, img v1.Image) Base {
	t.Helper()
	b, err := DescribeBase(name, v1.Hash{}, img)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read is what the result of a plan has at a path; "" for nothing.
func read(t *testing.T, p *Plan, name string) string {
	t.Helper()
	tree, err := layers.Open(t.Context(), p.result, layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	r, err := tree.Resolve(name)
	switch {
	case err != nil:
		return ""
	case r.Entry.Type == layers.Directory:
		return fmt.Sprintf("%04o %d:%d", r.Entry.Mode, r.Entry.UID, r.Entry.GID)
	}
	b, err := tree.ReadContent(r.Entry.Inode, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%04o %d:%d %s", r.Entry.Mode, r.Entry.UID, r.Entry.GID, b)
}

// told is "severity name path" of every finding, and repairs "name path".
func told(p *Plan) (findings, repairs []string) {
	for _, f := range p.Findings {
		findings = append(findings, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Severity, f.Name, f.Path)))
	}
	for _, r := range p.Repairs {
		text := r.Name + " " + r.Path
		if r.Gone {
			text += " gone"
		}
		repairs = append(repairs, text)
	}
	return findings, repairs
}

func TestPlan(t *testing.T) {
	base := func(more string, packages ...string) string {
		return "-- layer --\n" + more + "\n" + status(packages...)
	}
	for _, c := range []struct {
		name, old, base string
		uppers          []string
		options         Options
		findings        []string
		repairs         []string
		has             map[string]string // path: what the result has
	}{
		{
			name: "nothing of the database in an upper layer",
			old:  base(`file usr/lib/liba.so "1"`, "a 1 /usr/lib/liba.so"), base: base(`file usr/lib/liba.so "2"`, "a 2 /usr/lib/liba.so"),
			uppers: []string{"file app/run 0755"},
			has:    map[string]string{"/usr/lib/liba.so": "0644 0:0 2", "/app/run": "0755 0:0 "},
		},
		{
			name: "F1: the image ran the package manager",
			old:  base(`file usr/lib/liba.so "1"`, "a 1 /usr/lib/liba.so"), base: base(`file usr/lib/liba.so "2"`, "a 2 /usr/lib/liba.so"),
			uppers:  []string{"file usr/bin/b\n" + status("a 1 /usr/lib/liba.so", "b 1 /usr/bin/b")},
			repairs: []string{"package-database /var/lib/dpkg/status"},
			has: map[string]string{
				"/usr/lib/liba.so": "0644 0:0 2",
				"/var/lib/dpkg/status": "0644 0:0 Package: a\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n\n" +
					"Package: b\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n",
			},
		},
		{
			name: "F2: a base file is copied up for its mode",
			old:  base(`file usr/lib/liba.so 0644 0:0 "1"`, "a 1 /usr/lib/liba.so"), base: base(`file usr/lib/liba.so 0644 0:0 "2"`, "a 2 /usr/lib/liba.so"),
			uppers:  []string{`file usr/lib/liba.so 0755 7:0 "1"`},
			repairs: []string{"copied-up /usr/lib/liba.so"},
			has:     map[string]string{"/usr/lib/liba.so": "0755 7:0 2"},
		},
		{
			name: "the image has a package of its own that the new base brings too",
			old:  base("", "a 1"), base: base(`file usr/lib/libssl.so "22"`, "a 1", "libssl3 3.0.22 /usr/lib/libssl.so"),
			uppers:   []string{"file usr/lib/libssl.so \"20\"\n" + status("a 1", "libssl3 3.0.20 /usr/lib/libssl.so")},
			findings: []string{"warning shadowed /usr/lib/libssl.so"},
			has:      map[string]string{"/usr/lib/libssl.so": "0644 0:0 20"},
		},
		{
			name: "the same, and its fix is required",
			old:  base("", "a 1"), base: base(`file usr/lib/libssl.so "22"`, "a 1", "libssl3 3.0.22 /usr/lib/libssl.so"),
			uppers:   []string{"file usr/lib/libssl.so \"20\"\n" + status("a 1", "libssl3 3.0.20 /usr/lib/libssl.so")},
			options:  Options{RequireFix: []string{"libssl3", "a"}},
			findings: []string{"error fix-missing", "warning shadowed /usr/lib/libssl.so"},
		},
		{
			name: "the same, and the base's is to win",
			old:  base("", "a 1"), base: base(`file usr/lib/libssl.so "22"`, "a 1", "libssl3 3.0.22 /usr/lib/libssl.so"),
			uppers:  []string{"file usr/lib/libssl.so \"20\"\nfile usr/lib/libold.so\n" + status("a 1", "libssl3 3.0.20 /usr/lib/libssl.so /usr/lib/libold.so")},
			options: Options{DropShadow: true, RequireFix: []string{"libssl3"}},
			repairs: []string{"drop-shadow /usr/lib/libold.so gone", "drop-shadow /usr/lib/libssl.so", "package-database /var/lib/dpkg/info/libssl3.list", "package-database /var/lib/dpkg/status"},
			has:     map[string]string{"/usr/lib/libssl.so": "0644 0:0 22", "/usr/lib/libold.so": ""},
		},
		{
			name: "an exact dependency on the old base",
			old:  base("", "perl-base 1"), base: base("", "perl-base 2"),
			uppers:   []string{status("perl-base 1", "perl 1 depends:perl-base_(=_1)")},
			findings: []string{"error unmet-dependency"},
			repairs:  []string{"package-database /var/lib/dpkg/status"},
		},
		{
			name: "the same, and what it depends on is held",
			old:  base(`file usr/bin/perl "1"`, "perl-base 1 /usr/bin/perl"), base: base("file usr/bin/perl \"2\"\nfile usr/bin/more", "perl-base 2 /usr/bin/perl /usr/bin/more"),
			uppers:   []string{status("perl-base 1 /usr/bin/perl", "perl 1 depends:perl-base_(=_1)")},
			options:  Options{Hold: []string{"perl-base"}},
			findings: []string{"warning shadowed"},
			repairs:  []string{"package-files /usr/bin/more gone", "package-files /usr/bin/perl"},
			has:      map[string]string{"/usr/bin/perl": "0644 0:0 1", "/usr/bin/more": ""},
		},
		{
			name: "the image removed a package",
			old:  base("file bin/c", "a 1", "c 1 /bin/c"), base: base("file bin/c\nfile bin/d", "a 1", "c 2 /bin/c /bin/d"),
			uppers:  []string{"file bin/.wh.c\nfile var/lib/dpkg/info/.wh.c.list\n" + strings.SplitN(status("a 1"), "\n", 2)[0]},
			repairs: []string{"removed-package /bin/d gone"},
			has:     map[string]string{"/bin/c": "", "/bin/d": ""},
		},
		{
			name:   "the image took the database away, as one does to make it smaller",
			old:    base("file lib/liba.so.1.1 \"1\"\nsymlink lib/liba.so.1 -> liba.so.1.1", "a 1 /lib/liba.so.1.1 /lib/liba.so.1"),
			base:   base("file lib/liba.so.1.2 \"2\"\nsymlink lib/liba.so.1 -> liba.so.1.2", "a 2 /lib/liba.so.1.2 /lib/liba.so.1"),
			uppers: []string{"file var/lib/.wh.dpkg"},
			has:    map[string]string{"/lib/liba.so.1": "0644 0:0 2", "/var/lib/dpkg/status": ""},
		},
		{
			name: "a copy of a file, changed in mode alone, of a package that the new base does not have any more",
			old:  base("file lib/liba.so 0644 0:0 \"1\"\nfile lib/own 0644 0:0 \"1\"", "a 1 /lib/liba.so /lib/own", "b 1"), base: base("", "b 1"),
			uppers:  []string{"file lib/liba.so 0755 0:0 \"1\"\nfile lib/own \"mine\"\n" + status("a 1 /lib/liba.so /lib/own", "b 1")},
			repairs: []string{"copied-up /lib/liba.so gone", "package-database /var/lib/dpkg/info/a.list gone", "package-database /var/lib/dpkg/status"},
			has:     map[string]string{"/lib/liba.so": "", "/lib/own": "0644 0:0 mine"},
		},
		{
			// A layer lists the directories above its files as they were.
			name:    "a directory that the new base closes to others",
			old:     "-- layer --\ndir srv 0777\ndir srv/d 0777\nfile srv/a",
			base:    "-- layer --\ndir srv 0750 5:5\ndir srv/d 0750 5:5\nfile srv/a",
			uppers:  []string{"dir srv 0777\ndir srv/d 0777 7:7\nfile srv/d/b"},
			repairs: []string{"copied-up /srv", "copied-up /srv/d"},
			has:     map[string]string{"/srv": "0750 5:5", "/srv/d": "0750 7:7"},
		},
		{
			name:     "a base that runs as root under an image that did not",
			old:      "-- config --\n{\"User\":\"svc\"}\n-- layer --\nfile etc/passwd \"svc:x:9:9:::\\n\"",
			base:     "-- layer --\nfile etc/passwd \"svc:x:9:9:::\\n\"",
			uppers:   []string{"file app"},
			findings: []string{"error user-not-found"},
		},
		{
			name:     "a package of the image, of an older release than the new base",
			old:      base("file etc/os-release \"ID=debian\\nVERSION_ID=12\\n\"", "a 1"),
			base:     base("file etc/os-release \"ID=debian\\nVERSION_ID=13\\n\"", "a 2"),
			uppers:   []string{"file b\n" + status("a 1", "b 1 /b")},
			findings: []string{"error distribution"},
			repairs:  []string{"package-database /var/lib/dpkg/status"},
		},
		{
			name:   "none, of an older release",
			old:    base("file etc/os-release \"ID=debian\\nVERSION_ID=12\\n\"", "a 1"),
			base:   base("file etc/os-release \"ID=debian\\nVERSION_ID=13\\n\"", "a 2"),
			uppers: []string{"file b\n"},
		},
		{
			name:     "an older base, and a package to hold that nobody has",
			old:      base("", "a 2", "b 2"),
			base:     base("", "a 1", "b 2"),
			uppers:   []string{"file x"},
			options:  Options{Hold: []string{"c"}},
			findings: []string{"warning downgrade", "warning not-held"},
		},
		{
			name:     "F7: directories over the links of a merged /usr",
			old:      "-- layer --\ndir bin\nfile bin/sh",
			base:     "-- layer --\nsymlink bin -> usr/bin\nfile usr/bin/sh",
			uppers:   []string{"dir bin\nfile bin/app"},
			findings: []string{"error directory-replaced /bin"},
		},
		{
			name:     "F8: a user that the new base does not have",
			old:      "-- config --\n{\"User\":\"svc\"}\n-- layer --\nfile etc/passwd \"svc:x:9:9:::\\n\"",
			base:     "-- config --\n{\"User\":\"svc\"}\n-- layer --\nfile etc/passwd \"root:x:0:0:::\\n\"",
			uppers:   []string{"file app"},
			findings: []string{"error user-not-found /etc/passwd"},
		},
		{
			name:    "F9: an upper layer carries passwd",
			old:     "-- layer --\nfile etc/passwd \"root:x:0:0:::\\n\"",
			base:    "-- layer --\nfile etc/passwd \"root:x:0:0:::\\nsvc:x:8:8:::\\n\"",
			uppers:  []string{"file etc/passwd \"root:x:0:0:::\\napp:x:9:9:::\\n\""},
			repairs: []string{"accounts /etc/passwd"},
			has:     map[string]string{"/etc/passwd": "0644 0:0 root:x:0:0:::\nsvc:x:8:8:::\napp:x:9:9:::\n"},
		},
		{
			name:     "F12: an opaque directory hides what the base adds",
			old:      "-- layer --\nfile opt/a",
			base:     "-- layer --\nfile opt/a\nfile opt/new",
			uppers:   []string{"dir opt\nfile opt/.wh..wh..opq\nfile opt/mine"},
			findings: []string{"warning hidden-files /opt"},
		},
		{
			// Docker marks every directory opaque that a layer makes.
			name:     "files of a package of the new base, in a directory that the image made",
			old:      "-- layer --\nfile a\n" + status("a 1 /a"),
			base:     "-- layer --\nfile a\nfile opt/b/new\nfile opt/b/loose\n" + status("a 1 /a", "b 2 /opt/b/new"),
			uppers:   []string{"dir opt/b\nfile opt/b/.wh..wh..opq\nfile opt/b/mine\n" + status("a 1 /a", "c 1 /opt/b/mine")},
			repairs:  []string{"package-files /opt/b/new", "package-database /var/lib/dpkg/status"},
			findings: []string{"warning hidden-files /opt/b"},
		},
		{
			name:     "F13: a base for another platform",
			old:      "-- layer --\nfile a",
			base:     "-- image --\n{\"os\":\"linux\",\"architecture\":\"arm64\"}\n-- layer --\nfile a",
			uppers:   []string{"file b"},
			findings: []string{"error platform"},
		},
		{
			name:     "F3: a link to what is gone",
			old:      "-- layer --\nfile usr/bin/perl5.36",
			base:     "-- layer --\nfile usr/bin/perl5.40",
			uppers:   []string{"symlink usr/local/bin/perl -> ../../bin/perl5.36"},
			findings: []string{"error dangling-link /usr/local/bin/perl"},
		},
		{
			name:     "the entrypoint is gone",
			old:      "-- config --\n{\"Entrypoint\":[\"tini\"]}\n-- layer --\nfile usr/bin/tini 0755",
			base:     "-- config --\n{\"Entrypoint\":[\"tini\"]}\n-- layer --\nfile usr/bin/other 0755",
			uppers:   []string{"file b"},
			findings: []string{"error program-not-found /usr/bin/tini"},
		},
		{
			name:     "a base that runs nothing under an image that has its command of the old one",
			old:      "-- config --\n{\"Cmd\":[\"sh\"]}\n-- layer --\nfile bin/sh 0755",
			base:     "-- layer --\nfile bin/sh 0755 \"2\"",
			uppers:   []string{"file b"},
			findings: []string{"error program-not-found"},
		},
		{
			name:     "a file of no package that both changed",
			old:      "-- layer --\nfile usr/share/x \"1\"",
			base:     "-- layer --\nfile usr/share/x \"2\"",
			uppers:   []string{`file usr/share/x "3"`},
			findings: []string{"warning shadowed /usr/share/x"},
			has:      map[string]string{"/usr/share/x": "0644 0:0 3"},
		},
		{
			name:     "an allowed finding",
			old:      "-- layer --\nfile usr/bin/perl5.36",
			base:     "-- layer --\nfile usr/bin/perl5.40",
			uppers:   []string{"symlink perl -> usr/bin/perl5.36"},
			options:  Options{Allow: []string{"dangling-link"}},
			findings: []string{"error dangling-link /perl"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := planned(t, c.old, c.base, c.options, c.uppers...)
			findings, repairs := told(p)
			if diff := cmp.Diff(c.findings, findings); diff != "" {
				t.Errorf("findings (-want +got):\n%s%v", diff, p.Findings)
			}
			if diff := cmp.Diff(c.repairs, repairs); diff != "" {
				t.Errorf("repairs (-want +got):\n%s", diff)
			}
			for name, want := range c.has {
				if diff := cmp.Diff(want, read(t, p, name)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			forbidden := len(c.findings) > 0 && strings.HasPrefix(c.findings[0], "error") && c.options.Allow == nil
			if _, err := Apply(p); errors.Is(err, ErrFindings) != forbidden {
				t.Errorf("applying: %v", err)
			}
		})
	}
}

// A base for another platform cannot be allowed.
func TestPlanPlatformIsFinal(t *testing.T) {
	p := planned(t, "-- layer --\nfile a", "-- image --\n{\"os\":\"linux\",\"architecture\":\"arm64\"}\n-- layer --\nfile a", Options{Allow: []string{FindingPlatform}}, "file b")
	if _, err := Apply(p); !errors.Is(err, ErrFindings) {
		t.Errorf("applied: %v", err)
	}
}

const (
	roundOld = "-- config --\n{\"Env\":[\"PATH=/bin\",\"V=1\"],\"Cmd\":[\"sh\"]}\n-- layer --\nfile etc/passwd \"root:x:0:0:::\\n\"\nfile lib/liba \"1\"\n"
	roundNew = "-- config --\n{\"Env\":[\"PATH=/bin\",\"V=2\"],\"Cmd\":[\"sh\"],\"User\":\"0\"}\n-- layer --\nfile etc/passwd \"root:x:0:0:::\\nsvc:x:8:8:::\\n\"\nfile lib/liba \"2\"\n-- layer --\nfile new\n"
)

// F20: a rerun does nothing; a second rebase works on the first's result; the
// way back gives the digest that there was, with the repairs gone again.
func TestPlanRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name   string
		uppers []string
	}{
		{"without repairs", []string{"file app", "file more"}},
		{"with repairs", []string{"file etc/passwd \"root:x:0:0:::\\napp:x:9:9:::\\n\"\n" + "file lib/liba 0700 0:0 \"1\"\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := testimage.New(t, roundOld+status("a 1 /lib/liba")), testimage.New(t, roundNew+status("a 2 /lib/liba"))
			third := testimage.New(t, roundNew+"-- layer --\nfile lib/liba \"3\"\n"+status("a 3 /lib/liba"))
			app := testimage.New(t, roundOld+status("a 1 /lib/liba")+above(c.uppers))
			there := plannedFrom(t, app, a, b, Options{})
			if there.Err() != nil || there.Nothing || there.Result == there.Image.Digest {
				t.Fatalf("there: %v, %v", there.Err(), there.Nothing)
			}
			if again := plannedFrom(t, there.result, b, b, Options{}); !again.Nothing || again.Result != there.Result {
				t.Errorf("a rerun: %v, %s becomes %s", again.Nothing, there.Result, again.Result)
			}
			if back := plannedFrom(t, there.result, b, a, Options{}); back.Result != there.Image.Digest {
				was, _ := app.RawManifest()
				is, _ := back.result.RawManifest()
				wasConfig, _ := app.RawConfigFile()
				isConfig, _ := back.result.RawConfigFile()
				t.Errorf("back again (-was +is):\n%s%s\n%v", cmp.Diff(string(was), string(is)), cmp.Diff(string(wasConfig), string(isConfig)), back.Repairs)
			}
			on := plannedFrom(t, there.result, b, third, Options{})
			direct := plannedFrom(t, app, a, third, Options{})
			if diff := cmp.Diff(direct.Result, on.Result); diff != "" {
				t.Errorf("by way of another base (-direct +on): %s", diff)
			}
			if want, got := read(t, direct, "/lib/liba"), read(t, on, "/lib/liba"); got != want || !strings.HasSuffix(got, "3") {
				t.Errorf("liba is %q, and %q by way of another base", want, got)
			}
		})
	}
}

// The way back ends where it began, whatever the image has in common with the
// base that it comes from.
func TestPlanHome(t *testing.T) {
	a, b := testimage.New(t, roundOld), testimage.New(t, roundNew)
	app := testimage.New(t, roundOld+above([]string{"file lib/liba \"2\"\nfile new\n"}))
	there := plannedFrom(t, app, a, b, Options{})
	if there.Err() != nil || there.Result == there.Image.Digest {
		t.Fatalf("there: %v", there.Err())
	}
	if back := plannedFrom(t, there.result, b, a, Options{}); back.Result != there.Image.Digest {
		t.Errorf("back again: %s, want %s: %v", back.Result, there.Image.Digest, back.Repairs)
	}
}

// Builders hand annotations on: what an earlier move has noted of an image is
// not true of one that was built on it since.
func TestPlanInheritedAnnotations(t *testing.T) {
	a, b := testimage.New(t, roundOld+status("a 1 /lib/liba")), testimage.New(t, roundNew+status("a 2 /lib/liba"))
	app := testimage.New(t, roundOld+status("a 1 /lib/liba")+above([]string{"file app"}))
	there := plannedFrom(t, app, a, b, Options{})
	has, err := there.result.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	built := testimage.New(t, roundNew+status("a 2 /lib/liba")+above([]string{"file app", "file own\n" + status("a 2 /lib/liba", "own 1 /own")}))
	built = mutate.Annotations(built, has.Annotations).(v1.Image)
	c, err := built.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if n := NotedLayers(c, has.Annotations); n != 0 {
		t.Errorf("it is said to stand on %d layers", n)
	}
	down := plannedFrom(t, built, b, a, Options{})
	if got := read(t, down, "/var/lib/dpkg/status"); !strings.Contains(got, "Package: a\nStatus: install ok installed\nVersion: 1\n") {
		t.Errorf("on the first base the database says\n%s", got)
	}
}

// A base whose history is not of its layers: of the image's it says nothing.
func TestPlanHistoryOfOthers(t *testing.T) {
	with := func(archive string, by ...string) v1.Image {
		img := testimage.New(t, archive)
		c, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c = c.DeepCopy()
		c.History = nil
		for _, text := range by {
			c.History = append(c.History, v1.History{CreatedBy: text})
		}
		if img, err = mutate.ConfigFile(img, c); err != nil {
			t.Fatal(err)
		}
		return img
	}
	const one = "-- layer --\nfile a\n"
	app := with(one+above([]string{"file b", "file etc/c"}), "base", "app", repairedBy)
	p := plannedFrom(t, app, with(one, "base", "app", repairedBy), with(one+above([]string{"file d"}), "base", "more"), Options{})
	c, err := p.result.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var by []string
	for _, h := range c.History {
		by = append(by, h.CreatedBy)
	}
	if diff := cmp.Diff([]string{"base", "more", "app"}, by); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// The same plan is the same bytes.
func TestPlanTwice(t *testing.T) {
	one := planned(t, roundOld, roundNew, Options{}, "file etc/passwd \"root:x:0:0:::\\napp:x:9:9:::\\n\"")
	two := planned(t, roundOld, roundNew, Options{}, "file etc/passwd \"root:x:0:0:::\\napp:x:9:9:::\\n\"")
	var x, y strings.Builder
	if err := errors.Join(one.Write(&x), two.Write(&y)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(x.String(), y.String()); diff != "" {
		t.Errorf("plans differ:\n%s", diff)
	}
}
