package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

const shop = `
-- content status --
Package: tool
Status: install ok installed
Architecture: amd64
Version: 1

Package: unused
Status: install ok installed
Architecture: amd64
Version: 1
-- content tool.list --
/usr/bin/tool
/usr/share/tool/a
/usr/share/tool/b
/usr/share/doc/tool/copyright
-- content unused.list --
/usr/bin/unused
-- layer --
file usr/bin/tool 0755 "tool"
file usr/bin/health 0755 "health"
file usr/bin/unused 0755 "unused"
file usr/share/tool/a
file usr/share/tool/b
file usr/share/doc/tool/copyright
file var/lib/dpkg/status @status
file var/lib/dpkg/info/tool.list @tool.list
file var/lib/dpkg/info/unused.list @unused.list
file srv/shop/main.py "main"
file srv/shop/rare.py "rare"
file srv/shop/sweep 0755 "x"
symlink usr/bin/alias -> tool
file usr/bin/starter 0755 "x"
-- config --
{"WorkingDir":"/srv/shop","ExposedPorts":{"80/tcp":{},"443":{},"53/udp":{}},
 "Entrypoint":["starter"],"Cmd":["alias","--config","/srv/shop/main.py"],
 "Healthcheck":{"Test":["CMD-SHELL","health || ./sweep"]}}
`

func TestCover(t *testing.T) {
	tree, err := layers.Open(t.Context(), testimage.New(t, shop), layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	p := &profile.Profile{
		Ports: []int{80, 9000},
		Sessions: []profile.Session{{ID: "s", Engine: "test", Probes: []profile.Probe{
			{Kind: profile.ProbeHTTP, Port: 80, Path: "/"},
		}}},
		Accesses: []profile.Access{
			{Path: "/srv/shop/main.py", Exists: true, Kinds: []profile.Kind{profile.Open}},
			{Path: "/srv/shop/rare.py", Exists: true, Kinds: []profile.Kind{profile.Stat}}, // a look is no use
			{Path: "/usr/bin/starter", Exists: true, Kinds: []profile.Kind{profile.Exec}},
			{Path: "/usr/bin/alias", Exists: true, Kinds: []profile.Kind{profile.Exec}},
			{Path: "/usr/share/tool/none", Kinds: []profile.Kind{profile.Open}},
		},
	}
	got, err := Cover(tree, p, []string{"b", "a"})
	if err != nil {
		t.Fatal(err)
	}
	want := &Coverage{
		PortsNotAsked:  []int{443, 9000},
		ProgramsNotRun: []string{"/srv/shop/sweep", "/usr/bin/health"},
		RoutesNotAsked: []string{"a", "b"},
		Packages:       []Share{{"tool", 1, 3}},
		Apps:           []Share{{"/srv/shop", 1, 3}},

		PackagesUntouched: 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A loop of links, or a name out of the image, is no program and no crash.
func TestCoverHostile(t *testing.T) {
	tree, err := layers.Open(t.Context(), testimage.New(t, `
-- layer --
symlink a -> b
symlink b -> a
-- config --
{"Entrypoint":["a","../../../etc/shadow","","\u0000"],"Env":["PATH="],"ExposedPorts":{"99999/tcp":{},"x":{},"-1":{}}}
`), layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	got, err := Cover(tree, &profile.Profile{Accesses: []profile.Access{{Path: "/a", Exists: true, Kinds: []profile.Kind{profile.Exec}}}}, nil)
	if d := cmp.Diff(&Coverage{}, got); err != nil || d != "" {
		t.Error(err, d)
	}
}
