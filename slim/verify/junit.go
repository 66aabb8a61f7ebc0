package verify

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The elements of JUnit's XML that CI systems read. There is no standard;
// this is what Jenkins and GitLab document.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
		Skipped *junitFailure `xml:"skipped,omitempty"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as JUnit XML: for each workload a test suite
// with a case for each probe, start, stop and restart, and one suite for
// missing paths.
func (r *Report) WriteJUnit(w io.Writer) error {
	var doc junitSuites
	for i := range r.Workloads {
		doc.Suites = append(doc.Suites, r.Workloads[i].junit())
	}
	doc.Suites = append(doc.Suites, suite("pare verify: files", time.Duration(0), []junitCase{r.junitMissing()}))
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func suite(name string, took time.Duration, cases []junitCase) junitSuite {
	s := junitSuite{Name: name, Tests: len(cases), Cases: cases, Time: seconds(took)}
	for _, c := range cases {
		if c.Failure != nil {
			s.Failures++
		}
		if c.Skipped != nil {
			s.Skipped++
		}
	}
	return s
}

func (w *Workload) junit() junitSuite {
	name := strings.Join(w.Argv, " ")
	cases := []junitCase{w.Start.junit(name, "start")}
	took := w.Start.Took + w.Stop.Took + w.Restart.Took
	for i := range w.Probes {
		p := &w.Probes[i]
		c := Check{OK: p.OK, Text: strings.Join(p.Differences, "\n"), Took: p.Took}
		cases = append(cases, c.junit(name, p.Question))
		took += p.Took
	}
	cases = append(cases, w.Stop.junit(name, "stop"), w.Restart.junit(name, "restart"))
	return suite("pare verify: "+name, took, cases)
}

func (c Check) junit(class, name string) junitCase {
	j := junitCase{Class: class, Name: name, Time: seconds(c.Took)}
	if c.OK {
		j.Output = c.Text
		return j
	}
	first, _, _ := strings.Cut(c.Text, "\n")
	j.Failure = &junitFailure{Message: first, Text: c.Text}
	return j
}

func (r *Report) junitMissing() junitCase {
	c := junitCase{Class: "files", Name: "missing-paths", Time: seconds(0)}
	if len(r.Missing) == 0 {
		if r.Source == (Image{}) {
			c.Skipped = &junitFailure{Message: "the source was not at hand"}
		}
		return c
	}
	var b strings.Builder
	for i := range r.Missing {
		b.WriteString(r.Missing[i].String() + "\n")
	}
	c.Failure = &junitFailure{Message: fmt.Sprintf("missing, and asked for: %d", len(r.Missing)), Text: b.String()}
	return c
}

// String is "/etc/x (by /bin/app): --keep /etc/x".
func (m *Missing) String() string {
	text := m.Path
	if m.Resolved != "" {
		text += " -> " + m.Resolved
	}
	if len(m.By) > 0 {
		text += " (by " + strings.Join(m.By, ", ") + ")"
	}
	if m.HiddenBy != "" {
		return text + ": hidden by the tmpfs on " + m.HiddenBy + "; give --volume " + shellWord(m.HiddenBy) + " to verify"
	}
	return text + ": " + strings.Join(m.Restore, " ")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
