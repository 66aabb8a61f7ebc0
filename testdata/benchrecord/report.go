package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func (b *bench) describe() {
	var uts unix.Utsname
	_ = unix.Uname(&uts) // an empty name says as much
	strace, _ := exec.Command("strace", "--version").Output()
	first, _, _ := strings.Cut(string(strace), "\n")
	fmt.Printf("%d rounds in rotated order, after one that is not counted; Linux %s, %s, %d CPUs, %s\n",
		b.o.rounds, unix.ByteSliceToString(uts.Release[:]), runtime.GOARCH, runtime.NumCPU(), first)
	fmt.Printf("start-up: execve of the image's program to its first whole answer, median of %d starts a round\n", b.o.starts)
	fmt.Printf("load: one client, keep-alive, body of %d bytes, %v after %v of warming up\n", bodySize, b.o.load, b.o.warm)
	fmt.Printf("strace: parent of the program in the container, %s\n", strings.Join(straceFlags[:len(straceFlags)-1], " "))
	fmt.Println("x: median of the ratios to unrecorded in the same round; in brackets the least and the greatest")
}

// rounds has f measure every way in each round, in another order each time.
// The result is by way, then round.
func rounds[T any](b *bench, f func(way) (T, error)) ([][]T, error) {
	out := make([][]T, len(ways))
	for round := 0; round <= b.o.rounds; round++ {
		for i := range ways {
			k := (i + round) % len(ways)
			v, err := f(ways[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ways[k].name, err)
			}
			if round > 0 { // the first fills caches
				out[k] = append(out[k], v)
			}
		}
	}
	return out, nil
}

// floors prints what one call costs.
func (b *bench) floors(ctx context.Context, s *prepared) error {
	all, err := rounds(b, func(w way) (floorCost, error) { return b.floorOnce(ctx, s, w) })
	if err != nil {
		return err
	}
	fmt.Printf("\nfloor: faccessat(2) of a file that is there, one thread in a loop, ns a call\n")
	fmt.Printf("%-24s %10s %10s\n", "", "seen path", "new path")
	for k, w := range ways {
		fmt.Printf("%-24s %10.0f %10.0f\n", w.name,
			median(all[k], func(c floorCost) float64 { return c.Seen }), median(all[k], func(c floorCost) float64 { return c.New }))
	}
	return nil
}

// round is one round of one way.
type round struct {
	start float64 // ms
	rate  float64 // requests a second
}

// servers prints what recording costs a server.
func (b *bench) servers(ctx context.Context, s *prepared) error {
	all, err := rounds(b, func(w way) (round, error) { return b.round(ctx, s, w) })
	if err != nil {
		return err
	}
	fmt.Printf("\n%s, %s", s.name, s.path)
	if s.note != "" {
		fmt.Printf(" (%s)", s.note)
	}
	fmt.Printf("\n%-24s %11s %21s %11s %21s %9s\n", "", "start-up ms", "x", "requests/s", "x", "us each")
	for k, w := range ways {
		rate := median(all[k], func(r round) float64 { return r.rate })
		fmt.Printf("%-24s %11.1f %21s %11.0f %21s %9.1f\n", w.name,
			median(all[k], func(r round) float64 { return r.start }), ratio(all[k], all[0], func(r round) float64 { return r.start }),
			rate, ratio(all[k], all[0], func(r round) float64 { return r.rate }), 1e6/rate)
	}
	return nil
}

// minPerConnection is what a server must answer before it closes a connection:
// nginx does so after 1000 requests.
const minPerConnection = 100

// round starts an image several times, and at last loads it.
func (b *bench) round(ctx context.Context, s *prepared, w way) (round, error) {
	var starts []float64
	for i := 1; ; i++ {
		out, err := b.serve(ctx, s, w, i == b.o.starts)
		if err != nil {
			return round{}, err
		}
		starts = append(starts, out.Start.Seconds()*1e3)
		if i == b.o.starts {
			if out.Lost*minPerConnection > out.Requests {
				return round{}, fmt.Errorf("the server closed %d connections within %d requests: it keeps none", out.Lost, out.Requests)
			}
			return round{start: median(starts, func(v float64) float64 { return v }), rate: float64(out.Requests) / out.Load.Seconds()}, nil
		}
	}
}

// ratio compares round by round.
func ratio[T any](these, with []T, f func(T) float64) string {
	var rs []float64
	for i := range these {
		rs = append(rs, f(these[i])/f(with[i]))
	}
	return fmt.Sprintf("%.3f [%.3f, %.3f]", median(rs, func(v float64) float64 { return v }), slices.Min(rs), slices.Max(rs))
}

func median[T any](all []T, f func(T) float64) float64 {
	var vs []float64
	for _, v := range all {
		vs = append(vs, f(v))
	}
	slices.Sort(vs)
	if n := len(vs); n%2 == 0 {
		return (vs[n/2-1] + vs[n/2]) / 2
	}
	return vs[len(vs)/2]
}
