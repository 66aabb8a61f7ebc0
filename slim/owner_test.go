package slim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

const stateImage = `
-- layer --
file t
dir run
symlink var/run -> /run
dir var/log/app
file var/log/app/app.log 0600
symlink var/log/app/access.log -> /dev/stdout
dir proc
dir dev
symlink dev/stdout -> /proc/self/fd/1
dir var/cache/app
dir var/spool/app
dir var/lib/app
file var/lib/app/db 0600
file var/lib/app/locked 0444
dir var/cache/locked 0555
dir var/lib/code
file var/lib/code/main.py
dir var/lib/code/data
dir var/lib/closed 0700
dir var/lib/closed/data
file var/lib/closed/db
dir vol
dir vol/sub
dir code
file code/main.py
dir srv/data
dir tmp 1777
dir tmp/perf_root
dir var/tmp
file etc/app.conf
dir pub 0777
dir grp 0775 0:65532
dir mine 0700 65532:65532
link usr/bin/tool => var/lib/app/db
-- config --
{"Volumes":{"/vol":{},"/code":{}}}
`

func TestOwnership(t *testing.T) {
	const write, create, remove, rename = profile.Write, profile.Create, profile.Delete, profile.Rename
	for _, c := range []struct {
		name     string
		accesses []*profile.Profile
		own      []string
		user     string
		given    string // "PATH RULE FROM" a line
		findings string
	}{
		{name: "a log that was written", accesses: ps(accessed("/var/log/app/app.log", write)), given: "/var/log/app/app.log state /var/log/app/app.log"},
		{name: "a file made in a state directory", accesses: ps(accessed("/var/cache/app/new", create)), given: "/var/cache/app state /var/cache/app/new"},
		{name: "a file removed, and one replaced", accesses: ps(accessed("/var/log/app/app.log", remove), accessed("/var/spool/app/x", rename)), given: `
/var/log/app state /var/log/app/app.log
/var/spool/app state /var/spool/app/x
`},
		{name: "a pid file behind a link", accesses: ps(accessed("/var/run/app.pid", create, write)), given: "/run state /var/run/app.pid"},
		{name: "a volume", accesses: ps(accessed("/vol/sub/x", create)), given: "/vol/sub state /vol/sub/x"},
		{name: "not a volume that holds code", accesses: ps(accessed("/code/x", create)), findings: "error cannot-write /code"},
		{name: "not a state directory that holds code", accesses: ps(opened("/var/lib/code/main.py"), accessed("/var/lib/code/x", create)), findings: "error cannot-write /var/lib/code"},
		{name: "a state directory whose code is not kept", accesses: ps(accessed("/var/lib/code/x", create)), given: "/var/lib/code state /var/lib/code/x"},
		{name: "a state directory below code", accesses: ps(opened("/var/lib/code/main.py"), accessed("/var/lib/code/data/x", create)), given: "/var/lib/code/data state /var/lib/code/data/x"},
		{name: "a state directory with what was written itself", accesses: ps(accessed("/var/log/app/app.log", write), accessed("/var/log/app/new", create)), given: `
/var/log/app state /var/log/app/new
/var/log/app/app.log state /var/log/app/app.log
`},
		{name: "never /var/lib itself", accesses: ps(accessed("/var/lib/new", create)), findings: "error cannot-write /var/lib"},
		{name: "what a build left in /tmp", accesses: ps(accessed("/tmp/perf_root/1", create)), given: "/tmp/perf_root state /tmp/perf_root/1"},
		{name: "never /var/tmp itself", accesses: ps(accessed("/var/tmp/new", create)), findings: "error cannot-write /var/tmp"},
		{name: "no other directory", accesses: ps(accessed("/srv/data/x", create)), findings: "error cannot-write /srv/data"},
		{name: "no configuration", accesses: ps(accessed("/etc/app.conf", write)), findings: "error cannot-write /etc/app.conf"},
		{name: "once for many files", accesses: ps(accessed("/srv/data/x", create), accessed("/srv/data/y", create), accessed("/srv/data/z", create)), findings: "error cannot-write /srv/data"},
		{name: "what all may write", accesses: ps(accessed("/tmp/x", create), accessed("/pub/x", create), accessed("/grp/x", create), accessed("/mine/x", create))},
		{name: "not by a supplementary group", user: "5:6", accesses: ps(accessed("/grp/x", create)), findings: "error cannot-write /grp"},
		{name: "compiled Python does not count, in a volume neither", accesses: ps(
			accessed("/code/__pycache__", create), accessed("/code/__pycache__/main.cpython-311.pyc.1234", create, write), accessed("/code/__pycache__/main.cpython-311.pyc", rename), accessed("/vol/main.pyc", create),
		)},
		{name: "the mode that shuts the way is found, for what is written", accesses: ps(accessed("/var/lib/closed/db", write)), given: "/var/lib/closed/db state /var/lib/closed/db", findings: "error unreadable-by-user /var/lib/closed/db"},
		{name: "and for where files are made", accesses: ps(accessed("/var/lib/closed/data/x", create)), given: "/var/lib/closed/data state /var/lib/closed/data/x", findings: "error unreadable-by-user /var/lib/closed/data"},
		{name: "no code by another name of the same file", accesses: ps(opened("/usr/bin/tool"), accessed("/var/lib/app/db", write)), findings: "error cannot-write /var/lib/app/db\nerror unreadable-by-user /usr/bin/tool"},
		{name: "a write that failed, or of something that is not there", accesses: ps(&profile.Profile{Accesses: []profile.Access{{Path: "/srv/data/x", Kinds: []profile.Kind{create}}}})},
		{name: "a log that is the container's output", accesses: ps(accessed("/var/log/app/access.log", create, write))},
		{name: "a mode that lets not even the owner write", accesses: ps(accessed("/var/lib/app/locked", write), accessed("/var/cache/locked/x", create)), findings: "error cannot-write /var/cache/locked\nerror cannot-write /var/lib/app/locked"},
		{name: "what is mounted", accesses: ps(accessed("/proc/self/oom_score_adj", write), accessed("/dev/shm/x", create))},
		{name: "asked for by name", own: []string{"/srv", "var/lib/app/"}, accesses: ps(accessed("/srv/data/x", create), opened("/var/lib/app/db")), given: `
/srv own option:own
/srv/data own option:own
/var/lib/app own option:own
/var/lib/app/db own option:own
`},
		{name: "asked for by name and not kept", own: []string{"/pub"}, findings: "warning unused-pattern /pub"},
		{name: "root owns what it owned", user: "0:0", own: []string{"/srv"}, accesses: ps(accessed("/srv/data/x", create), accessed("/var/log/app/app.log", write))},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := open(t, stateImage)
			o := Options{Granularity: GranularityFile, Own: c.own, User: c.user, Allow: []string{FindingCannotWrite, FindingUnreadable}}
			plan, out := slimmed(t, tree, joined(append(c.accesses, opened("/t"))...), o)
			var given []string
			for _, w := range plan.Ownership {
				given = append(given, fmt.Sprintf("%s %s %s", w.Path, w.Reason.Rule, w.Reason.From))
				e, ok := out.Lookup(w.Path)
				if !ok || e.UID != plan.User.UID || e.GID != plan.User.GID || w.UID != e.UID || w.GID != e.GID {
					t.Errorf("%+v: in the image it is %+v", w, e)
				}
			}
			if d := cmp.Diff(lines(c.given), given); d != "" {
				t.Errorf("given (-want +got):\n%s", d)
			}
			if d := cmp.Diff(lines(c.findings), findingLines(plan)); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			checkHeaders(t, tree, out, plan)
		})
	}
}

