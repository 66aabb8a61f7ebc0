package docker

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// thisProcess is the owner of what is made here.
func thisProcess() (process, error) {
	name, err := os.Hostname()
	if err != nil {
		return process{}, fmt.Errorf("reading the host name: %w", err)
	}
	id, _ := os.ReadFile("/etc/machine-id") // containers have none
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}, fmt.Errorf("reading the boot id: %w", err)
	}
	p := process{host: short(string(bytes.TrimSpace(id)), name), boot: short(string(boot)), pid: os.Getpid()}
	var ns syscall.Stat_t
	if err := syscall.Stat("/proc/self/ns/pid", &ns); err != nil {
		return p, fmt.Errorf("reading the pid namespace: %w", err)
	}
	p.pidNS = uint64(ns.Ino)
	p.ticks, err = processStart(p.pid)
	return p, err
}

// processStart is when a process started, in clock ticks since boot; 0 for
// one that is not there or that has ended. (proc(5), /proc/PID/stat.)
func processStart(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may have blanks and parentheses.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("reading /proc/%d/stat: it has %d fields", pid, len(fields))
	}
	if s := fields[0][0]; s == 'Z' || s == 'X' {
		return 0, nil
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}
