package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/pare-image/pare/slim/verify"
)

// tellVerify prints the report, writes it as JUnit, and says no when the slim
// image differs.
func (a *app) tellVerify(asJSON bool, junit string, r *verify.Report) error {
	if junit != "" {
		if err := a.writeResult(junit, func(w io.Writer) error { return r.WriteJUnit(w) }); err != nil {
			return err
		}
	}
	var err error
	switch {
	case asJSON:
		err = r.Write(a.term.stdout)
	case junit != "-":
		err = a.term.result("%s", verifyText(r))
	}
	if err != nil {
		return err
	}
	if !r.OK() {
		return fmt.Errorf("%w: the slim image differs", errCheck)
	}
	return nil
}

// verifyText is the report for people.
func verifyText(r *verify.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s, %s), with engine %s\n", oneLine(r.Image.Reference), shortDigest(r.Image.Digest), oneLine(r.Image.Platform), r.Engine)
	b.WriteString("\nconditions\n" + columns(conditionRows(r.Conditions)))
	for i := range r.Workloads {
		w := &r.Workloads[i]
		fmt.Fprintf(&b, "\n\n%s\n%s", oneLine(strings.Join(w.Argv, " ")), columns(checkRows(w)))
	}
	if len(r.Missing) > 0 {
		b.WriteString("\n\nmissing: asked for, in the source, and not in the slim image\n" + columns(missingRows(r.Missing)))
	}
	if len(r.NotVerified) > 0 {
		b.WriteString("\n\nnot verified\n")
		for _, n := range r.NotVerified {
			b.WriteString("  " + oneLine(n) + "\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n\n" + verifyVerdict(r)
}

func conditionRows(c *verify.Conditions) [][]string {
	rows := [][]string{{"user", "uid:gid " + c.User, "", ""}}
	if c.ReadOnlyRoot {
		rows = append(rows, []string{"root", "read-only", "", ""})
	} else {
		rows = append(rows, []string{"root", "writable", "asked for with --writable-root", ""})
	}
	for _, w := range c.Writable {
		rows = append(rows, []string{w.How, oneLine(w.Path), oneLine(w.Reason), ""})
	}
	for _, k := range c.Caps {
		rows = append(rows, []string{"capability", oneLine(k.Name), oneLine(k.Reason), ""})
	}
	for _, u := range c.Unmet {
		rows = append(rows, []string{"not allowed", oneLine(u.Path), oneLine(u.Text + ": " + u.Next), ""})
	}
	return rows
}

func checkRows(w *verify.Workload) [][]string {
	rows := [][]string{checkRow("start", w.Start.OK, w.Start.Text)}
	for i := range w.Probes {
		p := &w.Probes[i]
		text := strings.Join(p.Differences, "; ")
		if len(p.Volatile) > 0 {
			text = strings.TrimPrefix(text+"; not compared, as it differed from itself: "+strings.Join(p.Volatile, ", "), "; ")
		}
		rows = append(rows, checkRow(p.Question, p.OK, text))
	}
	return append(rows, checkRow("stop", w.Stop.OK, w.Stop.Text), checkRow("restart", w.Restart.OK, w.Restart.Text))
}

func checkRow(what string, ok bool, text string) []string {
	verdict := verify.OK
	if !ok {
		verdict = verify.Differs
	}
	return []string{verdict, oneLine(what), oneLine(text), ""}
}

func missingRows(all []verify.Missing) [][]string {
	var rows [][]string
	for i := range all {
		m := &all[i]
		what := m.Path
		if m.Resolved != "" {
			what += " -> " + m.Resolved
		}
		remedy := strings.Join(m.Restore, " ")
		if m.HiddenBy != "" {
			remedy = "hidden by the tmpfs on " + m.HiddenBy + ": verify with --volume " + m.HiddenBy
		}
		rows = append(rows, []string{oneLine(what), "by " + oneLine(strings.Join(m.By, ", ")), oneLine(remedy), ""})
	}
	return rows
}

// verifyVerdict is one line.
func verifyVerdict(r *verify.Report) string {
	checks, bad := 0, 0
	count1 := func(ok bool) {
		checks++
		if !ok {
			bad++
		}
	}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		for _, ok := range []bool{w.Start.OK, w.Stop.OK, w.Restart.OK} {
			count1(ok)
		}
		for j := range w.Probes {
			count1(w.Probes[j].OK)
		}
	}
	text := fmt.Sprintf("%d of %d checks the same", checks-bad, checks)
	if n := len(r.Missing); n > 0 {
		text += fmt.Sprintf(", %s missing: add the options above to pare slim, or record what asks for them", count(n, "path"))
	}
	return r.Verdict + ": " + text
}
