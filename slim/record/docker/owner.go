package docker

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
)

// ownerLabel is on every container and network made here; its value is the
// owner, which is also the tag of images loaded here.
const ownerLabel = "io.pare.owner"

// imageName is the repository of images that are loaded for a container.
const imageName = "pare-record"

// process names a process among all machines that use a daemon.
type process struct {
	host  string // of machine-id and host name, hashed
	boot  string // of the kernel's boot id, hashed; "" unknown
	pidNS uint64 // inode of the pid namespace; 0 unknown
	pid   int
	ticks uint64 // start of the process since boot, in clock ticks; 0 unknown
}

// newOwner names one start of a container by this process. It has only what
// a tag may have, and at most 128 bytes.
func newOwner(p process) string {
	b := make([]byte, 6)
	rand.Read(b)
	return fmt.Sprintf("h%s.b%s.n%d.p%d.t%d.r%s", p.host, p.boot, p.pidNS, p.pid, p.ticks, hex.EncodeToString(b))
}

var ownerForm = regexp.MustCompile(`^h([0-9a-f]{8})\.b([0-9a-f]{8})\.n([0-9]{1,20})\.p([0-9]{1,9})\.t([0-9]{1,20})\.r[0-9a-f]{12}$`)

// parseOwner reads what newOwner wrote.
func parseOwner(s string) (process, bool) {
	m := ownerForm.FindStringSubmatch(s)
	if m == nil {
		return process{}, false
	}
	ns, err1 := strconv.ParseUint(m[3], 10, 64)
	pid, err2 := strconv.Atoi(m[4])
	ticks, err3 := strconv.ParseUint(m[5], 10, 64)
	return process{m[1], m[2], ns, pid, ticks}, err1 == nil && err2 == nil && err3 == nil
}

// short hashes what identifies a machine, which is nobody else's business.
func short(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// dead says that p, an owner, surely runs no more, as far as self can know:
// on another machine, or in another pid namespace of this one, it cannot.
// started gives the start of a process of self's namespace, 0 for none.
func (p process) dead(self process, started func(pid int) (uint64, error)) bool {
	if p.host != self.host {
		return false
	}
	if p.boot != self.boot {
		return true // this machine has been started anew since
	}
	if p.pidNS != self.pidNS || p.pidNS == 0 {
		return false
	}
	ticks, err := started(p.pid)
	return err == nil && ticks != p.ticks
}
