package e2e

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// row is one result of the table that a run ends with.
type row struct {
	app         *app
	source      *source
	result      *slimmed
	comparison  *comparison
	mutations   []without
	took        time.Duration // all steps
	beforeFiles int
	afterFiles  int
}

// mb is decimal megabytes.
func mb(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }

// packed is the size of an image's layers as stored.
func packed(img v1.Image) (n int64) {
	m, err := img.Manifest()
	if err != nil {
		return 0
	}
	for _, l := range m.Layers {
		n += l.Size
	}
	return n
}

// table writes all rows: sizes, counts, who it runs as, how long it took.
func table(rows []row) string {
	var b strings.Builder
	columns(&b, func(w io.Writer) { rowsTo(w, rows) })
	return b.String()
}

func columns(b *strings.Builder, fill func(io.Writer)) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fill(w)
	w.Flush()
}

func rowsTo(w io.Writer, rows []row) {
	fmt.Fprintln(w, "image\tgranularity\tMB before\tafter\tgzip MB before\tafter\tentries before\tafter\tpackages before\tafter\tuser\tchecks\tslim s\ttotal s")
	for _, r := range rows {
		s := r.result.plan.Summary
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%d\t%.1f\t%.0f\n",
			r.app.name, r.result.granularity, mb(s.SourceBytes), mb(s.KeptBytes), mb(packed(r.source.image)), mb(packed(r.result.image)),
			r.beforeFiles, r.afterFiles, s.SourcePackages, s.KeptPackages,
			fmt.Sprintf("%d:%d", r.result.plan.User.UID, r.result.plan.User.GID), len(r.app.checks), r.result.took.Seconds(), r.took.Seconds())
	}
}

// details writes what each row's comparison left out, the kept bytes by
// reason, and which check noticed each removed file.
func details(rows []row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "\n%s, %s: %s\n", r.app.name, r.result.granularity, r.comparison)
		columns(&b, func(w io.Writer) {
			for _, share := range r.result.plan.Summary.ByRule {
				fmt.Fprintf(w, "  kept by %s\t%d entries\t%s MB\n", share.Rule, share.Entries, mb(share.Bytes))
			}
		})
		for _, f := range r.result.plan.Findings {
			fmt.Fprintf(&b, "  %s %s: %s\n", f.Severity, f.Name, f.Text)
		}
		columns(&b, func(w io.Writer) {
			for _, m := range r.mutations {
				fmt.Fprintf(w, "  without %s\tnoticed by: %s\n", m.path, m.noticed)
			}
		})
	}
	return b.String()
}

// writeReport leaves both for testdata/run.
func (b *bed) writeReport(rows []row) error {
	return os.WriteFile(b.run+"/report.txt", []byte(table(rows)+details(rows)), 0o644)
}

// addToReport adds the result of another test than TestApps, which ran before.
func (b *bed) addToReport(text string) error {
	f, err := os.OpenFile(b.run+"/report.txt", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
