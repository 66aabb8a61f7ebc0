package verify

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

const missingSource = `
-- config --
{"Entrypoint":["/bin/app"]}
-- layer --
file usr/bin/app 0755 "app"
file usr/bin/run.sh 0755 "#! /usr/bin/sh -e\n"
file usr/bin/sh 0755 "#!/usr/bin/real-sh"
file usr/bin/real-sh 0755 "sh"
symlink bin => usr/bin
dir etc/app
file etc/app/conf "x"
symlink etc/alias => app
symlink etc/app/latest => v2/conf
file etc/app/v2/conf "y"
link etc/app/hard => etc/app/conf
file usr/share/zoneinfo/UTC "tz"
file "etc/we ird[1]" "x"
file run/seed "x"
dir empty
`

const missingSlim = `
-- config --
{"Entrypoint":["/bin/app"]}
-- layer --
file usr/bin/app 0755 "app"
file usr/bin/run.sh 0755 "#! /usr/bin/sh -e\n"
symlink bin => usr/bin
dir etc/app
file run/seed "x"
`

func TestFindMissing(t *testing.T) {
	const open = profile.Open
	type miss struct {
		Path, Resolved string
		Lacks, Restore []string
		Hidden         string
	}
	for name, c := range map[string]struct {
		baseline, run profile.Access
		want          []miss
	}{
		"a file": {run: notFound("/etc/app/conf", open), want: []miss{{"/etc/app/conf", "", []string{"/etc/app/conf"}, []string{"--keep /etc/app/conf"}, ""}}},
		"through a link that is gone too": {run: notFound("/etc/alias/conf", open), want: []miss{
			{"/etc/alias/conf", "/etc/app/conf", []string{"/etc/alias", "/etc/app/conf"}, []string{"--keep /etc/alias", "--keep /etc/app/conf"}, ""},
		}},
		"a link and what it leads to": {run: notFound("/etc/app/latest", open), want: []miss{
			{"/etc/app/latest", "/etc/app/v2/conf", []string{"/etc/app/latest", "/etc/app/v2/conf"}, []string{"--keep /etc/app/latest", "--keep /etc/app/v2/conf"}, ""},
		}},
		"a link that was only read": {run: notFound("/etc/app/latest", profile.Readlink), want: []miss{
			{"/etc/app/latest", "", []string{"/etc/app/latest"}, []string{"--keep /etc/app/latest"}, ""},
		}},
		"a hard link":    {run: notFound("/etc/app/hard", open), want: []miss{{"/etc/app/hard", "", []string{"/etc/app/hard"}, []string{"--keep /etc/app/hard"}, ""}}},
		"a directory":    {run: notFound("/empty", profile.List), want: []miss{{"/empty", "", []string{"/empty"}, []string{"--keep /empty"}, ""}}},
		"one of a group": {run: notFound("/usr/share/zoneinfo/UTC", open), want: []miss{{"/usr/share/zoneinfo/UTC", "", []string{"/usr/share/zoneinfo/UTC"}, []string{"--group tz"}, ""}}},
		"an odd name":    {run: notFound("/etc/we ird[1]", open), want: []miss{{"/etc/we ird[1]", "", []string{"/etc/we ird[1]"}, []string{`--keep '/etc/we ird\[1\]'`}, ""}}},
		"what dots lead to": {run: notFound("/etc/app/../app/conf", open), want: []miss{
			{"/etc/app/../app/conf", "/etc/app/conf", []string{"/etc/app/conf"}, []string{"--keep /etc/app/conf"}, ""},
		}},
		"neither has it":          {run: notFound("/etc/none", open)},
		"the source never got it": {baseline: notFound("/etc/app/conf", open), run: notFound("/etc/app/conf", open)},
		"the source got it":       {baseline: found("/etc/app/conf", open), run: notFound("/etc/app/conf", open), want: []miss{{"/etc/app/conf", "", []string{"/etc/app/conf"}, []string{"--keep /etc/app/conf"}, ""}}},
		"it came to be":           {run: found("/etc/app/conf", open)},
		"hidden by a tmpfs":       {run: notFound("/run/seed", open), want: []miss{{"/run/seed", "", []string{}, []string{}, "/run"}}},
		"the kernel's":            {run: notFound("/proc/1/x", open)},
		"an interpreter": {run: found("/bin/run.sh", profile.Exec), want: []miss{
			{"/usr/bin/real-sh", "", []string{"/usr/bin/real-sh"}, []string{"--keep /usr/bin/real-sh"}, ""},
			{"/usr/bin/sh", "", []string{"/usr/bin/sh"}, []string{"--keep /usr/bin/sh"}, ""},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			source, slim := subject(t, missingSource), subject(t, missingSlim)
			baseline := &profile.Profile{}
			if c.baseline.Path != "" {
				baseline = accesses(c.baseline)
			}
			var got []miss
			list := FindMissing(slim.Tree, source.Tree, baseline, accesses(c.run), engine.Spec{Argv: []string{"/bin/app"}, Dir: "/"},
				&Conditions{Writable: []Writable{{path: "/run", Path: "/run", How: Tmpfs}}})
			for _, m := range list {
				got = append(got, miss{m.Path, m.Resolved, m.Lacks, m.Restore, m.HiddenBy})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The first program is looked for by the engine, which no sensor sees.
func TestFindMissingProgram(t *testing.T) {
	source, slim := subject(t, missingSource), subject(t, "-- layer --\ndir usr/bin\n")
	for _, spec := range []engine.Spec{
		{Argv: []string{"run.sh"}, Env: []string{"PATH=/sbin:/bin"}, Dir: "/"},
		{Argv: []string{"bin/run.sh"}, Dir: "/"},
	} {
		var got []string
		for _, m := range FindMissing(slim.Tree, source.Tree, &profile.Profile{}, nil, spec, nil) {
			got = append(got, m.String())
		}
		want := []string{
			"/bin/run.sh -> /usr/bin/run.sh (by (start)): --keep /bin --keep /usr/bin/run.sh",
			"/usr/bin/real-sh (by /usr/bin/sh): --keep /usr/bin/real-sh",
			"/usr/bin/sh (by /bin/run.sh): --keep /usr/bin/sh",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRestoreWords(t *testing.T) {
	for p, want := range map[string]string{
		"/a/b.so.1": "/a/b.so.1", "/a b": "'/a b'", "/it's": `'/it'\''s'`, "/a*": `'/a\*'`, "/x\xff": "'/x?'", "/n\nl'": `$'/n\nl\''`, "/a ": `'/a\ '`,
	} {
		if got := shellWord(pattern(p)); got != want {
			t.Errorf("%q: got %s, want %s", p, got, want)
		}
	}
}
