// Command bench compares `pare slim` with `crane export` on one image in an
// OCI layout, in interleaved pairs, and prints medians and ratios.
//
//	go run ./testdata/bench -pare bin/pare -image oci:DIR:TAG -profile NAME=FILE... [-pairs 5]
//
// `crane export` reads no OCI layouts, so this program does what it does
// (mutate.Extract of the layout's image, written to a pipe that is read) in a
// process of its own; -crane and -registry add the real binary against a
// loopback registry that serves the same image.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"time"
)

type options struct {
	pare, image, crane, registry, work string
	profiles                           []workload
	pairs                              int
}

// workload is a profile; how much it keeps decides what writing costs.
type workload struct{ name, profile string }

func main() {
	var o options
	child := flag.String("child", "", "internal: export or inflate the image")
	flag.StringVar(&o.pare, "pare", "", "pare binary")
	flag.StringVar(&o.image, "image", "", "oci:DIR:TAG")
	flag.Func("profile", "NAME=FILE, a profile for slim; repeatable", func(v string) error {
		name, file, ok := strings.Cut(v, "=")
		if !ok {
			return errors.New("want NAME=FILE")
		}
		o.profiles = append(o.profiles, workload{name, file})
		return nil
	})
	flag.StringVar(&o.crane, "crane", "", "crane binary (optional)")
	flag.StringVar(&o.registry, "registry", "", "HOST/REPO:TAG of the same image on a loopback registry (with -crane)")
	flag.StringVar(&o.work, "work", "", "scratch directory")
	flag.IntVar(&o.pairs, "pairs", 5, "interleaved rounds, at least 5")
	flag.Parse()
	var err error
	if *child != "" {
		err = runChild(*child, o.image)
	} else {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// contender is one command that every round runs once.
type contender struct {
	name string
	argv []string
	prep func() error // before each run, not timed
}

// usage is what one run cost.
type usage struct {
	wall, cpu float64 // seconds
	rss       float64 // MB, peak
}

func run(o options) error {
	if o.pairs < 5 || o.pare == "" || o.image == "" || len(o.profiles) == 0 || o.work == "" {
		return errors.New("-pare, -image, -profile, -work and -pairs >= 5 are needed")
	}
	cs, err := contenders(o)
	if err != nil {
		return err
	}
	fmt.Printf("image %s, %d rounds, GOMAXPROCS %d, %s/%s\n", o.image, o.pairs, runtime.GOMAXPROCS(0), runtime.GOOS, runtime.GOARCH)
	if err := describe(strings.TrimPrefix(o.image, "oci:")); err != nil {
		return err
	}
	results := map[string][]usage{}
	for round := 0; round <= o.pairs; round++ {
		for i := range cs {
			c := cs[(i+round)%len(cs)] // another order each round
			u, err := measure(c)
			if err != nil {
				return fmt.Errorf("running %s: %w", c.name, err)
			}
			if round == 0 {
				continue // fills the page cache and pare's own
			}
			fmt.Printf("round %d  %-29s wall %7.3f s  cpu %7.3f s  rss %7.1f MB\n", round, c.name, u.wall, u.cpu, u.rss)
			results[c.name] = append(results[c.name], u)
		}
	}
	report(cs, results)
	// Last, for what this process has grown to is counted as a child's peak.
	return share(o)
}

// share prints how much of the image each profile keeps.
func share(o options) error {
	fmt.Println()
	for _, w := range o.profiles {
		raw, err := exec.Command(o.pare, "plan", o.image, "-p", w.profile, "--json", "--no-cache", "--progress", "quiet").Output()
		if err != nil {
			return fmt.Errorf("planning with %s: %w", w.profile, err)
		}
		var plan struct {
			Summary struct{ KeptBytes, SourceBytes int64 }
		}
		if err := json.Unmarshal(raw, &plan); err != nil {
			return err
		}
		s := plan.Summary
		fmt.Printf("profile %s: keeps %.1f of %.1f MB, %.1f %%\n", w.name, float64(s.KeptBytes)/1e6, float64(s.SourceBytes)/1e6, 100*float64(s.KeptBytes)/float64(s.SourceBytes))
	}
	return nil
}

func contenders(o options) ([]contender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out := filepath.Join(o.work, "out")
	cold := filepath.Join(o.work, "cache-cold")
	slim := func(src, cache string, w workload) []string {
		return []string{o.pare, "slim", src, "-p", w.profile, "-o", "oci:" + out + ":slim", "--cache-dir", cache, "--progress", "quiet"}
	}
	clean := func(dirs ...string) func() error {
		return func() error {
			for _, d := range dirs {
				if err := os.RemoveAll(d); err != nil {
					return err
				}
			}
			return nil
		}
	}
	cs := []contender{
		{name: base, argv: []string{self, "-child", "export", "-image", o.image}},
		{name: "inflate + hash alone", argv: []string{self, "-child", "inflate", "-image", o.image}},
	}
	for _, w := range o.profiles {
		warm := filepath.Join(o.work, "cache-warm-"+w.name)
		cs = append(cs,
			contender{name: "slim " + w.name + ", cold cache", argv: slim(o.image, cold, w), prep: clean(out, cold)},
			contender{name: "slim " + w.name + ", no cache", argv: append(slim(o.image, cold, w), "--no-cache"), prep: clean(out, cold)},
			contender{name: "slim " + w.name + ", warm cache", argv: slim(o.image, warm, w), prep: clean(out)})
	}
	if o.crane != "" && o.registry != "" {
		cs = append(cs, contender{name: baseRegistry, argv: []string{o.crane, "export", "--insecure", o.registry, "-"}})
		for _, w := range o.profiles {
			cs = append(cs, contender{name: "slim " + w.name + ", registry, cold", argv: slim("docker://"+o.registry, cold, w), prep: clean(out, cold)})
		}
	}
	return cs, nil
}

const (
	base         = "crane export (layout)"
	baseRegistry = "crane export (registry)"
)

// measure runs the command with its output read through a pipe, as
// `crane export | cat` would.
func measure(c contender) (usage, error) {
	if c.prep != nil {
		if err := c.prep(); err != nil {
			return usage{}, err
		}
	}
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return usage{}, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		return usage{}, err
	}
	if err := cmd.Wait(); err != nil {
		return usage{}, fmt.Errorf("%w: %s", err, stderr.String())
	}
	wall := time.Since(start).Seconds()
	ru := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
	return usage{wall: wall, cpu: cpu, rss: float64(ru.Maxrss) / 1024}, nil
}

func report(cs []contender, results map[string][]usage) {
	fmt.Printf("\nmedians; ratios are the median of the per-round ratios to crane export in the same round\n")
	fmt.Printf("%-29s %9s %9s %9s  %9s %9s\n", "", "wall s", "cpu s", "rss MB", "wall x", "cpu x")
	for _, c := range cs {
		us := results[c.name]
		against := results[base]
		if strings.Contains(c.name, "registry") {
			against = results[baseRegistry]
		}
		fmt.Printf("%-29s %9.3f %9.3f %9.1f  %9.3f %9.3f\n", c.name,
			median(us, func(i int) float64 { return us[i].wall }),
			median(us, func(i int) float64 { return us[i].cpu }),
			median(us, func(i int) float64 { return us[i].rss }),
			median(us, func(i int) float64 { return us[i].wall / against[i].wall }),
			median(us, func(i int) float64 { return us[i].cpu / against[i].cpu }))
	}
}

func median(us []usage, f func(int) float64) float64 {
	vs := make([]float64, len(us))
	for i := range us {
		vs[i] = f(i)
	}
	sort.Float64s(vs)
	if n := len(vs); n%2 == 0 {
		return (vs[n/2-1] + vs[n/2]) / 2
	}
	return vs[len(vs)/2]
}
