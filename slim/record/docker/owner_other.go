//go:build !linux

package docker

import (
	"errors"
	"os"
)

// thisProcess has no boot id here, so that nothing is ever taken for dead
// that may live.
func thisProcess() (process, error) {
	name, err := os.Hostname()
	return process{host: short(name), boot: short(), pid: os.Getpid()}, err
}

func processStart(int) (uint64, error) { return 0, errors.ErrUnsupported }
