package probe

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// Workload is everything to be asked.
type Workload struct {
	Probes  []profile.Probe
	Crawl   []profile.Probe // starts, see [Crawl]
	OpenAPI []Document
	Health  *Health // the image's HEALTHCHECK; asked last
	// Exposed are the TCP ports that the image's config names.
	Exposed []int
	Ready   ReadyOptions // Ports, Exposed, AnyPort and Health are filled in
	// MayEnd says that the workload is expected to end by itself. If nothing
	// was to be asked but what the image itself names (its ports, its
	// HEALTHCHECK, which may be another command's), its end is no error.
	MayEnd  bool
	Limits  CrawlLimits
	Options Options // Ports is filled in
	// Progress, when not nil, is told what comes next.
	Progress func(Progress)
}

// Progress is one step of a run.
type Progress struct {
	Stage string        // "ready" (waiting for it), "openapi", "crawl", "ask"
	Probe profile.Probe // that is about to be asked; for "ask", and the start for "crawl"
	Done  int           // of Of questions; every one is asked twice
	Of    int
}

// Result is what a run has shown.
type Result struct {
	// Ready says how readiness was told, see [WaitReady], and when.
	Ready      string
	ReadyAfter time.Duration
	// Probes are the questions in order, with answers and with their port.
	Probes   []profile.Probe
	NotAsked []Route // of OpenAPI documents, in their order
	// Asked are the ports that a question went to, sorted; Listening those
	// that something listened on after the last question, sorted.
	Asked     []int
	Listening []int
	// Notes are findings for people: what a crawl left out.
	Notes []string
}

// Batch says that there is nothing to ask and nothing to wait for: the
// workload is to run until it exits.
func (w Workload) Batch() bool {
	return len(w.Probes)+len(w.Crawl)+len(w.OpenAPI)+len(w.Exposed) == 0 && w.Health == nil && w.Ready.by() == ""
}

// Run waits until the workload is ready, finds the questions that documents
// and pages hold, and asks everything twice. With an error the result is what
// there was until then; ErrEnded says that the workload ended while it was
// asked, which is no error where [Workload.MayEnd] allows it.
func Run(ctx context.Context, c Running, w Workload) (Result, error) {
	r, err := w.run(ctx, c)
	if errors.Is(err, ErrEnded) && w.MayEnd && len(w.given()) == 0 && w.Ready.by() == "" {
		return Result{Ready: endedByItself}, nil
	}
	return r, err
}

const endedByItself = "the workload ended by itself, before it was ready"

func (w Workload) run(ctx context.Context, c Running) (Result, error) {
	var r Result
	if err := CheckVariables(w.given(), w.Options.Getenv); err != nil {
		return r, err
	}
	if w.Batch() {
		r.Ready = nothingToWaitFor
		return r, nil
	}
	began := time.Now()
	w.tell(Progress{Stage: "ready"})
	var err error
	if r.Ready, err = WaitReady(ctx, c, w.readiness()); err != nil {
		return r, err
	}
	r.ReadyAfter = time.Since(began)
	probes, err := w.questions(ctx, c, &r)
	if err != nil {
		return r, err
	}
	w.Options.Ports = r.ports(w, probes)
	of := 2 * len(probes)
	r.Probes, err = AskTwice(ctx, c, probes, w.Options, func(done, _ int, p profile.Probe) {
		w.tell(Progress{Stage: "ask", Probe: p, Done: done, Of: of})
	})
	if err != nil {
		return r, fmt.Errorf("asking the workload: %w", err)
	}
	r.Asked = asked(r.Probes)
	return r, r.listen(ctx, c)
}

func (w Workload) tell(p Progress) {
	if w.Progress != nil {
		w.Progress(p)
	}
}

// given are the questions known before the start.
func (w Workload) given() []profile.Probe {
	out := slices.Concat(w.Probes, w.Crawl)
	for _, d := range w.OpenAPI {
		out = append(out, d.Base)
	}
	return out
}

func (w Workload) readiness() ReadyOptions {
	o := w.Ready
	o.Ports = asked(w.given())
	o.Exposed, o.Health = w.Exposed, w.Health
	o.AnyPort = slices.ContainsFunc(w.given(), portless)
	return o
}

func portless(p profile.Probe) bool { return p.Kind == profile.ProbeHTTP && p.Port == 0 }

