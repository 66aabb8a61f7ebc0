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
		fmt.Fprintln(w, "image\ttool\texit\tlayers\trequests\tlayers read\tkB read\tkB sent\ts\tfalse versions\tfixes that did not arrive")
		for _, r := range rows {
			if r.note != "" {
				continue
			}
			untrue, undelivered := "?", "?"
			if r.judged {
				untrue, undelivered = counted(r.untrue), counted(r.undelivered)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%s\t%s\n", r.app, r.tool, r.exit, r.layers,
				r.traffic.requests, r.traffic.reads, r.traffic.read/1000, r.traffic.sent()/1000, r.took.Seconds(), untrue, undelivered)
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
		fmt.Fprintln(w, "image\twarm\tmedian of 7, lowest and highest, ms")
		for _, l := range lines {
			fmt.Fprintln(w, l)
		}
	})
	return b.String()
}

var benchLine = regexp.MustCompile(`(?m)^(\S+?)(?:-\d+)?\s+\d+\s+(\d+) ns/op`)

// medianOf reads what go test prints of a benchmark that ran several times.
func medianOf(out, name string) (string, error) {
	var ns []int
	for _, m := range benchLine.FindAllStringSubmatch(out, -1) {
		if n, err := strconv.Atoi(m[2]); err == nil && m[1] == name {
			ns = append(ns, n)
		}
	}
	if len(ns) < 5 {
		return "", fmt.Errorf("%d results of %s, want five: %s", len(ns), name, out)
	}
	slices.Sort(ns)
	return fmt.Sprintf("%.0f (%.0f, %.0f)", float64(ns[len(ns)/2])/1e6, float64(ns[0])/1e6, float64(ns[len(ns)-1])/1e6), nil
}
