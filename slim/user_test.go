package slim

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
)

const accountsImage = `
-- layer --
file t
file etc/passwd 0640 0:7 "root:x:0:0::/root:/bin/sh\nwww:x:33:34:web:/var/www:/bin/false\nbroken line\napp:x:1000:1000::/home/app:/bin/sh" mtime=5
file etc/group "root:x:0:\nwww:x:34:\nssl:x:110:www,app\napp:x:1000:\n"
dir var/www
dir home/app
`

func as(users ...profile.User) *profile.Profile {
	return joined(opened("/t"), &profile.Profile{Users: users})
}

func TestUser(t *testing.T) {
	const nobody = "the image ran as root, and the recorded workload switched to no other user"
	const dropped = "the user that the recorded workload dropped to"
	for _, c := range []struct {
		name    string
		config  string // User of the config
		option  string
		profile *profile.Profile
		extra   string // lines of a layer on top
		want    string // "UID:GID name home [groups]: from"
		err     string
		added   string // to passwd, to group
	}{
		{name: "root, no word of it", want: "65532:65532 nonroot / []: " + nobody, added: "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n nonroot:x:65532:\n"},
		{name: "root by name", config: "root", want: "65532:65532 nonroot / []: " + nobody, added: "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n nonroot:x:65532:\n"},
		{name: "root by number, with a group", config: "0:34", want: "65532:65532 nonroot / []: " + nobody, added: "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n nonroot:x:65532:\n"},
		{name: "the number is taken by a user, the next by a group", extra: `file etc/passwd "a:x:65532:1::/:/x\n"` + "\n" + `file etc/group "b:x:65533:\n"`, want: "65534:65534 nonroot / []: " + nobody, added: "nonroot:x:65534:65534:nonroot:/:/sbin/nologin\n nonroot:x:65534:\n"},
		{name: "the name is taken", extra: `file etc/passwd "nonroot:x:5:5::/:/x\n"` + "\n" + `file etc/group "u65532:x:5:\n"`, want: "65532:65532 u65532 / []: " + nobody, added: "u65532:x:65532:65532:u65532:/:/sbin/nologin\n g65532:x:65532:\n"},
		{name: "dropped to a known user", profile: as(profile.User{UID: 33, GID: 34}), want: "33:34 www /var/www [110]: " + dropped},
		{name: "dropped to a known user, group not seen", profile: as(profile.User{}, profile.User{UID: 33}), want: "33:34 www /var/www [110]: " + dropped},
		{name: "dropped to an unknown user", profile: as(profile.User{UID: 99, GID: 98}), want: "99:98 nonroot / []: " + dropped, added: "nonroot:x:99:98:nonroot:/:/sbin/nologin\n nonroot:x:98:\n"},
		{name: "the group was changed after the user", profile: as(profile.User{UID: 99}, profile.User{UID: 99, GID: 34}), want: "99:34 nonroot / []: " + dropped, added: "nonroot:x:99:34:nonroot:/:/sbin/nologin\n "},
		{name: "dropped to two users", profile: as(profile.User{UID: 33, GID: 34}, profile.User{UID: 1000, GID: 1000}), want: "65532:65532 nonroot / []: " + nobody, added: "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n nonroot:x:65532:\n"},
		{name: "a name", config: "app", want: `1000:1000 app /home/app [110]: the image's user "app"`},
		{name: "a name and a group", config: "app:ssl", want: `1000:110 app /home/app []: the image's user "app:ssl"`},
		{name: "a name, whatever the run dropped to", config: "app", profile: as(profile.User{UID: 33, GID: 34}), want: `1000:1000 app /home/app [110]: the image's user "app"`},
		{name: "a known number", config: "33", want: `33:34 www /var/www [110]: the image's user "33"`},
		{name: "an unknown number", config: "77", want: `77:0 nonroot / []: the image's user "77"`, added: "nonroot:x:77:0:nonroot:/:/sbin/nologin\n "},
		{name: "an unknown number and group", config: "77:78", want: `77:78 nonroot / []: the image's user "77:78"`, added: "nonroot:x:77:78:nonroot:/:/sbin/nologin\n nonroot:x:78:\n"},
		{name: "an unknown name", config: "ghost", err: `the image's user "ghost" is not in its /etc/passwd; choose with --user UID:GID`},
		{name: "an unknown group", config: "app:ghosts", err: `group of user "app:ghosts" is not known`},
		{name: "an unknown name, but asked for a number", config: "ghost", option: "5:6", want: "5:6 nonroot / []: asked for", added: "nonroot:x:5:6:nonroot:/:/sbin/nologin\n nonroot:x:6:\n"},
		{name: "asked for a name", option: "app", err: `user "app"; want numbers, UID:GID`},
		{name: "asked for a name as group", option: "5:app", err: `group of user "5:app" is not known`},
		{name: "asked for nonsense", option: "-1:5", err: `user "-1:5"; want numbers, UID:GID`},
		{name: "asked for too much", option: "5:4294967295", err: "is not known"},
		{name: "asked for root", option: "0:0", config: "app", want: "0:0 root /root []: asked for"},
		{name: "asked for root, without accounts", option: "0:0", extra: "file etc/.wh.passwd\nfile etc/.wh.group", want: "0:0 root  []: asked for"},
		{name: "no accounts at all", extra: "file etc/.wh.passwd\nfile etc/.wh.group", want: "65532:65532 nonroot / []: " + nobody, added: "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n root:x:0:\nnonroot:x:65532:\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.profile
			if p == nil {
				p = opened("/t")
			}
			image := accountsImage + "-- layer --\n" + c.extra + "\n-- config --\n" + fmt.Sprintf(`{"User":%q}`, c.config) + "\n"
			tree := open(t, image)
			k, err := Select(t.Context(), tree, p, Options{User: c.option})
			if c.err != "" {
				if !errors.Is(err, ErrRules) || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			plan, err := NewPlan(t.Context(), tree, p, k, Options{User: c.option})
			if err != nil {
				t.Fatal(err)
			}
			u := plan.User
			if got := fmt.Sprintf("%d:%d %s %s %v: %s", u.UID, u.GID, u.Name, u.Home, u.Groups, u.From); got != c.want {
				t.Errorf("user %s\nwant %s", got, c.want)
			}
			if plan.Config.Config.User != fmt.Sprintf("%d:%d", u.UID, u.GID) {
				t.Errorf("config says %q", plan.Config.Config.User)
			}
			var added []string
			for _, f := range []string{"/etc/passwd", "/etc/group"} {
				old := []byte{}
				if e, ok := tree.Lookup(f); ok {
					old = []byte(content(t, tree, e.Path))
				}
				written := writtenFile(plan, f)
				if written == nil {
					written = old
				}
				rest, ok := strings.CutPrefix(string(written), string(old))
				if !ok {
					t.Errorf("%s lost lines: %q", f, written)
				}
				added = append(added, strings.TrimPrefix(rest, "\n"))
			}
			if got := strings.TrimSuffix(strings.Join(added, " "), " "); got != strings.TrimSuffix(c.added, " ") || u.Added != (c.added != "") {
				t.Errorf("added %v %q, want %q", u.Added, got, c.added)
			}
		})
	}
}

