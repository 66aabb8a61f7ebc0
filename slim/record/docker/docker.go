// Package docker is an engine that starts images in a Docker Engine, local or
// remote, or in what speaks its API (podman).
//
// Nothing is mounted from this machine: the image is loaded, the sensor and
// its configuration are copied into the container before it starts, and what
// it recorded is copied out when it has ended, all through the API. Every
// container, network and image tag made here carries the name of the process
// that made it; what a killed process left is removed by the next Start.
//
// # Networks
//
// A container on the [engine.Loopback] network gets a bridge of its own
// without a way out ("internal" in Docker's words), so that a recorded
// workload reaches nobody. Where this machine has the bridge, ports are
// reached at the container's address. Elsewhere (a remote daemon, Docker
// Desktop, a rootless daemon), and for programs that listen on 127.0.0.1
// only, a second container enters the first one's network and hands through
// what is sent; see [Relay].
//
// # Podman
//
// podman's compatible socket works, with these limits of podman 4.3: a
// variable of the image cannot be taken away, and a recorded container's
// tmpfs over a directory of root's can only be written by root.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pare-image/pare/slim/record/engine"
)

// Options say where the daemon is and what is put into its containers.
type Options struct {
	// Host is as in DOCKER_HOST: unix:///path, tcp://host:port; "" is
	// unix:///var/run/docker.sock.
	Host string
	// CertPath is a directory with ca.pem, cert.pem and key.pem, for a daemon
	// that wants TLS (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH); "" for none.
	CertPath string
	// Sensor opens a static pare for linux and one architecture as Go names
	// it, and says its size in bytes. Nil: nothing can be recorded, and no
	// port reached where a relay is needed.
	Sensor func(arch string) (io.ReadCloser, int64, error)
}

// Engine is a Docker Engine. It may be used concurrently.
type Engine struct {
	api    *client
	sensor func(string) (io.ReadCloser, int64, error)
}

// New prepares the engine; the daemon is first asked by Check or Start.
func New(o Options) (*Engine, error) {
	c, err := newClient(o.Host, o.CertPath)
	if err != nil {
		return nil, err
	}
	return &Engine{api: c, sensor: o.Sensor}, nil
}

// Name is "docker".
func (e *Engine) Name() string { return "docker" }

// ErrCannotRecord says that containers of this daemon cannot be recorded.
var ErrCannotRecord = errors.New("this docker daemon cannot record")

// Check asks the daemon who it is.
func (e *Engine) Check(ctx context.Context) error {
	_, err := e.look(ctx)
	return err
}

// daemon is what the daemon says of itself.
type daemon struct {
	OSType          string
	Architecture    string // as uname says
	DefaultRuntime  string
	SecurityOptions []string
	KernelVersion   string
	ServerVersion   string
	arch            string // as Go says
	podman          bool
}

func (e *Engine) look(ctx context.Context) (*daemon, error) {
	if err := e.api.negotiate(ctx); err != nil {
		return nil, err
	}
	d := &daemon{}
	if err := e.api.call(ctx, "GET", "/info", nil, d); err != nil {
		return nil, err
	}
	if d.OSType != "" && d.OSType != "linux" {
		return nil, fmt.Errorf("the Docker Engine at %s runs %q containers; pare needs linux ones", e.api.host, d.OSType)
	}
	d.arch, d.podman = goArch(d.Architecture), e.api.isPodman()
	return d, nil
}

// goArch translates uname's name of an architecture, which podman gives in
// Go's words already.
func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "i686", "i386":
		return "386"
	case "armv7l", "armv6l":
		return "arm"
	}
	return machine
}

// has looks for "name=rootless" and its like.
func (d *daemon) has(option string) bool {
	return slices.ContainsFunc(d.SecurityOptions, func(o string) bool {
		return o == "name="+option || strings.HasPrefix(o, "name="+option+",")
	})
}

// canRecord refuses what is known not to work; the rest the sensor finds out.
func (d *daemon) canRecord(s engine.Spec) error {
	if strings.HasPrefix(d.DefaultRuntime, "runsc") {
		return fmt.Errorf("%w: its runtime %q (gVisor) has no seccomp notification; use a daemon with runc or crun, or pare instrument and a real host", ErrCannotRecord, d.DefaultRuntime)
	}
	cf, err := s.Image.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the image's config: %w", err)
	}
	if cf.Architecture != "" && d.arch != "" && cf.Architecture != d.arch {
		return fmt.Errorf("%w: the image is for %q and the daemon's machine is %s, whose emulation hides system calls; use a daemon on such a machine, or pare instrument there", ErrCannotRecord, cf.Architecture, d.arch)
	}
	return nil
}
