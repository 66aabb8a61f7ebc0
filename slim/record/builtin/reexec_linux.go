package builtin

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The parts that this program plays in processes of its own.
const (
	rolePrefix = "builtin:"
	roleStage  = rolePrefix + "stage"  // beside a container
	roleFirst  = rolePrefix + "first"  // becomes a container's first program
	roleEnter  = rolePrefix + "enter"  // becomes a command inside
	roleHost   = rolePrefix + "host"   // has the stage run a command of the host
	roleUnpack = rolePrefix + "unpack" // writes an image's files
	roleRemove = rolePrefix + "remove" // removes files of mapped owners
	roleMapped = "mapped:"             // before a role: wait for the id maps, then become root
)

// reexecEnv is the environment of this program's processes: none. (Tests under
// the race detector have one: it would have every process wait at its end.)
var reexecEnv = []string{}

// Every role gets its files from here on.
const firstFile = 3

// Reexec plays the part that args (os.Args) name, if it is one of this
// package's, and returns the exit code of the process. main calls it before
// all else.
func Reexec(args []string) (code int, ours bool) {
	if len(args) < 2 || !strings.HasPrefix(args[1], rolePrefix) && !strings.HasPrefix(args[1], roleMapped+rolePrefix) {
		return 0, false
	}
	role, mapped := strings.CutPrefix(args[1], roleMapped)
	if mapped {
		return becomeMapped(role, args[2:]), true
	}
	run := map[string]func([]string) int{
		roleStage: stageMain, roleFirst: firstMain, roleEnter: enterMain,
		roleHost: hostMain, roleUnpack: unpackMain, roleRemove: removeMain,
	}[role]
	if run == nil {
		return 2, true
	}
	return run(args[2:]), true
}

// inherited returns the n-th file that this process was given, from 0.
func inherited(n int) *os.File {
	unix.CloseOnExec(firstFile + n)
	return os.NewFile(uintptr(firstFile+n), fmt.Sprintf("inherited %d", n))
}
