//go:build unix

package docker

import (
	"net"
	"os"
	"syscall"
)

// socketPair returns two connections that are each other's ends.
func socketPair() (a, b net.Conn, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	a, err = fileConn(fds[0])
	if err != nil {
		syscall.Close(fds[1])
		return nil, nil, err
	}
	if b, err = fileConn(fds[1]); err != nil {
		a.Close()
	}
	return a, b, err
}

// fileConn takes fd over.
func fileConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socketpair")
	defer f.Close() // FileConn has its own copy
	return net.FileConn(f)
}

// killOthers kills every process of this pid namespace but the first and
// itself.
func killOthers() error {
	if err := syscall.Kill(-1, syscall.SIGKILL); err != syscall.ESRCH {
		return err
	}
	return nil
}
