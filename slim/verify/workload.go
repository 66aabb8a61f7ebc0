package verify

import (
	"slices"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// workload is one command line of the recording, with all that it was asked.
type workload struct {
	argv   []string // nil: as the image's config says
	probes []profile.Probe
	// lasted is how long the recording ran: how long a program that is asked
	// nothing is watched.
	lasted time.Duration
	// exits says that the recorded program ended by itself, with code.
	exits bool
	code  int
}

// workloads are the distinct starts of a profile that were asked something.
// Commands beside a start have sessions too, and no probes. Without any, they
// are those that ended by themselves, batch jobs; without these too, the image
// is started as it says itself.
func workloads(p *profile.Profile) []workload {
	var out, ends []workload
	longest := time.Duration(0)
	for i := range p.Sessions {
		s := &p.Sessions[i]
		longest = max(longest, s.Duration)
		if len(s.Probes) == 0 {
			if s.Exited {
				ends = append(ends, workload{argv: s.Argv, lasted: s.Duration, exits: true, code: s.ExitCode})
			}
			continue
		}
		at := slices.IndexFunc(out, func(w workload) bool { return slices.Equal(w.argv, s.Argv) })
		if at < 0 {
			at = len(out)
			out = append(out, workload{argv: s.Argv})
		}
		out[at].lasted = max(out[at].lasted, s.Duration)
		for _, q := range s.Probes {
			out[at].add(q)
		}
	}
	switch {
	case len(out)+len(ends) == 0:
		return []workload{{lasted: longest}}
	case len(out) == 0:
		out = distinct(ends)
	}
	slices.SortStableFunc(out, func(a, b workload) int { return slices.Compare(a.argv, b.argv) })
	return out
}

// distinct leaves one of each command line: batch jobs, recorded more than once.
func distinct(all []workload) []workload {
	var out []workload
	for _, w := range all {
		at := slices.IndexFunc(out, func(o workload) bool { return slices.Equal(o.argv, w.argv) })
		if at < 0 {
			out = append(out, w)
			continue
		}
		out[at].lasted = max(out[at].lasted, w.lasted)
	}
	return out
}

// add takes a probe; of a question that is there already, what the answers
// differ in becomes volatile.
func (w *workload) add(q profile.Probe) {
	for i := range w.probes {
		if have := &w.probes[i]; sameQuestion(*have, q) {
			have.Answer.Volatile = differing(have.Answer, q.Answer)
			return
		}
	}
	w.probes = append(w.probes, q)
}

func sameQuestion(a, b profile.Probe) bool {
	return a.Kind == b.Kind && a.Port == b.Port && a.TLS == b.TLS && a.Method == b.Method && a.Host == b.Host && a.Path == b.Path &&
		slices.Equal(a.Header, b.Header) && slices.Equal(a.Body, b.Body) && slices.Equal(a.Argv, b.Argv)
}

// differing names the fields in which two baselines differ, with those that
// are volatile in either.
func differing(a, b profile.Answer) []string {
	names := slices.Concat(a.Volatile, b.Volatile)
	for _, f := range []struct {
		name string
		same bool
	}{
		{"contentType", a.ContentType == b.ContentType},
		{"digest", a.Digest == b.Digest},
		{"error", (a.Error == "") == (b.Error == "")},
		{"exitCode", a.ExitCode == b.ExitCode},
		{"size", a.Size == b.Size},
		{"status", a.Status == b.Status},
	} {
		if !f.same {
			names = append(names, f.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return sortedUnique(names)
}

// The longest time that a program which is asked nothing may run.
const (
	shortestWatch = 2 * time.Second
	longestWatch  = time.Minute
	longestJob    = time.Hour
)

// watch is how long a program that is asked nothing is watched: as long as
// the recording ran, within bounds. A job that ended by itself gets the time
// to do so here too, on a busier machine.
func (w *workload) watch() time.Duration {
	if w.exits {
		return min(10*w.lasted+longestWatch, longestJob)
	}
	return min(max(w.lasted, shortestWatch), longestWatch)
}

// ports are those that the probes ask.
func (w *workload) ports() []int {
	var out []int
	for _, p := range w.probes {
		if p.Port != 0 {
			out = append(out, p.Port)
		}
	}
	return sortedUnique(out)
}
