package slim

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/layers"
)

// groupImage has something of every group, in places of several distributions.
const groupImage = `
-- layer --
file t
symlink lib -> usr/lib
file etc/nsswitch.conf "hosts: files myhostname [NOTFOUND=return] dns # wins\npasswd: files systemd\n"
file etc/host.conf
file etc/gai.conf
file etc/services
file etc/shadow 0600
file usr/lib/x86_64-linux-gnu/libnss_files.so.2
file usr/lib/x86_64-linux-gnu/libnss_dns-2.31.so
symlink usr/lib/x86_64-linux-gnu/libnss_dns.so.2 -> libnss_dns-2.31.so
file usr/lib/x86_64-linux-gnu/libnss_myhostname.so.2
file usr/lib/x86_64-linux-gnu/libnss_systemd.so.2
file usr/lib/x86_64-linux-gnu/libnss_systemd-252.so
file usr/lib/x86_64-linux-gnu/libnss_wins.so.2
file usr/lib/x86_64-linux-gnu/libnss_compat.so.2
symlink etc/ssl/certs/a.0 -> Authority.pem
symlink etc/ssl/certs/Authority.pem -> /usr/share/ca-certificates/mozilla/Authority.crt
file etc/ssl/certs/ca-certificates.crt
file etc/ca-certificates.conf
file usr/share/ca-certificates/mozilla/Authority.crt
file usr/local/share/ca-certificates/own.crt
file etc/ssl/openssl.cnf
symlink usr/lib/ssl/openssl.cnf -> /etc/ssl/openssl.cnf
symlink usr/lib/ssl/certs -> /etc/ssl/certs
file usr/lib/ssl/misc/CA.pl
file usr/lib/x86_64-linux-gnu/libcrypto.so.3
file usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so
file usr/lib/x86_64-linux-gnu/engines-3/afalg.so
symlink etc/localtime -> /usr/share/zoneinfo/Europe/Berlin
file etc/timezone "Europe/Berlin\n"
file usr/share/zoneinfo/Europe/Berlin
file usr/share/zoneinfo/UTC
file usr/share/zoneinfo/posix/UTC
file usr/share/zoneinfo/right/UTC
file usr/share/zoneinfo/right/Europe/Berlin
file usr/lib/locale/C.utf8/LC_CTYPE
file usr/lib/locale/de_DE/LC_TIME
file etc/default/locale
symlink usr/share/locale/locale.alias -> /etc/locale.alias
file etc/locale.alias
file usr/share/locale/de/LC_MESSAGES/x.mo
file usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache
file usr/lib/x86_64-linux-gnu/gconv/UTF-16.so
file usr/lib/x86_64-linux-gnu/notgconv/x
file usr/share/terminfo/x/xterm
file lib2/terminfo/v/vt100
file etc/terminfo/README
file usr/lib/python3.11/os.py
file usr/lib/python3.11/encodings/__init__.py
file usr/lib/python3.11/encodings/idna.py
file usr/lib/python3.11/encodings/__pycache__/idna.cpython-311.pyc
file usr/lib/python3.11/stringprep.py
file usr/lib/python3.11/lib-dynload/_codecs_jp.cpython-311-x86_64-linux-gnu.so
file usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so
file usr/lib/python3.11/lib-dynload/_tkinter.cpython-311-x86_64-linux-gnu.so
file usr/lib/python3.11/lib-dynload/_testcapi.cpython-311-x86_64-linux-gnu.so
`

