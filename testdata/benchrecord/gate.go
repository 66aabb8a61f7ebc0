package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const roleGate = "gate"

// gateAddr is where the client opens the gate: in the container's network,
// where nothing else is.
const gateAddr = "127.0.0.1:4711"

// patience bounds every wait.
const patience = 60 * time.Second

// gate is the container's first program. It waits until the client is there
// and becomes the image's program when told so: what making a container,
// attaching strace, and starting a client take is not measured, and a start
// has one clock, the client's.
func gate(argv []string) error {
	if len(argv) == 0 {
		return errors.New("gate: no program")
	}
	file, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	if err := opened(); err != nil {
		return fmt.Errorf("waiting for the client: %w", err)
	}
	return syscall.Exec(file, argv, os.Environ())
}

// opened waits for the client's word. The connection closes on exec.
func opened() error {
	var conn net.Conn
	var err error
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if conn, err = net.Dial("tcp", gateAddr); err == nil {
			break
		}
		if time.Now().After(end) {
			return err
		}
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// openGate waits for the gate and opens it; what follows is the program's.
func openGate() (time.Time, error) {
	l, err := net.Listen("tcp", gateAddr)
	if err != nil {
		return time.Time{}, err
	}
	defer l.Close()
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		return time.Time{}, err
	}
	conn, err := l.Accept()
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	began := time.Now()
	_, err = conn.Write([]byte{1})
	return began, err
}
