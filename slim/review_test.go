package slim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
)

// What once came out broken, or told scanners less than the truth, without a
// word.
func TestFindingsOfTheImage(t *testing.T) {
	const dpkg = `
dir var/lib/dpkg/info
file etc/os-release 0644 0:0 "ID=debian\n"
file bin/app 0755
file lib/b
`
	for _, c := range []struct {
		name, image string
		config      string
		profile     *profile.Profile
		options     Options
		findings    string
		packages    string
		given       string
	}{
		{
			name:     "a package without a list of its files",
			image:    dpkg + `file var/lib/dpkg/status 0644 0:0 "Package: app\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n"`,
			findings: "error package-database",
		},
		{
			name:     "a package of status.d without its sums",
			image:    dpkg + `file var/lib/dpkg/status.d/app 0644 0:0 "Package: app\nArchitecture: all\nVersion: 1\n"`,
			findings: "error package-database",
		},
		{
			name: "packages that are not quite installed own their files, removed ones do not",
			image: dpkg + `file var/lib/dpkg/info/app.list 0644 0:0 "/bin/app\n"
file var/lib/dpkg/info/b.list 0644 0:0 "/lib/b\n"
file var/lib/dpkg/status 0644 0:0 "Package: app\nStatus: install ok triggers-pending\nArchitecture: all\nVersion: 1\n\nPackage: b\nStatus: install reinstreq half-installed\nArchitecture: all\nVersion: 1\n\nPackage: c\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n"`,
			packages: "app b",
		},
		{name: "pacman's database", image: dpkg + "file var/lib/pacman/local/app-1/desc", findings: "error package-database /var/lib/pacman/local"},
		{name: "opkg's database", image: dpkg + "file usr/lib/opkg/status", findings: "error package-database /usr/lib/opkg/status"},
		{name: "a drop rule for what says which distribution it is", image: dpkg, options: Options{Drop: []string{"/etc/**"}}, findings: "error unsafe-drop /etc/os-release"},
		{name: "a program in the database's directory that a link leads to", image: dpkg + "symlink var/lib/dpkg/info/zz -> /bin/app"},
		{name: "a root that is closed", image: dpkg + "dir ./ 0700", findings: "error unreadable-by-user /bin/app\nerror unreadable-by-user /lib/b"},
		{
			name: "a closed directory on the way through a link", image: dpkg + "dir root 0700\nsymlink root/run -> /bin/app",
			config: `{"Entrypoint": ["/root/run"]}`, findings: "error unreadable-by-user /root/run",
		},
		{
			name: "a name in /proc that leads to a file", image: dpkg + "file app/conf 0600",
			profile:  &profile.Profile{Accesses: []profile.Access{{Path: "/proc/self/cwd/conf", Resolved: "/app/conf", Exists: true, Kinds: []profile.Kind{profile.Open}}}},
			findings: "error unreadable-by-user /app/conf",
		},
		{name: "a name that only begins in /dev", image: dpkg + "dir dev\nfile app/conf 0600", profile: accessed("/dev/../app/conf", profile.Open), findings: "error unreadable-by-user /app/conf"},
		{
			name: "a hard link that leads out of what is given", image: dpkg + "dir data\nlink data/x => bin/app", options: Options{Own: []string{"/data"}}, profile: opened("/data/x"),
			findings: "error unsafe-owner /data/x", given: "/data",
		},
		{name: "a setuid file among what is given", image: dpkg + "file data/su 4755", options: Options{Own: []string{"/data"}}, profile: opened("/data/su"), findings: "error unsafe-owner /data/su", given: "/data"},
		{
			name: "a setuid file that is allowed by name", image: dpkg + "file data/su 4755",
			options: Options{Own: []string{"/data"}, Allow: []string{FindingUnsafeOwner}}, profile: opened("/data/su"), findings: "error unsafe-owner /data/su", given: "/data /data/su",
		},
		{
			name: "a state directory with a link to code", image: dpkg + "dir var/lib/app\nsymlink var/lib/app/current -> /bin",
			profile: joined(opened("/var/lib/app/current/app"), accessed("/var/lib/app/lock", profile.Create)), findings: "error cannot-write /var/lib/app",
		},
		{name: "a state directory that leads elsewhere", image: dpkg + "dir var\nsymlink var/log -> /etc\nfile etc/app.log", profile: accessed("/var/log/app.log", profile.Write), findings: "error cannot-write /etc/app.log"},
		{name: "a volume that is everything", image: dpkg + "file etc/app.conf", config: `{"Volumes": {"/": {}}}`, profile: accessed("/etc/app.conf", profile.Write), findings: "error cannot-write /etc/app.conf"},
		{name: "a user whom runtimes refuse", image: dpkg, profile: &profile.Profile{Users: []profile.User{{UID: 4294967295, GID: 1}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := joined(opened("/bin/app", "/lib/b"))
			if c.profile != nil {
				p = joined(p, c.profile)
			}
			image := "\n-- layer --\n" + c.image + "\n"
			if c.config != "" {
				image += "-- config --\n" + c.config + "\n"
			}
			c.options.Granularity = GranularityFile
			plan := planned(t, open(t, image), p, c.options)
			var findings, packages, given []string
			for _, f := range plan.Findings {
				findings = append(findings, strings.TrimSpace(string(f.Severity)+" "+f.Name+" "+f.Path))
			}
			for _, p := range plan.Packages {
				packages = append(packages, p.Name)
			}
			for _, o := range plan.Ownership {
				given = append(given, o.Path)
			}
			if d := cmp.Diff(lines(c.findings), findings); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			if got := strings.Join(packages, " "); got != c.packages && c.packages != "" {
				t.Errorf("packages %q, want %q", got, c.packages)
			}
			if got := strings.Join(given, " "); got != c.given {
				t.Errorf("given %q, want %q", got, c.given)
			}
			if plan.User.UID != nobodyElse {
				t.Errorf("user %+v", plan.User)
			}
			if x, err := plan.Why("/bin/app"); err != nil || !x.Kept {
				t.Errorf("the program: %+v, %v", x, err)
			}
		})
	}
}

// A touched file brings its directory, but not the keys that lie beside it.
func TestCredentialsStayOut(t *testing.T) {
	tree := open(t, `
-- layer --
file home/app/.profile
file home/app/main.py
file home/app/.ssh/id_rsa 0600
file home/app/.aws/credentials
file home/app/.bash_history
file home/app/.npmrc
file home/app/.env
`)
	plan := planned(t, tree, opened("/home/app/.profile", "/home/app/.npmrc"), Options{})
	var dropped []string
	for _, d := range plan.Dropped {
		if d.Type == "file" {
			dropped = append(dropped, d.Path)
		}
	}
	if d := cmp.Diff([]string{"/home/app/.aws/credentials", "/home/app/.bash_history", "/home/app/.ssh/id_rsa"}, dropped); d != "" {
		t.Errorf("dropped (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"credential-file /home/app/.env"}, riskLines(plan)); d != "" {
		t.Errorf("risks (-want +got):\n%s", d)
	}
}
