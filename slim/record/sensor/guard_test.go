//go:build linux && (amd64 || arm64)

package sensor

import (
	"strings"
	"syscall"
	"testing"
)

// TestProgramGetsNoRecorderCapability, even as root, which has on execve
// whatever the bounding set holds, and even where that cannot be shrunk.
func TestProgramGetsNoRecorderCapability(t *testing.T) {
	needRoot(t)
	needTool(t, "setpriv")
	o := supervised{
		prefix: []string{"setpriv", "--bounding-set", "-setpcap", "--inh-caps", "-setpcap"},
		cfg:    Config{Argv: []string{"sh", "-c", "exec grep CapEff /proc/self/status"}, Drop: []string{"SYS_PTRACE"}},
	}.run(t)
	hex := strings.TrimSpace(strings.TrimPrefix(o.stdout, "CapEff:"))
	if len(hex) != 16 || strings.IndexByte("89abcdef", hex[11]) >= 0 { // SYS_PTRACE is bit 19
		t.Errorf("exit %d, %s%s", o.code, o.stdout, o.stderr)
	}
}

// TestProgramOfTheSameUser cannot read what the sensor knows, nor change it.
func TestProgramOfTheSameUser(t *testing.T) {
	needRoot(t)
	o := supervised{
		user: &syscall.Credential{Uid: 4711, Gid: 4711}, env: []string{"PATH=/usr/bin:/bin", "PARE_OUT=secret"},
		cfg: Config{Argv: []string{"sh", "-c", `cat /proc/$PPID/environ; (: >/proc/$PPID/mem) && echo writable; ls /proc/$PPID/fd; cat /etc/hostname >/dev/null`}},
	}.run(t)
	if o.code != 0 || o.stdout != "" {
		t.Errorf("exit %d, %q", o.code, o.stdout)
	}
	if p := o.one(t); lookup(p, "/etc/hostname") == nil || p.Lost() != 0 {
		t.Errorf("%d lost", p.Lost())
	}
}