func ps(p ...*profile.Profile) []*profile.Profile { return p }

// checkHeaders holds that everything in the output is as in the source, but
// for the changes of owner that the plan lists and what pare writes itself.
func checkHeaders(t testing.TB, source, out *layers.Tree, plan *Plan) {
	t.Helper()
	owners := map[string]Ownership{}
	for _, o := range plan.Ownership {
		owners[o.Path] = o
	}
	for e := range out.All() {
		p, ok := plan.entry(e.Path)
		if !ok {
			t.Errorf("%q is not in the plan", e.Path)
			continue
		}
		if p.Source < 0 {
			checkNotWeaker(t, source, e)
			continue
		}
		src, ok := source.Lookup(e.Path)
		if !ok {
			t.Errorf("%q is not in the source", e.Path)
			continue
		}
		want, got := src.Header, e.Header
		want.ModTime, got.ModTime = want.ModTime.UTC(), got.ModTime.UTC()
		if o, ok := owners[e.Path]; ok {
			if o.OldUID != want.UID || o.OldGID != want.GID {
				t.Errorf("%q: the plan has the old owner wrong: %+v", e.Path, o)
			}
			want.UID, want.GID = o.UID, o.GID
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", e.Path, d)
		}
		if got := fmt.Sprint(p.Type, p.Mode, p.UID, p.GID); got != fmt.Sprint(e.Type, octal(e.Mode), e.UID, e.GID) {
			t.Errorf("%q: the plan says %s, it is %s %s %s", e.Path, got, e.Type, octal(e.Mode), owner(e.Header))
		}
	}
}

