package builtin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/engine"
)

// room is an image's files, unpacked once and used below overlays.
type room struct {
	ready chan struct{} // closed when dir or err is set
	dir   *scratch
	err   error
}

// Start starts s.Tree's program.
func (e *Engine) Start(ctx context.Context, s engine.Spec) (engine.Container, error) {
	if s.Tree == nil {
		return nil, errors.New("starting a container: the image's tree is not open")
	}
	e.reapOnce()
	c, err := e.start(ctx, s)
	var o *overlayError
	if errors.As(err, &o) {
		e.mu.Lock()
		e.plain = true
		e.mu.Unlock()
		c, err = e.start(ctx, s)
	}
	if err != nil {
		return nil, err // not c: a nil in an interface is not nil
	}
	return c, nil
}

func (e *Engine) start(ctx context.Context, s engine.Spec) (*container, error) {
	e.mu.Lock()
	plain := e.plain
	e.mu.Unlock()
	id := findIdentity(e.opts.Rootless)
	e.warnFooting(id, s)
	run, err := newScratch(e.dir(), runPrefix)
	if err != nil {
		return nil, err
	}
	c, err := e.fill(ctx, s, id, run, plain)
	if err != nil {
		return nil, errors.Join(err, run.remove(id))
	}
	return c, nil
}

// fill puts a container's files into its directory and starts it.
func (e *Engine) fill(ctx context.Context, s engine.Spec, id identity, run *scratch, plain bool) (*container, error) {
	for _, d := range []string{"root", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(run.path, d), 0o755); err != nil {
			return nil, err
		}
	}
	if plain {
		if err := e.unpack(ctx, id, s.Tree, filepath.Join(run.path, "root")); err != nil {
			return nil, err
		}
	} else {
		lower, err := e.room(ctx, id, s.Tree)
		if err != nil {
			return nil, err
		}
		if err := os.Symlink(lower, filepath.Join(run.path, "lower")); err != nil {
			return nil, err
		}
	}
	name, err := writeEtc(run.path, s)
	if err != nil {
		return nil, err
	}
	return launchContainer(ctx, s, id, run, e.firstOf(s, id, name, plain))
}

func (e *Engine) firstOf(s engine.Spec, id identity, hostname string, plain bool) first {
	one := id.footing == withOneID
	return first{
		Program: program{
			Argv: s.Argv, Env: s.Env, Dir: s.Dir, User: s.User,
			KeepUser: one, NoGroups: one, Hardened: s.Conditions, Sensor: s.Sensor,
		},
		Plain: plain, UserXattr: id.footing != asRoot || inUserNamespace(),
		HostNet: s.Network == engine.Host, OneID: one, Hostname: hostname,
		Volumes: s.Volumes, Conditions: s.Conditions,
	}
}

// room returns the directory of an image's files, which it unpacks at the
// first call.
func (e *Engine) room(ctx context.Context, id identity, tree *layers.Tree) (string, error) {
	e.mu.Lock()
	r := e.rooms[tree]
	mine := r == nil
	if mine {
		r = &room{ready: make(chan struct{})}
		e.rooms[tree] = r
	}
	e.mu.Unlock()
	if mine {
		r.dir, r.err = e.newRoom(ctx, id, tree)
		if r.err != nil {
			e.mu.Lock()
			delete(e.rooms, tree)
			e.mu.Unlock()
		}
		close(r.ready)
	}
	select {
	case <-r.ready:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if r.err != nil {
		return "", r.err
	}
	return filepath.Join(r.dir.path, "files"), nil
}

func (e *Engine) newRoom(ctx context.Context, id identity, tree *layers.Tree) (*scratch, error) {
	dir, err := newScratch(e.dir(), treePrefix)
	if err != nil {
		return nil, err
	}
	files := filepath.Join(dir.path, "files")
	if err = os.Mkdir(files, 0o755); err == nil {
		err = e.unpack(ctx, id, tree, files)
	}
	if err != nil {
		return nil, errors.Join(err, dir.remove(id))
	}
	return dir, nil
}

func (e *Engine) unpack(ctx context.Context, id identity, tree *layers.Tree, dir string) error {
	u, err := unpackTree(ctx, id, tree, dir)
	if err != nil {
		return err
	}
	if u.Foreign > 0 {
		e.warn(fmt.Sprintf("%d files belong to users that have no place here, and appear as the container's own", u.Foreign))
	}
	if u.Lost > 0 {
		e.warn(fmt.Sprintf("%d attributes or devices of files cannot be made here and are missing", u.Lost))
	}
	return nil
}

func (e *Engine) warnFooting(id identity, s engine.Spec) {
	if id.footing == withOneID {
		e.warn(fmt.Sprintf("the container has one user only (%d), who owns all files; programs that change user fail: %s", s.User.UID, id.why))
	}
}

func (e *Engine) dir() string { return cmp.Or(e.opts.Dir, os.TempDir()) }

// reapOnce removes what killed runs left. What it cannot remove is no reason
// not to start.
func (e *Engine) reapOnce() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.reaped {
		e.reaped = true
		reap(e.dir(), findIdentity(e.opts.Rootless))
	}
}

// Check makes a container of nothing, up to the point where its program would
// be executed.
func (e *Engine) Check(ctx context.Context) error {
	id := findIdentity(e.opts.Rootless)
	run, err := newScratch(e.dir(), runPrefix)
	if err != nil {
		return err
	}
	defer run.remove(id)
	for _, d := range []string{"root", "upper", "work", "lower"} {
		if err := os.Mkdir(filepath.Join(run.path, d), 0o755); err != nil {
			return err
		}
	}
	name, err := writeEtc(run.path, engine.Spec{Network: engine.Loopback})
	if err != nil {
		return err
	}
	f := e.firstOf(engine.Spec{Argv: []string{"none"}, Dir: "/", Network: engine.Loopback}, id, name, true)
	f.Probe = true
	c, err := launchContainer(ctx, engine.Spec{}, id, run, f)
	if err != nil {
		return fmt.Errorf("checking the builtin engine (%v): %w", id.footing, err)
	}
	<-c.Done()
	return c.Close()
}

// Close removes the unpacked files. Containers must be closed before.
func (e *Engine) Close() error {
	e.mu.Lock()
	rooms := e.rooms
	e.rooms = map[*layers.Tree]*room{}
	e.mu.Unlock()
	var errs []error
	for _, r := range rooms {
		if <-r.ready; r.err == nil {
			errs = append(errs, r.dir.remove(findIdentity(e.opts.Rootless)))
		}
	}
	return errors.Join(errs...)
}

// namespaces of a stage.
func namespaces(network engine.Network) uintptr {
	var ns uintptr = unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	if network != engine.Host {
		ns |= unix.CLONE_NEWNET
	}
	return ns
}
