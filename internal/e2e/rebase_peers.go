package e2e

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
)

// peers are other tools that move images between bases, as their users call
// them.
var peers = []struct {
	name string
	argv func(b *bed, m move) []string
}{
	{"crane", func(b *bed, m move) []string {
		return []string{filepath.Join(b.work, "bin/crane"), "rebase", m.image, "--old_base", m.from, "--new_base", m.onto, "-t", m.dest}
	}},
	{"regctl", func(b *bed, m move) []string {
		return []string{
			filepath.Join(b.work, "bin/regctl"), "--host", "reg=" + b.registry + ",tls=disabled",
			"image", "mod", m.image, "--create", m.dest, "--rebase-ref", m.from + "," + m.onto,
		}
	}},
}

// move is what a tool is asked for; all are references in the registry.
type move struct{ image, from, onto, dest string }

// code is a command's exit code, of one that could be run.
func code(err error) (int, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// runPeer has a tool do the move.
func (b *bed) runPeer(ctx context.Context, argv []string) error {
	home, err := b.scratch("peer-home")
	if err != nil {
		return err
	}
	if _, err = stdout(ctx, []string{"HOME=" + home}, argv...); err != nil {
		b.logf("%v", err)
	}
	return err
}