// checkNotWeaker holds that what pare writes is no more writable than what it
// replaces, and new things are root's alone.
func checkNotWeaker(t testing.TB, source *layers.Tree, e *layers.Entry) {
	t.Helper()
	allowed, o := uint32(0o755), "0:0"
	if src, ok := source.Lookup(e.Path); ok && src.Type == e.Type {
		allowed, o = src.Mode, owner(src.Header)
	}
	if e.Mode&^allowed&0o7022 != 0 || owner(e.Header) != o {
		t.Errorf("%q is %s %s, where the source has %s %s", e.Path, octal(e.Mode), owner(e.Header), octal(allowed), o)
	}
}

func TestUnreadable(t *testing.T) {
	image := glibc + program("app", "libc.so.6") + `
file secret 0600
file etc/key 0640 0:110
file run.sh 0700 "#!/bin/sh\n"
file bin/sh 0750
dir closed 0700
file closed/f
dir listed 0711
dir opt/app 0755
file opt/app/main.py
file opt/app/private 0600
file opt/app/mine 0600 65532:65532
file etc/group "ssl:x:110:nonroot\n"
`
	image = strings.Replace(image, "file usr/lib/x86_64-linux-gnu/libc.so.6 0755", "file usr/lib/x86_64-linux-gnu/libc.so.6 0700", 1)
	for _, c := range []struct {
		name string
		p    *profile.Profile
		o    Options
		want string
	}{
		{"opened", opened("/secret"), Options{}, "error unreadable-by-user /secret"},
		{"only looked at", accessed("/secret", profile.Stat), Options{}, ""},
		{"looked at by one name, opened by another", joined(accessed("/lib/x86_64-linux-gnu/libc.so.6", profile.Stat), opened("/usr/lib/x86_64-linux-gnu/libc.so.6")), Options{}, "error unreadable-by-user /usr/lib/x86_64-linux-gnu/libc.so.6"},
		{"by group", opened("/etc/key"), Options{}, "error unreadable-by-user /etc/key"},
		{"by the user's group", opened("/etc/key"), Options{User: "5:110"}, ""},
		{"run", accessed("/run.sh", profile.Exec), Options{}, "error unreadable-by-user /bin/sh\nerror unreadable-by-user /run.sh"},
		{"a needed library", accessed("/app", profile.Exec), Options{}, "error unreadable-by-user /usr/lib/x86_64-linux-gnu/libc.so.6"},
		{"the way to it", opened("/closed/f"), Options{}, "error unreadable-by-user /closed/f"},
		{"a directory that was listed", accessed("/listed", profile.List), Options{}, "error unreadable-by-user /listed"},
		{"a directory that was entered", accessed("/listed", profile.Chdir), Options{}, ""},
		{"of an application that nobody opened", opened("/opt/app/main.py"), Options{Granularity: GranularityAuto}, "warning unreadable-by-user /opt/app/private"},
		{"given", opened("/secret"), Options{Own: []string{"/secret"}}, ""},
		{"root reads all", opened("/secret", "/closed/f"), Options{User: "0:0"}, ""},
	} {
		if c.o.Granularity == "" {
			c.o.Granularity = GranularityFile
		}
		plan := planned(t, open(t, image), c.p, c.o)
		if d := cmp.Diff(lines(c.want), findingLines(plan)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
		for _, f := range plan.Findings {
			if f.Text == "" || f.Next == "" {
				t.Errorf("%s: no words: %+v", c.name, f)
			}
		}
	}
}

func TestFindingsOfTheRecording(t *testing.T) {
	p := joined(opened("/t"), &profile.Profile{Ports: []int{80, 8080}, Sessions: []profile.Session{{ID: "sha256:x", Lost: 3}}})
	plan := planned(t, open(t, stateImage), p, Options{})
	if d := cmp.Diff([]string{"warning lost-events", "warning low-port"}, findingLines(plan)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := plan.Err(); err != nil {
		t.Errorf("warnings forbid: %v", err)
	}
	plan = planned(t, open(t, stateImage), p, Options{User: "0:0"})
	if slices.Contains(findingLines(plan), "warning low-port") {
		t.Error("root may bind port 80")
	}
}

// Errors name every finding, and never print what an image says as it is.
func TestFindingsAreQuoted(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile \"bad\\x1b[31m\\xff\" 0600\nfile t\n")
	plan := planned(t, tree, joined(opened("/t", "/bad\x1b[31m\xff")), Options{Drop: []string{"/t"}})
	err := plan.Err()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Fatalf("error: %v", err)
	}
	for _, f := range plan.Findings {
		if s := err.Error() + f.Text + f.Next; strings.Contains(s, "\x1b") || strings.Contains(s, "\xff") {
			t.Errorf("raw bytes: %q", s)
		}
	}
}