func writtenFile(plan *Plan, path string) []byte {
	for _, f := range plan.Generated {
		if f.Path == path {
			return append([]byte{}, f.Content...)
		}
	}
	return nil
}

// A file with new lines stays the source's in all else.
func TestAccountFileKeepsItsOwnerModeAndTime(t *testing.T) {
	_, out := slimmed(t, open(t, accountsImage), opened("/t"), Options{})
	e, _ := out.Lookup("/etc/passwd")
	if octal(e.Mode)+" "+owner(e.Header) != "0640 0:7" || e.ModTime.Unix() != 5 {
		t.Errorf("passwd: %s %s %v", octal(e.Mode), owner(e.Header), e.ModTime)
	}
}

func TestSeveralUsersIsAFinding(t *testing.T) {
	plan := planned(t, open(t, accountsImage), as(profile.User{UID: 33, GID: 34}, profile.User{UID: 1000, GID: 1000}), Options{})
	if d := cmp.Diff([]string{"warning several-users"}, findingLines(plan)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestAccountsThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct{ lines, want string }{
		"a directory":    {"dir etc/passwd", "/etc/passwd of the image is a directory"},
		"too big":        {`file etc/group "` + strings.Repeat("a:x:1:\\n", 1<<20) + `"`, "/etc/group"},
		"a link to /dev": {"symlink etc/passwd -> /dev/full\nchar dev/full 0666 0:0 1:7", "/etc/passwd of the image is a char"},
	} {
		_, err := Select(t.Context(), open(t, "\n-- layer --\nfile t\n"+c.lines+"\n"), opened("/t"), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The new user's home is where the workload used files.
func TestHome(t *testing.T) {
	image := "\n-- layer --\nfile t\nfile root/.config\nfile srv/home/x\nfile \"h:ome/x\"\nfile etc/passwd \"root:x:0:0::/root:/bin/sh\\n\"\n"
	for _, c := range []struct {
		name   string
		opened []string
		home   []string
		want   string
	}{
		{"not touched", []string{"/t"}, []string{"/root"}, "/"},
		{"root's, by passwd", []string{"/t", "/root/.config"}, nil, "/root"},
		{"recorded", []string{"/srv/home/x"}, []string{"/srv/home"}, "/srv/home"},
		{"recorded, not there", []string{"/t"}, []string{"/nothere"}, "/"},
		{"no field of passwd", []string{"/h:ome/x"}, []string{"/h:ome"}, "/"},
	} {
		p := joined(opened(c.opened...), &profile.Profile{Home: c.home})
		if got := planned(t, open(t, image), p, Options{}).User.Home; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
