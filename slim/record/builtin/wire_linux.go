package builtin

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// maxFiles is how many open files one message may carry.
const maxFiles = 8

// socketPair returns two connected ends: one to use, one to hand over.
func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "socket")
	ours, err := fileConn(os.NewFile(uintptr(fds[0]), "socket"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// fileConn turns a socket's file, which it uses up, into a connection.
func fileConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("using a socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("using a socket: not of the Unix kind")
	}
	return u, nil
}

// sendFiles sends open files as one message of one byte.
func sendFiles(c *net.UnixConn, files ...*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	_, _, err := c.WriteMsgUnix([]byte{byte(len(files))}, unix.UnixRights(fds...), nil)
	return err
}

// receiveFiles reads one message of [sendFiles].
func receiveFiles(c *net.UnixConn) ([]*os.File, error) {
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oobn, _, _, err := c.ReadMsgUnix(b[:], oob)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	if n != 1 || len(files) != int(b[0]) {
		closeAll(files)
		return nil, errors.New("receiving open files: the message is not complete")
	}
	return files, nil
}

// send writes one value, in gob: strings of an image need not be UTF-8.
func send(c *net.UnixConn, v any) error { return gob.NewEncoder(c).Encode(v) }

// receive reads what send wrote, and not a byte more: open files may follow.
func receive(c *net.UnixConn, v any) error { return gob.NewDecoder(exact{c}).Decode(v) }

// exact keeps gob from reading ahead, which it does unless it can have bytes.
type exact struct{ *net.UnixConn }

func (e exact) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(e.UnixConn, b[:])
	return b[0], err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
