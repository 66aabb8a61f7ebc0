package slim

import (
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/slim/profile"
)

func TestRuleSkeleton(t *testing.T) {
	runRuleCases(t, []ruleCase{{
		name: "directories that the source has, as it has them, without their content",
		image: `
-- layer --
dir tmp 1777
file tmp/left
dir var/tmp 1777
dir proc 0555
dir sys 0555
dir dev
file dev/left
dir home
dir home/me
dir root 0700
dir run
symlink var/run -> /run
file t
`,
		opened: "/t",
		show:   "skeleton",
		want: `
/dev skeleton
/home skeleton
/proc skeleton
/root skeleton
/run skeleton
/sys skeleton
/t access
/tmp skeleton
/var skeleton
/var/run link /run
/var/tmp skeleton
`,
	}})
	_, out := slimmed(t, open(t, "\n-- layer --\ndir tmp 1777\nfile t\n"), opened("/t"), Options{})
	if e, ok := out.Lookup("/tmp"); !ok || e.Mode != 0o1777 {
		t.Errorf("/tmp: %+v", e)
	}
}

// Nothing of the host that built or ran the source stays.
func TestRuleRuntimeMount(t *testing.T) {
	tree := open(t, `
-- layer --
file etc/hosts 0664 3:4 "127.0.0.1 buildhost.corp" mtime=9
file etc/hostname "buildhost"
symlink etc/resolv.conf -> ../run/systemd/resolve/stub-resolv.conf
file run/systemd/resolve/stub-resolv.conf "nameserver 10.0.0.1"
symlink etc/mtab -> /proc/mounts
link etc/hosts.saved => etc/hosts
file t
`)
	_, out := slimmed(t, tree, opened("/t", "/etc/hosts", "/etc/hostname"), Options{Granularity: GranularityFile, Keep: []string{"/etc/hosts"}})
	got := dumpTree(t, out)
	for p, want := range map[string]string{
		"/etc/hosts":       `file 0664 3:4 ""`,
		"/etc/hostname":    `file 0644 0:0 ""`,
		"/etc/resolv.conf": "symlink 0644 0:0 -> ../run/systemd/resolve/stub-resolv.conf",
		"/etc/mtab":        "symlink 0644 0:0 -> /proc/mounts",
	} {
		if got[p] != want {
			t.Errorf("%s is %q, want %q", p, got[p], want)
		}
	}
	if p := "/run/systemd/resolve/stub-resolv.conf"; got[p] != "" {
		t.Errorf("%s: %s", p, got[p])
	}
}

func TestRuleDistroID(t *testing.T) {
	runRuleCases(t, []ruleCase{{
		name: "files that name the distribution, with what they link to",
		image: `
-- layer --
symlink etc/os-release -> ../usr/lib/os-release
file usr/lib/os-release "ID=debian"
file etc/debian_version "12"
file etc/issue "Debian"
file t
`,
		opened: "/t",
		show:   "distro-id",
		want: `
/etc/debian_version distro-id
/etc/os-release link /usr/lib/os-release
/t access
/usr/lib/os-release distro-id
`,
	}})
}

func TestAppRootOfWorkingDirectory(t *testing.T) {
	for dir, want := range map[string]string{
		"/app": "/app", "/usr/app": "/usr/app", "/usr/app/src/": "/usr/app/src", "/usr/local/tomcat": "/usr/local/tomcat", "/var/task": "/var/task", "/root/app": "/root/app",
		"/usr/src/app": "/usr/src/app", "/var/www/html": "/var/www/html", "/usr/share/kibana": "/usr/share/kibana",
		"/": "", "/usr": "", "/usr/bin": "", "/usr/lib/app": "", "/usr/share": "", "/usr/lib64/x": "", "/usr/local": "", "/usr/local/bin": "", "/usr/local/etc/x": "",
		"/root": "", "/root/.cache": "", "/var": "", "/var/lib/app": "", "/var/log": "", "/etc/app": "", "/run/app": "", "/tmp/app": "", "/mnt/app": "", "/dev/shm": "",
	} {
		if got := AppRoot(path.Join(dir, "x"), dir); got != want {
			t.Errorf("WORKDIR %s: %q, want %q", dir, got, want)
		}
	}
}

