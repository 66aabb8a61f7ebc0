package sensor

// The findings of a session.
const (
	FindingForeignABI  = "foreign-abi"
	FindingOwnListener = "own-listener"
	FindingIOUring     = "io-uring"
	FindingOwnMounts   = "own-mounts"
)

var findingTexts = map[string]string{
	FindingForeignABI:  "a program made system calls of another architecture (32-bit or x32); they failed with ENOSYS, because the recorder knows only the machine's own: record it with strace -f and import the trace",
	FindingOwnListener: "a program asked for a seccomp listener of its own and got EBUSY, because a process tree has one: the recorder's; switch its sandbox off while recording, or record with strace -f and import the trace",
	FindingIOUring:     "io_uring was refused with ENOSYS while recording, because the files it opens are no system calls; programs fall back to ordinary calls",
	FindingOwnMounts:   "a program bound or moved directories within its own mounts, as sandboxes do; files below them were recorded by the names that they have there, not by those of the image: keep what they hide with --keep, or record without the sandbox",
}
