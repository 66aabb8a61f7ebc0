package builtin

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// footing is what this process may do, and so how containers get their ids.
type footing int

const (
	asRoot     footing = iota // no user namespace is needed
	withOwnMap                // root without CAP_SYS_ADMIN: maps all ids it has onto themselves
	withRanges                // newuidmap and newgidmap, by /etc/subuid and /etc/subgid
	withOneID                 // this user is the only one
)

func (f footing) String() string {
	return [...]string{"root", "a user namespace with all ids", "a user namespace with ranges of ids", "a user namespace with one id"}[f]
}

// identity is a footing and the maps that go with it.
type identity struct {
	footing    footing
	uids, gids []syscall.SysProcIDMap
	why        string // withOneID: what ranges would need
}

// findIdentity looks at this process. rootless takes no root's privilege.
func findIdentity(rootless bool) identity {
	if unix.Geteuid() == 0 && !rootless && hasCap(unix.CAP_SYS_ADMIN) {
		return identity{footing: asRoot}
	}
	if hasCap(unix.CAP_SETUID) && hasCap(unix.CAP_SETGID) && unix.Geteuid() == 0 {
		uids, gids := ownMap("/proc/self/uid_map"), ownMap("/proc/self/gid_map")
		if uids != nil && gids != nil {
			return identity{footing: withOwnMap, uids: uids, gids: gids}
		}
	}
	uids, gids, err := ranges()
	if err != nil {
		return identity{footing: withOneID, why: err.Error()}
	}
	return identity{footing: withRanges, uids: uids, gids: gids}
}

// single maps one container user onto this one.
func single(uid, gid int) (uids, gids []syscall.SysProcIDMap) {
	return []syscall.SysProcIDMap{{ContainerID: uid, HostID: unix.Geteuid(), Size: 1}},
		[]syscall.SysProcIDMap{{ContainerID: gid, HostID: unix.Getegid(), Size: 1}}
}

// hasCap says that a capability is effective.
func hasCap(c int) bool {
	var data [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return unix.Capget(&hdr, &data[0]) == nil && data[c/32].Effective&(1<<(c%32)) != 0
}

// inUserNamespace says that this process's ids are not the machine's.
func inUserNamespace() bool {
	m := ownMap("/proc/self/uid_map")
	return len(m) != 1 || m[0].ContainerID != 0 || m[0].HostID != 0 || m[0].Size < 1<<31-1
}

// ownMap maps every id of this user namespace onto itself: what
// user_namespaces(7) allows a process with CAP_SETUID and CAP_SETGID.
func ownMap(file string) []syscall.SysProcIDMap {
	raw, err := readBounded(file)
	if err != nil {
		return nil
	}
	var out []syscall.SysProcIDMap
	for line := range strings.Lines(string(raw)) {
		var inside, outside, size int64
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err != nil {
			return nil
		}
		size = min(size, 1<<31-1-inside) // SysProcIDMap has ints, on 32-bit machines too
		out = append(out, syscall.SysProcIDMap{ContainerID: int(inside), HostID: int(inside), Size: int(size)})
	}
	return out
}

// ranges maps root onto this user, and what follows onto its subordinate ids
// (subuid(5)).
func ranges() (uids, gids []syscall.SysProcIDMap, err error) {
	for _, p := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(p); err != nil {
			return nil, nil, fmt.Errorf("%s is not installed (package uidmap)", p)
		}
	}
	name := userName(unix.Geteuid())
	if uids, err = subordinate("/etc/subuid", name, unix.Geteuid(), unix.Geteuid()); err != nil {
		return nil, nil, err
	}
	gids, err = subordinate("/etc/subgid", name, unix.Geteuid(), unix.Getegid())
	return uids, gids, err
}

func subordinate(file, name string, uid, self int) ([]syscall.SysProcIDMap, error) {
	raw, err := readBounded(file)
	if err != nil {
		return nil, err
	}
	maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: self, Size: 1}}
	next := 1
	for s := bufio.NewScanner(bytes.NewReader(raw)); s.Scan(); {
		words := strings.Split(s.Text(), ":")
		if len(words) != 3 || words[0] != name && words[0] != strconv.Itoa(uid) {
			continue
		}
		first, err1 := strconv.Atoi(words[1])
		count, err2 := strconv.Atoi(words[2])
		if err1 != nil || err2 != nil || count <= 0 || first < 0 {
			continue
		}
		maps = append(maps, syscall.SysProcIDMap{ContainerID: next, HostID: first, Size: count})
		next += count
	}
	if len(maps) == 1 {
		return nil, fmt.Errorf("%s gives user %s no ids (usermod --add-subuids 100000-165535 --add-subgids 100000-165535)", file, name)
	}
	return maps, nil
}

// userName looks a user up without C: os/user would use it or not by build.
func userName(uid int) string {
	raw, err := readBounded("/etc/passwd")
	if err == nil {
		for line := range strings.Lines(string(raw)) {
			words := strings.Split(line, ":")
			if len(words) > 2 && words[2] == strconv.Itoa(uid) {
				return words[0]
			}
		}
	}
	return strconv.Itoa(uid)
}

// readBounded reads a file of the system's.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}
