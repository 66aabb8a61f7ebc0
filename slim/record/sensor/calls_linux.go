//go:build amd64 || arm64

package sensor

import (
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

// kindSet is a set of access kinds.
type kindSet uint16

const (
	kExec kindSet = 1 << iota
	kOpen
	kWrite
	kCreate
	kDelete
	kRename
	kStat
	kReadlink
	kList
	kChdir
	kXattr
	kWatch

	// kChanges are those that change the file system.
	kChanges = kWrite | kCreate | kDelete | kRename
)

// kindNames are in the order of the bits.
var kindNames = []profile.Kind{
	profile.Exec, profile.Open, profile.Write, profile.Create, profile.Delete, profile.Rename,
	profile.Stat, profile.Readlink, profile.List, profile.Chdir, profile.Xattr, profile.Watch,
}

// pathArg says where a call has a path, and what the access is.
type pathArg struct {
	path, dirfd int // arguments; dirfd -1: the working directory
	kinds       kindSet
	// Whether a symlink at the end is followed: if (argument flags & bit != 0) == set.
	flags int // -1: as follow says
	bit   uint64
	set   bool
	// follow is for calls whose flags say nothing of it.
	follow bool
	// target is a name that comes to be: rename's second.
	target bool
	// exclusive calls fail when the path is there.
	exclusive bool
}

// call is one notified system call.
type call struct {
	name  string
	paths []pathArg
	// special, when not nil, does it all instead of paths.
	special func(*reader, *notification)
	// privileged calls need a capability, whatever their arguments; own are
	// those after which the process may have another root than its parent.
	privileged, own bool
	// identity calls change who a process is.
	identity bool
	// refused calls fail with ENOSYS: nobody would see what they do.
	refused bool
}

func at(dirfd int, k kindSet) pathArg {
	return pathArg{path: dirfd + 1, dirfd: dirfd, kinds: k, flags: -1, follow: true}
}

func arg(i int, k kindSet) pathArg {
	return pathArg{path: i, dirfd: -1, kinds: k, flags: -1, follow: true}
}

// itself is for calls that never follow a link at the end.
func (p pathArg) itself() pathArg { p.follow = false; return p }

// unless follows, but for calls with this bit in argument i.
func (p pathArg) unless(i int, bit uint64) pathArg { p.flags, p.bit, p.set = i, bit, false; return p }

// when follows only in calls with this bit in argument i.
func (p pathArg) when(i int, bit uint64) pathArg { p.flags, p.bit, p.set = i, bit, true; return p }

func (p pathArg) made() pathArg { p.target = true; return p }

// follows says whether this call follows a link at the end.
func (p pathArg) follows(n *notification) bool {
	if p.flags < 0 {
		return p.follow
	}
	return (n.args[p.flags]&p.bit != 0) == p.set
}

const (
	noFollow = unix.AT_SYMLINK_NOFOLLOW
	follow   = unix.AT_SYMLINK_FOLLOW
)

// plain are the calls that need no more than a look at their paths. The kinds
// are those of slim/profile's import of strace: the two shall agree.
var plain = map[string][]pathArg{
	"stat": {arg(0, kStat)}, "lstat": {arg(0, kStat).itself()}, "newfstatat": {at(0, kStat).unless(3, noFollow)},
	"statx": {at(0, kStat).unless(2, noFollow)}, "statfs": {arg(0, kStat)},
	"access": {arg(0, kStat)}, "faccessat": {at(0, kStat)}, "faccessat2": {at(0, kStat).unless(3, noFollow)},
	"name_to_handle_at": {at(0, kStat).when(4, follow)},
	"file_getattr":      {at(0, kStat).unless(4, noFollow)}, "file_setattr": {at(0, kWrite).unless(4, noFollow)},
	"readlink": {arg(0, kReadlink).itself()}, "readlinkat": {at(0, kReadlink).itself()},
	"mkdir": {arg(0, kCreate).itself()}, "mkdirat": {at(0, kCreate).itself()},
	"symlink": {arg(1, kCreate).itself()}, "symlinkat": {at(1, kCreate).itself()},
	"link":   {arg(0, kStat).itself(), arg(1, kCreate).itself()},
	"linkat": {at(0, kStat).when(4, follow), at(2, kCreate).itself()},
	"unlink": {arg(0, kDelete).itself()}, "unlinkat": {at(0, kDelete).itself()}, "rmdir": {arg(0, kDelete).itself()},
	"rename":    {arg(0, kRename).itself(), arg(1, kRename).itself().made()},
	"renameat":  {at(0, kRename).itself(), at(2, kRename).itself().made()},
	"renameat2": {at(0, kRename).itself(), at(2, kRename).itself().made()},
	"chmod":     {arg(0, kWrite)}, "fchmodat": {at(0, kWrite)}, "fchmodat2": {at(0, kWrite).unless(3, noFollow)},
	"utime": {arg(0, kWrite)}, "utimes": {arg(0, kWrite)}, "futimesat": {at(0, kWrite)}, "utimensat": {at(0, kWrite).unless(3, noFollow)},
	"truncate": {arg(0, kWrite)},
	"getxattr": {arg(0, kXattr)}, "lgetxattr": {arg(0, kXattr).itself()}, "getxattrat": {at(0, kXattr).unless(2, noFollow)},
	"listxattr": {arg(0, kXattr)}, "llistxattr": {arg(0, kXattr).itself()}, "listxattrat": {at(0, kXattr).unless(2, noFollow)},
	"setxattr": {arg(0, kXattr|kWrite)}, "lsetxattr": {arg(0, kXattr|kWrite).itself()}, "setxattrat": {at(0, kXattr|kWrite).unless(2, noFollow)},
	"removexattr": {arg(0, kXattr|kWrite)}, "lremovexattr": {arg(0, kXattr|kWrite).itself()}, "removexattrat": {at(0, kXattr|kWrite).unless(2, noFollow)},
	"inotify_add_watch": {arg(1, kWatch).unless(2, unix.IN_DONT_FOLLOW)},
	"fanotify_mark":     {at(3, kWatch).unless(1, unix.FAN_MARK_DONT_FOLLOW)},
	"open_tree":         {at(0, kOpen).unless(2, noFollow)}, "open_tree_attr": {at(0, kOpen).unless(2, noFollow)},
	"swapon": {arg(0, kOpen)}, "swapoff": {arg(0, kOpen)}, "acct": {arg(0, kWrite)}, "uselib": {arg(0, kOpen)},
	"quotactl":   {arg(1, kStat)},
	"umount2":    {arg(0, kStat).unless(1, unix.UMOUNT_NOFOLLOW)},
	"move_mount": {at(0, kStat), at(2, kStat)}, "fspick": {at(0, kStat)}, "mount_setattr": {at(0, kStat).unless(2, noFollow)},
	"pivot_root": {arg(0, kStat), arg(1, kStat)},
	"chdir":      {arg(0, kChdir)}, "chroot": {arg(0, kChdir)},
}

// special are the calls that say more than a path, or say it in another way.
var special = map[string]func(*reader, *notification){
	"open": (*reader).open, "openat": (*reader).open, "openat2": (*reader).open, "creat": (*reader).open,
	"execve": (*reader).exec, "execveat": (*reader).exec,
	"chown": (*reader).chown, "lchown": (*reader).chown, "fchownat": (*reader).chown,
	"fchdir": (*reader).fchdir, "getdents": (*reader).list, "getdents64": (*reader).list,
	"bind": (*reader).socket, "connect": (*reader).socket,
	"setuid": (*reader).setIDs, "setgid": (*reader).setIDs, "setreuid": (*reader).setIDs, "setregid": (*reader).setIDs,
	"setresuid": (*reader).setIDs, "setresgid": (*reader).setIDs, "setgroups": (*reader).setIDs,
	"mknod": (*reader).mknod, "mknodat": (*reader).mknod,
	"mount": (*reader).mount, "fsconfig": (*reader).fsconfig,
	"seccomp": (*reader).ownListener,
	"unshare": (*reader).namespaces, "setns": (*reader).namespaces, "clone": (*reader).namespaces, "clone3": (*reader).namespaces,
}

// privileged are the calls that need a capability; what else needs one
// depends on arguments.
var privileged = []string{
	"chroot", "mount", "umount2", "pivot_root", "move_mount", "mount_setattr", "fspick", "swapon", "swapoff", "acct", "setns",
}

// own are the calls after which a process may have a root of its own.
var own = []string{"chroot", "pivot_root"}

// maxNr is above every number of a call, with room for those to come.
const maxNr = 1024

// callTable is this architecture's calls.
type callTable struct {
	names    [maxNr]string
	nr       map[string]int
	notified [maxNr]*call // those that are notified about
}

var table = sync.OnceValue(func() *callTable {
	t := &callTable{nr: map[string]int{}}
	for entry := range strings.FieldsSeq(syscallNames) {
		num, name, _ := strings.Cut(entry, ":")
		nr, _ := strconv.Atoi(num)
		t.names[nr], t.nr[name] = name, nr
	}
	add := func(name string, c *call) {
		if nr, ok := t.nr[name]; ok { // arm64 lacks the older ones
			c.name, t.notified[nr] = name, c
		}
	}
	for name, paths := range plain {
		add(name, &call{paths: paths})
	}
	for name, f := range special {
		add(name, &call{special: f, identity: strings.HasPrefix(name, "set") && name != "setns"})
	}
	add("io_uring_setup", &call{refused: true})
	for _, name := range privileged {
		t.notified[t.nr[name]].privileged = true
	}
	for _, name := range own {
		t.notified[t.nr[name]].own = true
	}
	return t
})
