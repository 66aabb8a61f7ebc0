//go:build linux && (amd64 || arm64)

package sensor

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func init() {
	// Times calls of one kind; prints nanoseconds a call, the best of ten runs.
	programs["time calls"] = func(args []string) {
		runtime.LockOSThread()
		n, err := strconv.Atoi(args[1])
		must(err)
		must(os.Chdir("/usr/lib"))
		best := time.Duration(1 << 62)
		for range 10 {
			start := time.Now()
			for range n / 10 {
				switch args[0] {
				case "notified":
					must(raw("newfstatat", cwd, "/etc/passwd", stat, 0))
				case "relative":
					must(raw("newfstatat", cwd, "../lib", stat, 0))
				case "missing":
					_ = raw("newfstatat", cwd, "/etc/no/such/file", stat, 0)
				case "silent":
					_ = raw("getppid")
				case "fstat":
					must(raw("newfstatat", 0, "", stat, 0x1000))
				}
			}
			best = min(best, time.Since(start))
		}
		fmt.Println(best.Nanoseconds() / int64(n/10))
	}
}

// BenchmarkCall is what one call costs: alone, recorded, and under strace
// with a seccomp filter. "silent" and "fstat" are calls the filter lets go.
func BenchmarkCall(b *testing.B) {
	for _, call := range []string{"notified", "relative", "missing", "silent", "fstat"} {
		argv := []string{self(b), asProgram, "time calls", call, "20000"}
		b.Run(call+"/alone", func(b *testing.B) {
			report(b, func() string {
				out, err := exec.Command(argv[0], argv[1:]...).Output()
				if err != nil {
					b.Fatal(err)
				}
				return string(out)
			})
		})
		b.Run(call+"/recorded", func(b *testing.B) {
			report(b, func() string { return supervised{cfg: Config{Argv: argv}}.run(b).stdout })
		})
		b.Run(call+"/strace", func(b *testing.B) {
			needTool(b, "strace")
			report(b, func() string {
				out, err := exec.Command("strace", append([]string{"-f", "--seccomp-bpf", "-e", "trace=%file", "-o", "/dev/null"}, argv...)...).Output()
				if err != nil {
					b.Fatal(err)
				}
				return string(out)
			})
		})
	}
}

func report(b *testing.B, run func() string) {
	best := int64(1 << 62)
	for b.Loop() {
		ns, err := strconv.ParseInt(strings.TrimSpace(run()), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		best = min(best, ns)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(best), "ns/call")
}