func TestRuleAppDir(t *testing.T) {
	auto := Options{Granularity: GranularityAuto}
	debian := `
-- content status --
Package: app
Status: install ok installed
Architecture: amd64
Version: 1
-- layer --
file var/lib/dpkg/status @status
file var/lib/dpkg/info/app.list "/opt/tool/owned\n"
`
	runRuleCases(t, []ruleCase{
		{
			name: "the working directory comes whole, but for version control",
			image: `
-- layer --
file srv/shop/main.py
file srv/shop/lib/part.py
symlink srv/shop/static -> /srv/assets
file srv/assets/x.css
file srv/shop/.git/config
file srv/shop/lib/.svn/x
file srv/other/x
-- config --
{"WorkingDir":"/srv/shop/"}
`,
			opened: "/srv/shop/main.py", options: auto,
			want: `
/srv/assets link /srv/shop/static
/srv/shop/lib app-dir /srv/shop/main.py
/srv/shop/lib/part.py app-dir /srv/shop/main.py
/srv/shop/main.py access
/srv/shop/static app-dir /srv/shop/main.py
`,
		},
		{
			name: "not at granularity file",
			image: `
-- layer --
file app/a
file app/b
`,
			opened: "/app/a", options: Options{Granularity: GranularityFile},
			want: "/app/a access",
		},
		{
			name: "a top directory that the FHS does not know, one below opt, a language's library",
			image: `
-- layer --
file app/a
file app/b
file opt/one/a
file opt/one/b
file opt/two/b
file usr/local/lib/python3.11/os.py
file usr/local/lib/python3.11/site-packages/x/y.py
file usr/local/lib/liba.so
file usr/lib/python3/x.py
file usr/lib/python3/y.py
`,
			opened: "/app/a /opt/one/a /usr/local/lib/python3.11/os.py /usr/local/lib/liba.so /usr/lib/python3/x.py", options: auto,
			want: `
/app/a access
/app/b app-dir /app/a
/opt/one/a access
/opt/one/b app-dir /opt/one/a
/usr/lib/python3/x.py access
/usr/local/lib/liba.so access
/usr/local/lib/python3.11/os.py access
/usr/local/lib/python3.11/site-packages app-dir /usr/local/lib/python3.11/os.py
/usr/local/lib/python3.11/site-packages/x app-dir /usr/local/lib/python3.11/os.py
/usr/local/lib/python3.11/site-packages/x/y.py app-dir /usr/local/lib/python3.11/os.py
`,
		},
		{
			name: "files of a package are left to it; a package's file brings no directory",
			image: debian + `
file opt/tool/owned
file opt/tool/own
file opt/tool/more
file opt/pack/x
`,
			opened: "/opt/tool/owned", options: auto,
			want: `
/opt/tool/owned access
/var/lib/dpkg/info/app.list package-database /opt/tool/owned
/var/lib/dpkg/status package-database
`,
		},
		{
			name: "beside an own file, those of a package stay out",
			image: debian + `
file opt/tool/owned
file opt/tool/own
file opt/tool/more
`,
			opened: "/opt/tool/own", options: auto,
			want: `
/opt/tool/more app-dir /opt/tool/own
/opt/tool/own access
`,
		},
		{
			name: "a working directory in the system's, by a name that the FHS does not have",
			image: `
-- layer --
file usr/local/tomcat/lib/catalina.jar
file usr/local/tomcat/webapps/shop/late.jsp
file usr/local/share/x
-- config --
{"WorkingDir":"/usr/local/tomcat"}
`,
			opened: "/usr/local/tomcat/lib/catalina.jar", options: auto,
			want: `
/usr/local/tomcat/lib/catalina.jar access
/usr/local/tomcat/webapps app-dir /usr/local/tomcat/lib/catalina.jar
/usr/local/tomcat/webapps/shop app-dir /usr/local/tomcat/lib/catalina.jar
/usr/local/tomcat/webapps/shop/late.jsp app-dir /usr/local/tomcat/lib/catalina.jar
`,
		},
		{
			name: "state is no application",
			image: `
-- layer --
file var/lib/app/a
file var/lib/app/b
file etc/app/a
file etc/app/b
`,
			opened: "/var/lib/app/a /etc/app/a", options: auto,
			want: `
/etc/app/a access
/var/lib/app/a access
`,
		},
		{
			name: "a directory that was only looked at brings nothing",
			image: `
-- layer --
dir app
file app/a
`,
			opened: "/app", options: auto,
			want: "/app access",
		},
	})
}

