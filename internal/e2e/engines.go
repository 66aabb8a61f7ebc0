package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/sys/unix"
)

// checkAccepted shows the result to other tools: crane's validation of the
// layout and of the registry's copy, and skopeo.
func (b *bed) checkAccepted(ctx context.Context, r *slimmed) error {
	if err := validate.Image(r.image); err != nil {
		return fmt.Errorf("validating the layout: %w", err)
	}
	ref, err := name.ParseReference(r.registryRef())
	if err != nil {
		return err
	}
	img, err := remote.Image(ref, remote.WithContext(ctx))
	if err != nil {
		return err
	}
	if err := validate.Image(img); err != nil {
		return fmt.Errorf("validating the registry's: %w", err)
	}
	for _, args := range [][]string{
		{"inspect", r.ociRef()},
		{"inspect", "--config", "--tls-verify=false", "docker://" + r.registryRef()},
		{"copy", r.ociRef(), "dir:" + filepath.Join(r.layout, "..", "dir")},
	} {
		if _, err := output(ctx, append([]string{"skopeo", "--insecure-policy"}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// podmanCLI keeps podman's images and state in this run's directory.
func (b *bed) podmanCLI() []string {
	return []string{
		"podman", "--root", filepath.Join(b.run, "podman"), "--runroot", filepath.Join(b.run, "podman-run"),
		"--tmpdir", filepath.Join(b.run, "podman-tmp"), "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--log-level", "error",
	}
}

// worksInPodman pulls and runs the result with podman, without a network: the
// test reaches its ports from inside the container's network namespace.
func (b *bed) worksInPodman(ctx context.Context, a *app, r *slimmed) (err error) {
	cli := b.podmanCLI()
	if _, err := output(ctx, slices.Concat(cli, []string{"pull", "--quiet", "--tls-verify=false", r.registryRef()})...); err != nil {
		return err
	}
	c := b.newContainer(a, cli)
	defer c.remove()
	args := []string{"--network", "none", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=30000:30000"}
	if err := c.create(ctx, args, r.registryRef()); err != nil {
		return err
	}
	if a.ready != nil {
		stop, err := c.forwardPorts(ctx)
		defer stop()
		if err != nil {
			return err
		}
	}
	if err := c.waitReady(ctx, 2*time.Minute); err != nil {
		return err
	}
	if a.ready != nil {
		return nil // checks may need the network
	}
	return c.check(ctx)
}

// forwardPorts gives each of the app's ports an address on the loopback.
func (c *container) forwardPorts(ctx context.Context) (stop func(), err error) {
	var listeners []net.Listener
	stop = func() {
		for _, l := range listeners {
			l.Close()
		}
	}
	out, err := c.engine(ctx, "inspect", "--format", "{{.State.Pid}}", c.name)
	if err != nil {
		return stop, err
	}
	ns := filepath.Join("/proc", strings.TrimSpace(out), "ns", "net")
	c.addrs = map[int]string{}
	for _, port := range c.app.ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return stop, err
		}
		listeners = append(listeners, l)
		c.addrs[port] = l.Addr().String()
		go forward(l, ns, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	return stop, nil
}

// forward joins each connection to one made inside the network namespace.
func forward(l net.Listener, ns, addr string) {
	for {
		outside, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer outside.Close()
			inside, err := dialInside(ns, addr)
			if err != nil {
				return
			}
			defer inside.Close()
			go func() { _, _ = io.Copy(inside, outside); _ = inside.(*net.TCPConn).CloseWrite() }()
			_, _ = io.Copy(outside, inside)
		}()
	}
}

// dialInside connects from a thread that has entered the namespace. A socket
// stays where it was made; the thread ends with its goroutine.
func dialInside(ns, addr string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is not to be used again
		f, err := os.Open(ns)
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer f.Close()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// checkDockerArchive has docker load an archive that pare writes, and wants
// docker's image to be the result.
func (b *bed) checkDockerArchive(ctx context.Context, a *app, s *source, profile string, r *slimmed) (err error) {
	file := filepath.Join(r.layout, "..", "image.tar")
	tag := "pare-test/" + a.name + ":loaded"
	if _, err := b.runPare(ctx, b.slimArgs(a, s.ociRef(), "docker-archive:"+file+":"+tag, profile, r.granularity)...); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file)) }()
	if _, err := b.docker(ctx, "load", "--quiet", "--input", file); err != nil {
		return err
	}
	id, err := stdout(ctx, nil, slices.Concat(b.dockerCLI, []string{"image", "inspect", "--format", "{{.Id}}", tag})...)
	if err != nil {
		return err
	}
	config, err := r.image.ConfigName()
	if err == nil && strings.TrimSpace(string(id)) != config.String() {
		err = fmt.Errorf("docker has loaded %s, not %s", id, config)
	}
	return err
}
