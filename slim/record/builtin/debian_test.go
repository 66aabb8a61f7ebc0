//go:build linux && (amd64 || arm64)

package builtin

import (
	"strings"
	"testing"

	"github.com/pare-image/pare/internal/testroot"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/engine"
)

// A real system: its shell, a program that changes user, its package manager,
// all of it recorded.
func TestDebian(t *testing.T) {
	tree, err := layers.Open(t.Context(), testroot.Image(t), layers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	b := newBedOf(t, tree)
	s := engine.Spec{
		Tree: tree, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Dir: "/root", Network: engine.Loopback,
		Sensor: &engine.SensorOptions{},
		Argv: []string{"bash", "-c", `
set -e
setpriv --reuid 33 --regid 33 --clear-groups id -un
stat -c '%U %a' /usr/bin/passwd /var/cache/apt/archives/partial
dpkg --verify base-files bash coreutils perl-base && echo verified
dpkg -s bash | grep ^Status
perl -e 'print "perl\n"'
echo new > /etc/motd; cat /etc/motd
exec 3<>/dev/tcp/127.0.0.1/9 || echo refused`},
	}
	want := "www-data\nroot 4755\n_apt 700\nverified\nStatus: install ok installed\nperl\nnew\n"
	c := b.start(t, s)
	if got := output(t, c); !strings.HasPrefix(got, want) || !strings.Contains(got, "refused") {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
	all, err := c.Recording(t.Context())
	if err != nil || len(all) != 1 || len(all[0].Accesses) < 500 || all[0].Sessions[0].Lost != 0 {
		t.Errorf("recording: %d sessions, %v", len(all), err)
	}
	s.Argv = []string{"cat", "/etc/motd"}
	if got := output(t, b.start(t, s)); got == "new\n" {
		t.Error("the second container has what the first one wrote")
	}
}
