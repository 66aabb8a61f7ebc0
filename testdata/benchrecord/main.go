// Command benchrecord measures what recording costs the recorded: the same
// image is started by the builtin engine unrecorded, recorded with and without
// synchronous wake-up, under strace, and under a recorder that looks at nothing
// (the kernel's part of the cost), in interleaved rounds.
//
//	go build -o FILE ./testdata/benchrecord   (CGO_ENABLED=0: it goes into the images)
//	FILE -work DIR -image nginx=oci:DIR:TAG [-image python=...] [-rounds 5]
//
// Measured are the time from the execve of the image's program to the first
// whole answer, and the requests per second of one client that keeps its
// connection. Beside it, the floor: one notified call in a loop. It needs root
// and strace.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/record/builtin"
)

type options struct {
	work   string
	images []image
	rounds int
	starts int           // of each round; the median counts, the last one gets the load
	warm   time.Duration // of load before what is counted
	load   time.Duration
}

// image is one that is measured: a name of subjects, and where it is.
type image struct{ name, ref string }

func main() {
	if code, ours := builtin.Reexec(os.Args); ours {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchrecord:", err)
		stop()
		os.Exit(1)
	}
}

// dispatch plays one of the parts of this program.
func dispatch(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case roleGate:
			return gate(args[1:])
		case roleClient:
			return client(args[1:])
		case roleFloor:
			return floor()
		case roleBlind:
			return blind(args[1:])
		case roleListened:
			return listened(args[1:])
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	return run(ctx, o)
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("benchrecord", flag.ExitOnError)
	f.StringVar(&o.work, "work", "", "scratch directory, with room for the unpacked images")
	f.Func("image", "NAME=oci:DIR:TAG; repeatable. NAME is nginx, python or node", func(v string) error {
		name, ref, ok := strings.Cut(v, "=")
		if !ok || !slices.ContainsFunc(subjects, func(s subject) bool { return s.name == name }) {
			return errors.New("want NAME=oci:DIR:TAG, NAME being nginx, python or node")
		}
		o.images = append(o.images, image{name, ref})
		return nil
	})
	f.IntVar(&o.rounds, "rounds", 5, "interleaved rounds")
	f.IntVar(&o.starts, "starts", 5, "starts a round")
	f.DurationVar(&o.warm, "warm", time.Second, "load that is not counted")
	f.DurationVar(&o.load, "load", 4*time.Second, "load that is")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.work == "" || len(o.images) == 0 || o.rounds < 1 || o.starts < 1 {
		return o, errors.New("-work and -image are needed, and -rounds and -starts of at least 1")
	}
	return o, nil
}

func run(ctx context.Context, o options) error {
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	b.describe()
	for i, im := range o.images {
		s, err := b.open(ctx, im)
		if err != nil {
			return fmt.Errorf("image %s: %w", im.name, err)
		}
		if i == 0 {
			err = b.floors(ctx, s)
		}
		if err == nil {
			err = b.servers(ctx, s)
		}
		s.tree.Close()
		if err != nil {
			return fmt.Errorf("image %s: %w", im.name, err)
		}
	}
	return nil
}
