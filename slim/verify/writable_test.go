package verify

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
)

const writableImage = `
-- config --
{"Entrypoint":["/bin/app"],"User":"33:33","Volumes":{"/data":{}}}
-- layer --
file bin/app 0755 "app"
dir tmp 01777
dir run
dir run/lock
dir run/app
symlink var/run => ../run
dir var/cache/app
dir var/log/app
symlink var/log/app/out.log => /dev/stdout
symlink var/log/app/real.log => ../other/real.log
dir var/log/other
dir var/lib/app/a
dir var/lib/app/b
dir data/sub
file etc/app/app.conf "x"
file etc/app/more.conf "x"
dir etc/app/empty
file app/main.py "x"
dir app/lib
`

// where is the derived places, "tmpfs /run".
func where(ws []Writable) []string {
	out := []string{}
	for _, w := range ws {
		out = append(out, w.How+" "+w.path)
	}
	return out
}

func TestWritable(t *testing.T) {
	const (
		create = profile.Create
		write  = profile.Write
		remove = profile.Delete
		rename = profile.Rename
		stat   = profile.Stat
	)
	for name, c := range map[string]struct {
		accesses []profile.Access
		want     []string
		unmet    []string
	}{
		"nothing written":                           {[]profile.Access{found("/etc/app/app.conf", profile.Open)}, nil, nil},
		"a file made in an empty directory":         {[]profile.Access{found("/tmp/x", create, write)}, []string{"tmpfs /tmp"}, nil},
		"made and removed again":                    {[]profile.Access{found("/tmp/x", create), notFound("/tmp/y", create, remove)}, []string{"tmpfs /tmp"}, nil},
		"through a link":                            {[]profile.Access{found("/var/run/app.pid", create)}, []string{"tmpfs /run"}, nil},
		"untouched empty directories may be hidden": {[]profile.Access{found("/run/x.pid", create)}, []string{"tmpfs /run"}, nil},
		"used ones may not":                         {[]profile.Access{found("/run/x.pid", create), found("/run/lock", stat)}, []string{"volume /run"}, nil},
		"nested places":                             {[]profile.Access{found("/run/x.pid", create), found("/run/app/y", create)}, []string{"tmpfs /run", "tmpfs /run/app"}, nil},
		"nested places that are used":               {[]profile.Access{found("/run/x.pid", create), found("/run/app", stat), found("/run/app/y", create)}, []string{"tmpfs /run", "tmpfs /run/app"}, nil},
		"what leads to a nested place":              {[]profile.Access{found("/var/lib/x", create), found("/var/lib/app", stat), found("/var/lib/app/a/y", create)}, []string{"tmpfs /var/lib", "tmpfs /var/lib/app/a"}, nil},
		"mkdir -p makes no use":                     {[]profile.Access{found("/run/lock", create), found("/run/x", create)}, []string{"tmpfs /run"}, nil},
		"directories made on the way":               {[]profile.Access{found("/var/cache/app/x", create), found("/var/cache/app/x/y", create), found("/var/cache/app/x/y/z", create)}, []string{"tmpfs /var/cache/app"}, nil},
		"a directory that slimming dropped":         {[]profile.Access{found("/var/spool/app/x", create)}, []string{"tmpfs /var/spool/app"}, nil},
		"of which a part was made":                  {[]profile.Access{found("/var/spool/app", create), found("/var/spool/app/x", create)}, []string{"tmpfs /var/spool"}, nil},
		"siblings stay apart":                       {[]profile.Access{found("/var/lib/app/a/1", create), found("/var/lib/app/b/1", create)}, []string{"tmpfs /var/lib/app/a", "tmpfs /var/lib/app/b"}, nil},
		"a file of the image written":               {[]profile.Access{found("/etc/app/app.conf", write)}, []string{"volume /etc/app"}, nil},
		"a file made beside files of the image":     {[]profile.Access{found("/etc/app/new.conf", create)}, []string{"volume /etc/app"}, nil},
		"a volume has what is below it":             {[]profile.Access{found("/etc/app/new.conf", create), found("/etc/app/empty/x", create)}, []string{"volume /etc/app"}, nil},
		"a file of the image replaced":              {[]profile.Access{found("/etc/app/app.conf", rename), notFound("/etc/app/app.conf.new", create, rename)}, []string{"volume /etc/app"}, nil},
		"opened to be made, and there":              {[]profile.Access{found("/etc/app/app.conf", create, profile.Open)}, nil, nil},
		"a declared volume":                         {[]profile.Access{found("/data/x", create), found("/data/sub/y", create)}, nil, nil},
		"caches of compiled code":                   {[]profile.Access{notFound("/app/__pycache__", create), notFound("/app/__pycache__/m.pyc", create), notFound("/app/lib/m.pyc", create, rename)}, nil, nil},
		"beside application code":                   {[]profile.Access{found("/app/db", create)}, []string{"volume /app"}, nil},
		"the kernel's file systems":                 {[]profile.Access{found("/proc/self/oom_score_adj", write), found("/dev/shm/x", create), found("/var/log/app/out.log", write, create)}, nil, nil},
		"a link to what is not there yet":           {[]profile.Access{found("/var/log/app/real.log", create, write)}, []string{"tmpfs /var/log/other"}, nil},
		"nothing there to be removed":               {[]profile.Access{notFound("/etc/app/old.pid", remove), notFound("/etc/app/none", write)}, nil, nil},
		"the mode of a directory":                   {[]profile.Access{found("/var/cache/app", write)}, []string{"tmpfs /var/cache/app"}, nil},
		"a directory made in the root":              {[]profile.Access{found("/state", create), found("/state/x", create)}, []string{"tmpfs /state"}, nil},
		"a file made in the root":                   {[]profile.Access{found("/app.pid", create)}, nil, []string{"/app.pid"}},
		"below a file":                              {[]profile.Access{notFound("/bin/app/x", create)}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := subject(t, writableImage)
			ws, unmet := writable(s.Tree, accesses(c.accesses...), []string{"/data"})
			if diff := cmp.Diff(append([]string{}, c.want...), where(ws)); diff != "" {
				t.Error(diff)
			}
			var got []string
			for _, u := range unmet {
				got = append(got, u.Path)
			}
			if diff := cmp.Diff(c.unmet, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What no user of the recording was allowed to do came to nothing.
func TestWritableByWhom(t *testing.T) {
	s := subject(t, writableImage)
	p := accesses(found("/etc/app/x", profile.Create), found("/.cache", profile.Create))
	p.Sessions = []profile.Session{{ID: "a", User: "1000:1000"}}
	if ws, unmet := writable(s.Tree, p, nil); len(ws)+len(unmet) > 0 {
		t.Errorf("as 1000: %v %v", where(ws), unmet)
	}
	p.Users = []profile.User{{UID: 0}}
	if ws, unmet := writable(s.Tree, p, nil); len(ws) != 1 || len(unmet) != 1 {
		t.Errorf("as root: %v %v", where(ws), unmet)
	}
}

// Whatever was written: every change lies in a place, the places are needed,
// no tmpfs hides a file of the image, and the order of accesses is the same.
func TestWritableProperties(t *testing.T) {
	names := []string{"a", "b", "c"}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		random := func(deep int) string {
			var p strings.Builder
			p.WriteString("/top")
			for range 1 + r.IntN(deep) {
				p.WriteString("/" + names[r.IntN(len(names))])
			}
			return p.String()
		}
		var image strings.Builder
		image.WriteString("-- layer --\ndir top\n")
		files := map[string]bool{}
		for range r.IntN(4) {
			fmt.Fprintf(&image, "dir %s\n", random(3)[1:])
		}
		for range r.IntN(3) {
			f := random(3) + "/file"
			files[f] = true
			fmt.Fprintf(&image, "file %s \"x\"\n", f[1:])
		}
		var as []profile.Access
		for range 1 + r.IntN(5) {
			as = append(as, found(random(4)+"/new", profile.Create))
		}
		s := subject(t, image.String())
		ws, unmet := writable(s.Tree, accesses(as...), nil)
		if len(unmet) > 0 {
			t.Fatalf("seed %d: %v", seed, unmet)
		}
		covers := func(ws []Writable, p string) bool {
			return slices.ContainsFunc(ws, func(w Writable) bool { return below(path.Dir(p), w.path) })
		}
		for _, a := range as {
			if !covers(ws, a.Path) {
				t.Errorf("seed %d: nothing covers %s: %v", seed, a.Path, where(ws))
			}
		}
		for _, w := range ws {
			for f := range files {
				if w.How == Tmpfs && below(f, w.path) && !slices.ContainsFunc(ws, func(o Writable) bool { return o.How == Volume && below(o.path, w.path) && below(f, o.path) }) {
					t.Errorf("seed %d: tmpfs %s hides %s", seed, w.path, f)
				}
			}
			if !slices.ContainsFunc(as, func(a profile.Access) bool { return below(a.Path, w.path) }) {
				t.Errorf("seed %d: nobody needs %s", seed, w.path)
			}
		}
		slices.Reverse(as)
		if again, _ := writable(s.Tree, accesses(as...), nil); !slices.Equal(where(ws), where(again)) {
			t.Errorf("seed %d: %v, then %v", seed, where(ws), where(again))
		}
	}
}

func TestDerive(t *testing.T) {
	s := subject(t, writableImage)
	p := accesses(found("/tmp/x", profile.Create), found("/run/x", profile.Create))
	p.Ports = []int{0, 80, 8080}
	p.Sessions = []profile.Session{{ID: "a", Privileges: []profile.Privilege{
		{Kind: profile.CapCall, Path: "setuid"},
		{Kind: profile.CapCall, Path: "chroot"},
		{Kind: profile.CapCall, Path: "mount"},
		{Kind: profile.CapCall, Path: "bind"},
		{Kind: profile.CapCall, Path: "mknod", Denied: true},
		{Kind: profile.SetuidExec, Path: "/bin/su"},
	}}}
	c, err := Derive(s.Tree, p, Overrides{Tmpfs: []string{"/var/run", "cache/"}, Volumes: []string{"/tmp"}, Caps: []string{"cap_kill"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tmpfs /cache", "volume /data", "tmpfs /run", "volume /tmp"}, where(c.Writable)); diff != "" {
		t.Error(diff)
	}
	var caps []string
	for _, k := range c.Caps {
		caps = append(caps, k.Name)
	}
	if diff := cmp.Diff([]string{"KILL", "NET_BIND_SERVICE", "SYS_CHROOT"}, caps); diff != "" {
		t.Error(diff)
	}
	if len(c.Unmet) != 2 || c.User != "33:33" || !c.ReadOnlyRoot || c.UnprivilegedPortStart != 80 {
		t.Errorf("%+v", c)
	}
	if c, err = Derive(s.Tree, p, Overrides{WritableRoot: true}); err != nil || c.ReadOnlyRoot || len(c.Writable) != 1 {
		t.Errorf("%+v %v", c, err)
	}
	for _, o := range []Overrides{{Tmpfs: []string{"/"}}, {Volumes: []string{"/proc/x"}}, {Caps: []string{"ALL"}}, {Caps: []string{"a b"}}} {
		if _, err := Derive(s.Tree, p, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
