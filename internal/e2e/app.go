// Package e2e slims real images and shows that they still work.
//
// It runs only for `testdata/run` (make test, make e2e, make demo), which
// starts a docker daemon and a registry of its own and tells the tests where
// they are; `go test ./...` skips it. Each image is an app: a directory with a
// Dockerfile, and a file app_NAME.go here that registers how to run it and
// what it must do.
package e2e

import (
	"context"
	"fmt"
	"sort"
)

// An app is one real image: how it is made and run, and what it must do.
//
// Its Dockerfile starts FROM one of two images that testdata/run makes:
// pare-test/debian:bookworm (minbase) and pare-test/legacy:bookworm (the same
// with build tools and apt lists left in). RUN has the network of the host,
// for apt only. The file testdata/images/secret is put into the build context
// as "secret": the Dockerfile adds it in one layer and deletes it in a later
// one.
type app struct {
	name    string
	origin  string // the app that this one is a variant of, which has the same checks
	context string // directory with the Dockerfile, from the repository's root
	core    bool   // in CI's set
	// goBuild are programs built on the host and put into the build context.
	goBuild []goBuild
	// prepare adds generated files to a copy of context before the build. It
	// must write the same bytes each time: images are cached by content.
	prepare func(dir string) error

	ports   []int    // container ports that the checks reach
	runArgs []string // further arguments of docker run
	args    []string // command line after the image's name
	// runArgsFor, when not nil, gives arguments that depend on the machine,
	// such as host.addr for --add-host or --dns.
	runArgsFor func(h host) []string
	// volumes are container directories over which an empty host directory
	// (mode 0777) is mounted; container.dir finds it.
	volumes []string
	// lowPort says that a port below 1024 is bound: the slim image, which is
	// not root, is run with net.ipv4.ip_unprivileged_port_start=0 by name.
	lowPort bool

	// ready is called again and again until it is nil or the deadline has
	// passed. nil: the app runs to its end by itself, and the checks look at
	// what it left (container.exit, logs, dir).
	ready  func(ctx context.Context, c *container) error
	checks []check
	// signals are what the app answers in its log, its StopSignal aside.
	signals []signal
	// single are arguments of pare record, one question or "--" and another
	// command line: the recording that is too short.
	single []string
	// command is the image's own, where single has another.
	command []string
	// smoke is one to three --http questions, as a hurried team asks: what is
	// slimmed by them is seen to be enough at granularity auto. nil: the app
	// is not of that test.
	smoke []string

	slimArgs []string // further arguments of pare slim
	// mutate are paths of the slim image, as the container resolves them;
	// with any one removed, at least one check (or ready) must fail.
	mutate []string
}

// A check is one behaviour of an app. It must fail when the behaviour is
// wrong, and may run several times and in any order on one container.
type check struct {
	name string
	run  func(ctx context.Context, c *container) error
}

// A signal that an app answers.
type signal struct {
	name string // as docker kill --signal takes it
	log  string // is then in the log once more
}

// goBuild is a program: `go build -o NAME PKG` with or without cgo.
type goBuild struct {
	name string // file name in the build context
	pkg  string // from the repository's root: "./testdata/images/gostatic"
	cgo  bool
}

// host is the machine as a container sees it.
type host struct {
	addr string // IP address at which containers reach servers of the test
}

var apps = map[string]app{}

// register is called by init of each app_NAME.go.
func register(a app) {
	if a.name == "" || a.context == "" || len(a.checks) < 8 {
		panic(fmt.Sprintf("app %q needs a name, a context and at least eight checks", a.name))
	}
	if _, twice := apps[a.name]; twice {
		panic("app " + a.name + " is registered twice")
	}
	apps[a.name] = a
}

// selected is the apps of a set, sorted by name: "core" or "full".
func selected(set string) []app {
	var as []app
	for _, a := range apps {
		if a.core || set == "full" {
			as = append(as, a)
		}
	}
	sort.Slice(as, func(i, j int) bool { return as[i].name < as[j].name })
	return as
}
