package builtin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/record/engine"
)

// Host runs a command of the host in the container's network, which is at
// 127.0.0.1 there. Where that takes a user namespace, the command is in that
// too, with this user's rights and, where ids are mapped, the name of root.
func (c *container) Host(ctx context.Context, cmd *exec.Cmd) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case c.spec.Network == engine.Host:
		return cmd.Run()
	case c.id.footing == asRoot:
		return c.hostDirect(cmd)
	}
	return c.hostThroughStage(ctx, cmd)
}

// hostDirect starts the command from a thread that is in the network: a child
// is where its creating thread is.
func (c *container) hostDirect(cmd *exec.Cmd) error {
	theirs, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", c.cmd.Process.Pid))
	if err != nil {
		return fmt.Errorf("entering the container's network: %w", err)
	}
	defer theirs.Close()
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err == nil {
		defer own.Close()
		err = unix.Setns(int(theirs.Fd()), unix.CLONE_NEWNET)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering the container's network: %w", err)
	}
	err = cmd.Start()
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back == nil {
		runtime.UnlockOSThread() // else the thread ends with the goroutine
	}
	if err != nil {
		return err
	}
	return cmd.Wait()
}

// hostThroughStage puts a process of ours in the command's place. It has the
// stage start the command with its own stdin, stdout and stderr, and ends as
// the command does.
func (c *container) hostThroughStage(ctx context.Context, cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	t, err := ask(ctx, c.control, request{Op: opHost, Program: program{
		Argv: append([]string{cmd.Path}, cmd.Args...), Env: cmd.Environ(), Dir: cmd.Dir,
	}})
	if err != nil {
		return err
	}
	defer t.close()
	conn, err := t.conn.File()
	if err != nil {
		return err
	}
	defer conn.Close()
	program, err := self()
	if err != nil {
		return err
	}
	was := *cmd
	defer func() { cmd.Path, cmd.Args, cmd.ExtraFiles = was.Path, was.Args, was.ExtraFiles }()
	cmd.ExtraFiles = append(append([]*os.File{}, cmd.ExtraFiles...), conn)
	cmd.Path = "/proc/self/fd/" + strconv.Itoa(int(program.Fd()))
	cmd.Args = []string{"pare", roleHost, strconv.Itoa(len(cmd.ExtraFiles) - 1)}
	if err := cmd.Start(); err != nil {
		return err
	}
	conn.Close()
	t.close() // only that process holds it now: its end is the command's
	return cmd.Wait()
}

// hostMain is that process.
func hostMain(args []string) int {
	if len(args) != 1 {
		return 2
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return 2
	}
	conn, err := fileConn(inherited(n))
	if err != nil {
		return 2
	}
	var files []*os.File
	for fd := range 3 {
		files = append(files, os.NewFile(uintptr(fd), "standard"))
	}
	if err := sendFiles(conn, files...); err != nil {
		return 126
	}
	var r reply
	if err := errors.Join(receive(conn, &r)); err != nil {
		return 126
	}
	if r.Err != "" {
		fmt.Fprintln(files[2], r.Err)
		return 126
	}
	return r.Code
}
