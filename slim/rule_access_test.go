package slim

import (
	"testing"

	"github.com/pare-image/pare/slim/profile"
)

func TestRuleAccess(t *testing.T) {
	runRuleCases(t, []ruleCase{
		{
			name: "a symlinked directory on the way",
			image: `
-- layer --
dir usr/lib
symlink lib -> usr/lib
file usr/lib/x
file usr/lib/y
`,
			opened: "/lib/x",
			want: `
/usr/lib/x access
/lib link /usr/lib/x
`,
		},
		{
			name: "a chain of links",
			image: `
-- layer --
symlink a -> b/c
symlink b -> /d
symlink d/c -> ../e/f
file e/f
file e/g
`,
			opened: "/a",
			want: `
/e/f access
/a link /e/f
/b link /e/f
/d/c link /e/f
`,
		},
		{
			name: ".. behind a symlink goes to the real parent",
			image: `
-- layer --
dir data/sub
file data/f
symlink srv/l -> /data/sub
file srv/f
`,
			opened: "/srv/l/../f",
			want: `
/data/f access
/srv/l link /data/f
`,
		},
		{
			name: "a link to the directory that it is in",
			image: `
-- layer --
dir usr/bin
symlink usr/bin/X11 -> .
`,
			opened: "/usr/bin/X11",
			want: `
/usr/bin access
/usr/bin/X11 link /usr/bin
`,
		},
		{
			name: "a link to a directory above it",
			image: `
-- layer --
dir a/b
symlink a/b/up -> /a
file a/f
`,
			opened: "/a/b/up",
			want: `
/a access
/a/b/up link /a
`,
		},
		{
			name: "a dangling link is kept as it is, with the directory it leads to",
			image: `
-- layer --
dir nowhere
symlink etc/l -> /nowhere/x
file t
`,
			opened: "/etc/l /t",
			want: `
/etc/l access
/nowhere access
/t access
`,
		},
		{
			name: "links in a circle",
			image: `
-- layer --
symlink a -> b
symlink b -> a
file t
`,
			opened: "/a/x /t",
			want: `
/a access
/b access
/t access
`,
		},
		{
			name: "a path that was not there keeps nothing",
			image: `
-- layer --
dir opt/none
file t
`,
			profile: joined(opened("/t"), &profile.Profile{Accesses: []profile.Access{{Path: "/opt/none/x", Kinds: []profile.Kind{profile.Open}}}}),
			want:    "/t access",
		},
		{
			name: "a path that the run made keeps its directory",
			image: `
-- layer --
dir var/app 0700 5:5
file var/app/old
file t
`,
			profile: joined(opened("/t"), accessed("/var/app/new", profile.Create)),
			want: `
/t access
/var/app access
`,
			options: Options{User: "5:5"},
		},
		{
			name: "a path that was not there when the run made it keeps its directory",
			image: `
-- layer --
dir var/app
file t
`,
			profile: joined(opened("/t"), &profile.Profile{Accesses: []profile.Access{{Path: "/var/app/new", Kinds: []profile.Kind{profile.Create}}}}),
			want: `
/t access
/var/app access
`,
		},
		{
			name: "the directory of a made file, behind a link and ..",
			image: `
-- layer --
dir data/sub
dir data/state 0777
dir srv/state 0777
symlink srv/l -> /data/sub
file t
`,
			profile: joined(opened("/t"), accessed("/srv/l/../state/new", profile.Create)),
			want: `
/data/state access
/srv/l access
/t access
`,
		},
		{
			name: "a link that was only read is not followed",
			image: `
-- layer --
symlink app/current -> /releases/7
file releases/7
file t
`,
			profile: joined(opened("/t"), accessed("/app/current", profile.Readlink)),
			want: `
/app/current access
/t access
`,
		},
		{
			name: "a link that was only read brings no application directory and no group",
			image: `
-- layer --
symlink a -> /releases/7/main
symlink b -> /etc/ssl/certs/x
file releases/7/main
file releases/7/other
file etc/ssl/certs/x
file t
`,
			profile: joined(opened("/t"), accessed("/a", profile.Readlink), accessed("/b", profile.Readlink)),
			options: Options{Granularity: GranularityAuto},
			want: `
/a access
/b access
/t access
`,
		},
		{
			name: "a removed link is not followed",
			image: `
-- layer --
dir run 0777
symlink run/l -> /releases/7
file releases/7
file t
`,
			profile: joined(opened("/t"), accessed("/run/l", profile.Delete)),
			want: `
/run/l access
/t access
`,
		},
		{
			name: "what lies where kernel file systems are mounted is not the image's",
			image: `
-- layer --
file proc/cpuinfo
file sys/x
file dev/shm/x
file device
`,
			opened: "/proc/cpuinfo /sys/x /dev/shm/x /device /process",
			want:   "/device access",
		},
		{
			name: "what the recorder resolved is kept too",
			image: `
-- layer --
file a
file b
`,
			profile: &profile.Profile{Accesses: []profile.Access{{Path: "/a", Resolved: "/b", Exists: true, Kinds: []profile.Kind{profile.Open}}}},
			want: `
/a access
/b access
`,
		},
		{
			name: "of a hard link only the name that was used",
			image: `
-- layer --
file a "x"
link b => a
link c => a
`,
			opened: "/b",
			want:   "/b access",
		},
		{
			name: "a directory that was opened is kept without what is in it",
			image: `
-- layer --
file srv/www/x
dir srv/empty
`,
			opened: "/srv/www /srv/empty/",
			want: `
/srv/empty access
/srv/www access
`,
		},
	})
}
