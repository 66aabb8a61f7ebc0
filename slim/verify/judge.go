package verify

import (
	"fmt"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/probe"
)

// judgeStart says whether a start came to be ready. A program that ends by
// itself without being asked anything is judged by its end.
func judgeStart(o *outcome) Check {
	if o.notReady != nil {
		return Check{Text: o.notReady.Error(), Took: o.readyIn}
	}
	return Check{OK: true, Text: o.ready, Took: o.readyIn}
}

// judgeEnd compares the end of a run with that of the source; source is nil
// where it was not run.
func judgeEnd(o, source *outcome, stopSignal int, w *workload) Check {
	c := Check{Text: o.end(stopSignal), Took: o.endedIn}
	asked := len(w.probes) > 0
	switch {
	case source != nil:
		c.OK = o.itself == source.itself && o.killed == source.killed && o.exit.Code == source.exit.Code
		if !c.OK {
			c.Text += "; the source " + source.end(stopSignal)
		}
	case o.killed: // as may be what the source does, as process 1 without a handler
		c.Text += " (--stop-timeout gives it longer, --source compares with what the source does)"
	case w.exits && w.argv != nil: // with other arguments it may end otherwise
		if c.OK = o.itself && o.exit.Code == w.code; !c.OK {
			c.Text += fmt.Sprintf("; when recorded it ended by itself with exit code %d", w.code)
		}
	case o.itself && asked:
		c.Text += ", before it was asked to"
	case o.itself:
		c.OK = o.exit.Code == 0
	default:
		c.OK = o.exit.Signal == 0 || o.exit.Signal == stopSignal
	}
	if !c.OK {
		c.Text += o.words
	}
	return c
}

// end is "ended with exit code 0 on SIGTERM".
func (o *outcome) end(stopSignal int) string {
	name := engine.SignalName(stopSignal)
	how := fmt.Sprintf("exit code %d", o.exit.Code)
	if o.exit.Signal != 0 {
		how = engine.SignalName(o.exit.Signal)
	}
	switch {
	case o.killed:
		return fmt.Sprintf("did not end within %v of %s and was killed", o.grace, name)
	case o.itself:
		return "ended by itself with " + how
	}
	if o.exit.Signal == stopSignal {
		return "was ended by " + name
	}
	return "ended on " + name + " with " + how
}

// judgeRestart judges a second start: ready, the same answers, and ended as
// the first.
func judgeRestart(first, second *outcome, stopSignal int, answers []Probe) Check {
	c := judgeStart(second)
	c.Took += second.endedIn
	if !c.OK {
		return c
	}
	for i := range answers {
		c.Took += answers[i].Took
		if !answers[i].OK {
			return Check{Text: c.Text + "; " + answers[i].Question + ": " + answers[i].Differences[0], Took: c.Took}
		}
	}
	c.Text += "; " + second.end(stopSignal)
	c.OK = second.itself == first.itself && second.killed == first.killed && second.exit.Code == first.exit.Code
	if !c.OK {
		c.Text += "; the first start " + first.end(stopSignal)
	}
	return c
}

// compare holds the answers against their baseline.
func compare(want []profile.Probe, o *outcome) []Probe {
	out := []Probe{}
	for i, w := range want {
		p := Probe{Question: probe.Line(w), Want: w.Answer, Differences: []string{}, Volatile: append([]string{}, w.Answer.Volatile...)}
		if i < len(o.answers) {
			p.Got, p.Took = o.answers[i].Answer, o.took[i]
		} else {
			p.Got = profile.Answer{Error: "not asked: it was never ready"}
		}
		for _, d := range probe.Compare(w.Answer, p.Got) {
			p.Differences = append(p.Differences, d.String())
		}
		if i >= len(o.answers) && len(p.Differences) == 0 {
			p.Differences = append(p.Differences, p.Got.Error)
		}
		p.OK = len(p.Differences) == 0
		out = append(out, p)
	}
	return out
}