func TestGroups(t *testing.T) {
	nss := []string{
		"/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
		"/usr/lib/x86_64-linux-gnu/libnss_files.so.2", "/usr/lib/x86_64-linux-gnu/libnss_dns-2.31.so", "/usr/lib/x86_64-linux-gnu/libnss_dns.so.2",
		"/usr/lib/x86_64-linux-gnu/libnss_myhostname.so.2", "/usr/lib/x86_64-linux-gnu/libnss_systemd.so.2", "/usr/lib/x86_64-linux-gnu/libnss_systemd-252.so",
	}
	ca := []string{
		"/etc/ssl/certs/a.0", "/etc/ssl/certs/Authority.pem", "/etc/ssl/certs/ca-certificates.crt", "/etc/ca-certificates.conf",
		"/usr/share/ca-certificates/mozilla/Authority.crt", "/usr/local/share/ca-certificates/own.crt",
	}
	openssl := []string{
		"/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf", "/usr/lib/ssl/certs",
		"/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so", "/usr/lib/x86_64-linux-gnu/engines-3/afalg.so",
	}
	tz := []string{"/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo/Europe/Berlin", "/usr/share/zoneinfo/UTC"}
	locale := []string{"/usr/lib/locale/C.utf8/LC_CTYPE", "/usr/lib/locale/de_DE/LC_TIME", "/etc/default/locale", "/usr/share/locale/locale.alias", "/etc/locale.alias"}
	gconv := []string{"/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache", "/usr/lib/x86_64-linux-gnu/gconv/UTF-16.so"}
	python := []string{
		"/usr/lib/python3.11/encodings/__init__.py", "/usr/lib/python3.11/encodings/idna.py", "/usr/lib/python3.11/encodings/__pycache__/idna.cpython-311.pyc",
		"/usr/lib/python3.11/stringprep.py", "/usr/lib/python3.11/lib-dynload/_codecs_jp.cpython-311-x86_64-linux-gnu.so",
	}
	terminfo := []string{"/usr/share/terminfo/x/xterm", "/etc/terminfo/README"}
	for _, c := range []struct {
		name    string // of the group that comes, "" for none
		touched string
		want    []string
	}{
		{"nss", "/etc/nsswitch.conf", nss},
		{"nss", "/lib/x86_64-linux-gnu/libnss_dns.so.2", nss},
		{"nss", "/etc/host.conf", nss},
		{"ca", "/etc/ssl/certs/ca-certificates.crt", ca},
		{"ca", "/usr/share/ca-certificates/mozilla/Authority.crt", ca},
		{"openssl", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3", openssl},
		{"openssl", "/usr/lib/ssl/openssl.cnf", openssl},
		{"openssl", "/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so", openssl},
		{"tz", "/etc/localtime", tz},
		{"tz", "/usr/share/zoneinfo/UTC", tz},
		{"locale", "/usr/lib/locale/C.utf8/LC_CTYPE", locale},
		{"gconv", "/lib/x86_64-linux-gnu/gconv/UTF-16.so", gconv},
		{"terminfo", "/usr/share/terminfo/x/xterm", terminfo},
		{"python", "/usr/lib/python3.11/encodings/idna.py", python},
		{"", "/usr/lib/python3.11/lib-dynload/_tkinter.cpython-311-x86_64-linux-gnu.so", nil},
		{"", "/usr/lib/python3.11/os.py", nil},
		{"", "/usr/share/locale/de/LC_MESSAGES/x.mo", nil},
		{"", "/usr/lib/x86_64-linux-gnu/notgconv/x", nil},
		{"", "/etc/shadow", nil},
		{"", "/usr/lib/ssl/misc/CA.pl", nil},
	} {
		t.Run(c.name+c.touched, func(t *testing.T) {
			tree := open(t, groupImage)
			plan := planned(t, tree, opened(c.touched), Options{Granularity: GranularityFile, User: "0:0"})
			byGroup := groupFiles(plan)
			own, err := tree.Resolve(c.touched) // comes for its own sake
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(without(c.want, append(own.Links, own.Entry.Path)...), byGroup[c.name]); c.name != "" && d != "" {
				t.Errorf("group %s (-want +got):\n%s", c.name, d)
			}
			delete(byGroup, c.name)
			if len(byGroup) > 0 {
				t.Errorf("other groups came too: %v", byGroup)
			}
			checkChains(t, plan)
		})
	}
}

func TestGroupsByName(t *testing.T) {
	trees := map[string]*layers.Tree{}
	for _, l := range layouts(t) {
		trees[l.group] = l.tree
	}
	tree := open(t, groupImage)
	for _, name := range GroupNames() {
		in := tree
		if trees[name] != nil {
			in = trees[name]
		}
		plan := planned(t, in, opened("/t"), Options{Granularity: GranularityFile, Groups: []string{name}, User: "0:0"})
		byGroup := groupFiles(plan)
		if len(byGroup) != 1 || len(byGroup[name]) < 2 {
			t.Errorf("asked for %s: %v", name, byGroup)
		}
	}
	if _, err := Select(t.Context(), tree, opened("/t"), Options{Groups: []string{"nss", "fonts"}}); err == nil || !strings.Contains(err.Error(), `unknown group "fonts"; known are ca, fontconfig, gconv`) {
		t.Errorf("an unknown group: %v", err)
	}
}

// The leap second zones come only if one of them was used.
func TestTimeZonesOfOtherKinds(t *testing.T) {
	plan := planned(t, open(t, groupImage), opened("/usr/share/zoneinfo/right/UTC"), Options{Granularity: GranularityFile, User: "0:0"})
	if got := groupFiles(plan)["tz"]; !slices.Contains(got, "/usr/share/zoneinfo/UTC") || !slices.Contains(got, "/usr/share/zoneinfo/right/Europe/Berlin") || slices.Contains(got, "/usr/share/zoneinfo/posix/UTC") {
		t.Errorf("tz: %v", got)
	}
}

// groupFiles are the non-directories that came for a group, or as links for
// its sake.
func groupFiles(plan *Plan) map[string][]string {
	out := map[string][]string{}
	for _, e := range plan.Entries {
		if e.Type == "directory" {
			continue
		}
		x, _ := plan.Why(e.Path)
		for _, s := range x.Chain {
			if name, ok := strings.CutPrefix(s.Reason.Rule, "group:"); ok {
				out[name] = append(out[name], e.Path)
				break
			}
		}
	}
	return out
}

func without(list []string, out ...string) []string {
	var left []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			left = append(left, s)
		}
	}
	slices.Sort(left)
	return left
}
