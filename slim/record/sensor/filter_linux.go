//go:build amd64 || arm64

package sensor

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// What a filter answers (seccomp(2)).
const (
	allow  = unix.SECCOMP_RET_ALLOW
	notify = unix.SECCOMP_RET_USER_NOTIF
)

// Offsets in struct seccomp_data; an argument's low half comes first, both
// architectures being little-endian.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// x32 is the bit that numbers of x86-64's other ABI have.
const x32 = 0x40000000

// filterProgram is the classic BPF program: the calls of the table are notified
// about, the rest is allowed. Calls of a foreign architecture are notified
// about too, so that the recorder can refuse and count them. sendmsg on conn
// passes: it carries the listener, before anyone could answer.
//
// A binary search over runs of numbers keeps it short. The kernel remembers
// (since 5.11) for which numbers a filter always says allow and does not run
// it for them.
func filterProgram(conn int, all bool) []unix.SockFilter {
	b := &builder{}
	b.load(offArch)
	b.jump(unix.BPF_JEQ, nativeArch, 1, 0)
	b.ret(notify)
	b.load(offNr)
	b.jump(unix.BPF_JGE, x32, 0, 1)
	b.ret(notify)

	rest := uint32(allow)
	if all {
		rest = notify
	}
	leaves := map[int]leaf{}
	for nr, c := range table().notified {
		if c == nil {
			continue
		}
		leaves[nr] = leaf{action: notify}
		if cond := conditions[c.name]; cond != nil {
			leaves[nr] = leaf{cond: cond, rest: rest}
		}
	}
	leaves[unix.SYS_SENDMSG] = leaf{cond: func(b *builder, rest uint32) { b.passConn(conn, rest) }, rest: rest}
	// Signals are delivered to the child before its listener is received.
	leaves[unix.SYS_RT_SIGRETURN] = leaf{action: allow}
	b.search(runs(leaves, leaf{action: rest}))
	return b.prog
}

// conditions are the calls about which arguments decide.
var conditions = map[string]func(*builder, uint32){
	// fstat(fd) of libc is newfstatat(fd, "", AT_EMPTY_PATH); Rust's is statx.
	// What lies at the path's address a filter cannot know: a call with these
	// flags and a path all the same, which nobody was seen to make, is lost.
	"newfstatat": func(b *builder, rest uint32) { b.passEmpty(3, rest) },
	"statx":      func(b *builder, rest uint32) { b.passEmpty(2, rest) },
	// A filter with a listener of its own gets EBUSY below this one.
	"seccomp": func(b *builder, rest uint32) {
		b.notifyIfSet(1, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, rest)
	},
	"clone": func(b *builder, rest uint32) { b.notifyIfSet(0, unix.CLONE_NEWNS, rest) },
}

// leaf is what to do about one number: an action, or more code.
type leaf struct {
	action uint32
	cond   func(*builder, uint32)
	rest   uint32
}

// run is a leaf for all numbers from `from` on, up to the next run.
type run struct {
	from int
	leaf
}

func runs(leaves map[int]leaf, rest leaf) []run {
	out := []run{{0, rest}}
	next := 0
	for _, nr := range slices.Sorted(maps.Keys(leaves)) {
		if nr > next {
			out = appendRun(out, run{next, rest})
		}
		out = appendRun(out, run{nr, leaves[nr]})
		next = nr + 1
	}
	return appendRun(out, run{next, rest})
}

// appendRun joins a run with one before it that does the same.
func appendRun(out []run, r run) []run {
	last := &out[len(out)-1]
	if last.from == r.from {
		out = out[:len(out)-1]
	} else if last.cond == nil && r.cond == nil && last.action == r.action {
		return out
	}
	return append(out, r)
}

// builder assembles a program.
type builder struct{ prog []unix.SockFilter }

func (b *builder) emit(code uint16, k uint32, jt, jf uint8) {
	b.prog = append(b.prog, unix.SockFilter{Code: code, K: k, Jt: jt, Jf: jf})
}

func (b *builder) load(off uint32) { b.emit(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, off, 0, 0) }
func (b *builder) arg(i int)       { b.load(offArgs + 8*uint32(i)) }
func (b *builder) ret(action uint32) {
	b.emit(unix.BPF_RET|unix.BPF_K, action, 0, 0)
}

func (b *builder) jump(op uint16, k uint32, jt, jf uint8) {
	b.emit(unix.BPF_JMP|op|unix.BPF_K, k, jt, jf)
}

// search finds the number's run; every leaf ends the program.
func (b *builder) search(rs []run) {
	if len(rs) == 1 {
		if l := rs[0].leaf; l.cond != nil {
			l.cond(b, l.rest)
		} else {
			b.ret(l.action)
		}
		return
	}
	mid := len(rs) / 2
	at := len(b.prog)
	b.jump(unix.BPF_JGE, uint32(rs[mid].from), 0, 0)
	b.search(rs[:mid])
	over := len(b.prog) - at - 1
	if over > 255 {
		panic(fmt.Sprintf("a filter with a jump over %d instructions", over)) // the table is a constant; a test builds it
	}
	b.prog[at].Jt = uint8(over)
	b.search(rs[mid:])
}

// passEmpty lets a call go whose flags, argument i, are AT_EMPTY_PATH and no
// more than says how fresh the answer must be, and whose descriptor is one.
func (b *builder) passEmpty(i int, rest uint32) {
	const freshness = unix.AT_STATX_FORCE_SYNC | unix.AT_STATX_DONT_SYNC | unix.AT_NO_AUTOMOUNT
	b.arg(i)
	b.emit(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, ^uint32(freshness), 0, 0)
	b.jump(unix.BPF_JEQ, unix.AT_EMPTY_PATH, 0, 2)
	b.arg(0)
	b.jump(unix.BPF_JSET, 1<<31, 0, 1) // AT_FDCWD is negative
	b.ret(notify)
	b.ret(rest)
}

func (b *builder) notifyIfSet(i int, bits, rest uint32) {
	b.arg(i)
	b.jump(unix.BPF_JSET, bits, 0, 1)
	b.ret(notify)
	b.ret(rest)
}

func (b *builder) passConn(conn int, rest uint32) {
	b.arg(0)
	b.jump(unix.BPF_JEQ, uint32(conn), 0, 1)
	b.ret(allow)
	b.ret(rest)
}