// asked are the ports of probes, sorted.
func asked(probes []profile.Probe) []int {
	var out []int
	for _, p := range probes {
		if p.Port != 0 {
			out = append(out, p.Port)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ports are those that host commands are told: exposed ones first, in order.
func (r *Result) ports(w Workload, probes []profile.Probe) []int {
	out := slices.Sorted(slices.Values(w.Exposed))
	for _, port := range slices.Concat(asked(probes), r.Listening) {
		if !slices.Contains(out, port) {
			out = append(out, port)
		}
	}
	return out
}

// questions are all of them, with ports, none twice.
func (w Workload) questions(ctx context.Context, c Running, r *Result) ([]profile.Probe, error) {
	if err := r.listen(ctx, c); err != nil {
		return nil, err
	}
	var out []profile.Probe
	seen := map[[sha256.Size]byte]bool{}
	add := func(probes ...profile.Probe) {
		for _, p := range probes {
			p.Answer = profile.Answer{}
			if key := sha256.Sum256(fmt.Appendf(nil, "%#v", p)); !seen[key] {
				seen[key] = true
				out = append(out, p)
			}
		}
	}
	for _, p := range w.Probes {
		if err := w.place(&p, r.Listening); err != nil {
			return nil, err
		}
		add(p)
	}
	for _, d := range w.OpenAPI {
		probes, err := w.document(ctx, c, d, r)
		if err != nil {
			return nil, err
		}
		add(probes...)
	}
	for _, start := range w.Crawl {
		probes, err := w.crawl(ctx, c, start, r)
		if err != nil {
			return nil, err
		}
		add(probes...)
	}
	if w.Health != nil {
		add(w.Health.Probe())
	}
	if len(out) > maxProbes {
		return nil, fmt.Errorf("%d questions, at most %d; narrow the crawl or the OpenAPI documents", len(out), maxProbes)
	}
	return out, nil
}

// maxProbes is what a profile's session takes.
const maxProbes = 10_000

func (w Workload) crawl(ctx context.Context, c Running, start profile.Probe, r *Result) ([]profile.Probe, error) {
	if err := w.place(&start, r.Listening); err != nil {
		return nil, err
	}
	w.tell(Progress{Stage: "crawl", Probe: start})
	found, err := Crawl(ctx, c, start, w.Limits, w.Options)
	if err != nil {
		return nil, err
	}
	if found.Left > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("crawling from %s left %d links: %s", Line(start), found.Left, found.Why))
	}
	return found.Probes, nil
}

// document turns an OpenAPI document into questions, itself among them where
// it is the workload's own.
func (w Workload) document(ctx context.Context, c Running, d Document, r *Result) ([]profile.Probe, error) {
	if err := w.place(&d.Base, r.Listening); err != nil {
		return nil, err
	}
	var out []profile.Probe
	if d.Data == nil {
		w.tell(Progress{Stage: "openapi", Probe: d.Base})
		var err error
		if d.Data, err = fetch(ctx, c, d.Base, w.Options); err != nil {
			return nil, fmt.Errorf("asking for the OpenAPI document %s: %w", Line(d.Base), err)
		}
		out = append(out, d.Base)
	}
	probes, not, err := d.Routes()
	r.NotAsked = append(r.NotAsked, not...)
	return append(out, probes...), err
}

func fetch(ctx context.Context, t Target, p profile.Probe, o Options) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout())
	defer cancel()
	switch r := askHTTP(ctx, t, p, o, maxDocument+1); {
	case r.answer.Error != "":
		return nil, errors.New(r.answer.Error)
	case r.answer.Status != 200:
		return nil, fmt.Errorf("status %d", r.answer.Status)
	case r.answer.Digest == "":
		return nil, errors.New("the answer did not end")
	default:
		return r.body, nil
	}
}

// listen notes what the workload listens on, unless it has ended.
func (r *Result) listen(ctx context.Context, c Running) error {
	ports, err := c.Listening(ctx)
	select {
	case <-c.Done():
		return fmt.Errorf("asking the workload: %w; what it wrote is in its log", ended(c.Exit()))
	default:
	}
	if err != nil {
		return fmt.Errorf("listing the ports that the workload listens on: %w", err)
	}
	r.Listening = ports
	return nil
}