func TestEmptyProfile(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile a\ndir proc\n")
	for name, p := range map[string]*profile.Profile{
		"no access":      {},
		"nothing there":  opened("/b", "/c"),
		"kernel's":       opened("/proc", "/proc/self"),
		"never existed":  {Accesses: []profile.Access{{Path: "/a", Kinds: []profile.Kind{profile.Open}}}},
		"only the root ": opened("/"),
	} {
		if _, err := Select(t.Context(), tree, p, Options{}); !errors.Is(err, ErrEmptyProfile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile a\n")
	late := int64(1) << 60
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Granularity: "fine"}, `granularity "fine"; known are auto, file, package`},
		{Options{Reach: "all"}, `reach "all"; known are report, keep`},
		{Options{Layers: "one"}, `layers "one"; known are preserve, squash`},
		{Options{Allow: []string{"everything"}}, `unknown finding "everything"; known are`},
		{Options{Keep: []string{"/a/../b"}}, `keep pattern: pattern "/a/../b"`},
		{Options{Drop: []string{"["}}, `drop pattern: pattern "["`},
		{Options{Drop: []string{"!"}}, "drop pattern: an empty pattern"},
		{Options{Drop: []string{"/"}}, "drop pattern: an empty pattern"},
		{Options{Rules: "keep /a\n\n# text\nretain /b\n"}, `rules file, line 4: "retain"; want keep PATTERN or drop PATTERN`},
		{Options{Rules: "drop\n"}, "rules file, line 1: an empty pattern"},
		{Options{Rules: strings.Repeat("drop /x\n", maxPatterns+1)}, "more than 10000 patterns"},
		{Options{Keep: []string{"/a\xff"}}, `"/a\xff" is not UTF-8; write ?`},
		{Options{Compression: "rar"}, `compression "rar"; known are gzip, zstd, none, estargz`},
		{Options{SourceDateEpoch: &late}, "creation time"},
	} {
		if err := c.o.Check(); !errors.Is(err, ErrRules) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("checked without an image, %+v: %v, want %q", c.o, err, c.want)
		}
		if _, err := Select(t.Context(), tree, opened("/a"), c.o); !errors.Is(err, ErrRules) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}

func TestCheckProfile(t *testing.T) {
	img := testimage.New(t, "\n-- layer --\nfile a\n-- image --\n"+`{"os":"linux","architecture":"arm64","variant":"v8"}`)
	id, err := Identify(img)
	if err != nil {
		t.Fatal(err)
	}
	other := "sha256:" + strings.Repeat("0", 64)
	for _, c := range []struct {
		name string
		img  profile.Image
		err  error
	}{
		{"of this image", id.Image(), nil},
		{"of an unknown image", profile.Image{}, nil},
		{"of this image elsewhere, with another manifest", profile.Image{Digest: other, Config: id.Config.String(), Platform: "linux/arm64"}, nil},
		{"of another manifest, config unknown", profile.Image{Digest: other}, ErrProfileImage},
		{"of another config", profile.Image{Digest: id.Digest.String(), Config: other}, ErrProfileImage},
		{"of another platform", profile.Image{Platform: "linux/amd64"}, ErrProfileImage},
		{"of another variant", profile.Image{Platform: "linux/arm64/v7"}, ErrProfileImage},
	} {
		p := opened("/a")
		p.Image = c.img
		if err := Check(p, id); !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := Check(&profile.Profile{}, id); !errors.Is(err, ErrEmptyProfile) {
		t.Errorf("no accesses: %v", err)
	}
}

// A source's SBOM tells of what was removed.
func TestSBOMFilesOfTheSource(t *testing.T) {
	var image strings.Builder
	image.WriteString("\n-- layer --\nfile app/main\nfile app/sbomb.json\nfile app/combom.xml\n")
	sboms := []string{"/app/bom.json", "/app/SBOM.xml", "/app/x.spdx.json", "/app/x.spdx", "/app/x.cdx.xml", "/var/lib/db/sbom/curl.spdx.json"}
	for _, p := range sboms {
		image.WriteString("file " + p[1:] + "\n")
	}
	plan := planned(t, open(t, image.String()), opened("/app/main", "/var/lib/db/sbom/curl.spdx.json"), Options{})
	var out []string
	for _, d := range plan.Dropped {
		if d.Type == "file" && d.Rule == "source-sbom" {
			out = append(out, d.Path)
		}
	}
	slices.Sort(sboms)
	if d := cmp.Diff(sboms, out); d != "" {
		t.Errorf("dropped (-want +got):\n%s", d)
	}
	for _, p := range []string{"/app/sbomb.json", "/app/combom.xml"} {
		if x, err := plan.Why(p); err != nil || !x.Kept {
			t.Errorf("%s: %+v %v", p, x, err)
		}
	}
	var found []string
	for _, f := range plan.Findings {
		found = append(found, string(f.Severity)+" "+f.Name+" "+f.Path)
	}
	if d := cmp.Diff([]string{"error source-sbom /var/lib/db/sbom/curl.spdx.json", "warning source-sbom /app/SBOM.xml"}, found); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	plan = planned(t, open(t, image.String()), opened("/app/main"), Options{Keep: []string{"/app/bom.json"}})
	if x, err := plan.Why("/app/bom.json"); err != nil || !x.Kept {
		t.Errorf("asked for by name: %+v %v", x, err)
	}
}
