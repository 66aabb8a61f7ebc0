package e2e

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rebaseRow is what came of one move by one tool.
type rebaseRow struct {
	app, tool   string
	exit        int
	layers      int
	traffic     traffic
	took        time.Duration
	judged      bool
	untrue      []string // packages whose version is not that of their bytes
	undelivered []string // packages of the new base that did not arrive
	failed      []string // steps
	note        string   // of a move that made nothing to be counted
}

// rebaseTable writes all rows.
func rebaseTable(rows []rebaseRow) string {
	var b strings.Builder
	b.WriteString("\npare rebase and others, from Debian as released to a patched one; layers' bytes in kB\n")
	columns(&b, func(w io.Writer) {
		fmt.Fprintln(w, "image\ttool\texit\tlayers\trequests\tof them writing\tlayers read\tkB read\tkB sent\ts\tfalse versions\tfixes that did not arrive")
		for _, r := range rows {
			if r.note != "" {
				continue
			}
			untrue, undelivered := "?", "?"
			if r.judged {
				untrue, undelivered = counted(r.untrue), counted(r.undelivered)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%s\t%s\n", r.app, r.tool, r.exit, r.layers,
				r.traffic.requests, r.traffic.toMove(), r.traffic.reads, r.traffic.read/1000, r.traffic.sent()/1000, r.took.Seconds(), untrue, undelivered)
		}
	})
	for _, r := range rows {
		if r.note != "" {
			fmt.Fprintf(&b, "%s, %s: exit %d, %s\n", r.app, r.tool, r.exit, r.note)
		}
		if r.failed != nil {
			fmt.Fprintf(&b, "%s, %s: FAILED %s\n", r.app, r.tool, strings.Join(r.failed, ", "))
		}
	}
	return b.String()
}

// counted is a number, and the first few.
func counted(names []string) string {
	if len(names) == 0 {
		return "0"
	}
	const most = 4
	out := strings.Join(names[:min(most, len(names))], " ")
	if len(names) > most {
		out += " ..."
	}
	return fmt.Sprintf("%d (%s)", len(names), out)
}

// fleetTable is of moves of many images, which are not looked into.
func fleetTable(rows []rebaseRow) string {
	var b strings.Builder
	b.WriteString("\n")
	columns(&b, func(w io.Writer) {
		fmt.Fprintln(w, "images\ttool\texit\trequests\tlayers read\tkB read\tkB sent\ts")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.1f\n", r.app, r.tool, r.exit,
				r.traffic.requests, r.traffic.reads, r.traffic.read/1000, r.traffic.sent()/1000, r.took.Seconds())
		}
	})
	return b.String()
}

// caseRow is what pare said of a constructed case.
type caseRow struct {
	name              string
	exit              int
	findings, repairs []string
	all               int // findings
}

func casesTable(rows []caseRow) string {
	var b strings.Builder
	b.WriteString("\n")
	columns(&b, func(w io.Writer) {
		fmt.Fprintln(w, "case on real bases\texit\tnamed\tfindings in all")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\n", r.name, r.exit, strings.Join(append(r.findings, r.repairs...), ", "), r.all)
		}
	})
	return b.String()
}

func timingsText(lines []string) string {
	var b strings.Builder
	b.WriteString("\n")
	columns(&b, func(w io.Writer) {
		fmt.Fprintln(w, "image\twith warm indexes\tms, median of 7 (lowest, highest)\tof the processor")
		for _, l := range lines {
			fmt.Fprintln(w, l)
		}
	})
	return b.String()
}

var benchLine = regexp.MustCompile(`(?m)^(\S+?)(?:-\d+)?\s+\d+\s+(\d+) ns/op(?:\s+(\d+) cpu-ns/op)?`)

// mediansOf reads what go test prints of a benchmark that ran several times:
// by the clock, and of the processor where that is said.
func mediansOf(out, name string) (string, error) {
	var clock, cpu []float64
	for _, m := range benchLine.FindAllStringSubmatch(out, -1) {
		if m[1] != name {
			continue
		}
		for to, text := range map[*[]float64]string{&clock: m[2], &cpu: m[3]} {
			if n, err := strconv.ParseFloat(text, 64); err == nil {
				*to = append(*to, n/1e6)
			}
		}
	}
	if len(clock) < 5 {
		return "", fmt.Errorf("%d results of %s, want five: %s", len(clock), name, out)
	}
	return spread(clock) + "\t" + spread(cpu), nil
}

// spread is the median, and the lowest and the highest.
func spread(ms []float64) string {
	if len(ms) == 0 {
		return ""
	}
	slices.Sort(ms)
	return fmt.Sprintf("%.0f (%.0f, %.0f)", ms[len(ms)/2], ms[0], ms[len(ms)-1])
}
