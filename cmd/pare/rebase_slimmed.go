package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/rebase"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
)

// slimmed is an image of pare slim that has no base of its own: the image that
// it was made of is moved, and slimmed again as it was.
type slimmed struct {
	made   *slim.Provenance
	source *opened // holds what the image was made of
	one    *candidate
	work   *work
	job    job // of the moved source
	moved  *opened
	// already says that the image was made of just this: it stays as it is.
	already bool
	planned *planned // nil where findings forbid the move, or already
	built   *built
}

func (s *slimmed) close() {
	if s.planned != nil {
		s.planned.Close()
	}
	s.source.Close()
}

// madeOnScratch is what an image says of how it was slimmed; nil where it was
// not, or stands on a base, onto which it can be moved like any other.
func madeOnScratch(c *candidate) (*slim.Provenance, error) {
	config, err := c.image.ConfigFile()
	if err != nil {
		return nil, err
	}
	m, err := c.image.Manifest()
	if err != nil {
		return nil, err
	}
	if !slim.IsSlim(config) || m.Annotations[rebase.AnnotationBaseDigest] != "" {
		return nil, nil
	}
	made, err := slim.ReadProvenance(config.Config.Labels)
	if err != nil || made.Options.Base != nil { // whose annotations were lost
		return nil, err
	}
	return made, nil
}

// openMade opens what an image was made of: with --source there, else beside
// the image.
func (r *rebaser) openMade(ctx context.Context, src *opened, c *candidate, made *slim.Provenance) (*slimmed, error) {
	at := r.command.made
	if at == "" {
		at = besides(src.ref, made.Recorded())
	}
	if at == "" {
		return nil, usagef("--source is missing: %s was slimmed, and images beside it are not found by digest; where is %s?", src.ref, made.Recorded())
	}
	o, err := r.app.open(ctx, at, &sourceFlags{platform: c.id.Platform}, r.places)
	if err != nil {
		return nil, fmt.Errorf("it was slimmed, and what it was made of has to be moved: %w; say where that image is with --source, or, if it is gone, build it anew on the new base and slim it with pare slim --reuse-profile", err)
	}
	one, err := o.only()
	if err != nil {
		o.Close()
		return nil, err
	}
	return &slimmed{made: made, source: o, one: one}, nil
}

// planSlimmed plans the move of the image that c was made of, and slimming the
// result.
func (r *rebaser) planSlimmed(ctx context.Context, src *opened, c *candidate, made *slim.Provenance) (*slimmed, *rebase.Plan, error) {
	s, err := r.openMade(ctx, src, c, made)
	if err != nil {
		return nil, nil, err
	}
	p, err := r.planBoth(ctx, s)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, p, nil
}

func (r *rebaser) planBoth(ctx context.Context, s *slimmed) (*rebase.Plan, error) {
	j, err := r.profiled(ctx, s)
	if err != nil {
		return nil, err
	}
	p, err := r.planPlatform(ctx, r.onto, s.source, s.one)
	if err != nil || p.Err() != nil {
		return p, err
	}
	return p, r.planAgain(ctx, s, j, p)
}

// madeOn is the base, by name and digest, that the source of a slimmed image
// stood on when the image was made.
func (r *rebaser) madeOn(ctx context.Context, s *slimmed) (name, digest string, err error) {
	name, digest, err = r.recordedBase(ctx, s.one)
	if err != nil {
		return "", "", fmt.Errorf("what it was made of, %s: %w", s.source.ref, err)
	}
	if o := s.made.Options.Origin; o.Source != "" { // it was moved since
		digest = o.Base
	}
	return name, digest, nil
}

// planAgain plans the slim image of the moved source.
func (r *rebaser) planAgain(ctx context.Context, s *slimmed, j job, p *rebase.Plan) error {
	if s.already = p.Result == s.made.Source; s.already {
		return nil
	}
	img, err := rebase.Apply(p)
	if err != nil {
		return err
	}
	if s.moved, err = s.after(img); err != nil {
		return err
	}
	j.candidate = &s.moved.images[0]
	if j.candidate.id.Digest != s.one.id.Digest {
		if j, err = r.ofMoved(ctx, s, j); err != nil {
			return err
		}
	}
	s.job = j
	if s.work, err = r.again(s); err != nil {
		return err
	}
	s.planned, err = s.work.planJob(ctx, s.moved, j)
	return err
}

// after is the source as it is once it is moved, opened.
func (s *slimmed) after(img v1.Image) (*opened, error) {
	id, err := identify(img)
	if err != nil {
		return nil, err
	}
	return &opened{ref: s.source.ref, source: s.source.source, images: []candidate{{image: img, id: id}}}, nil
}

// again is how the image was slimmed, by this pare.
func (r *rebaser) again(s *slimmed) (*work, error) {
	dir, err := r.scratch()
	if err != nil {
		return nil, err
	}
	w := &work{app: r.app, options: s.made.Options, cache: r.cache, dir: dir, remove: func() {}}
	w.options.Version = programVersion()
	for _, name := range r.command.allowSlim {
		if !slices.Contains(w.options.Allow, name) {
			w.options.Allow = append(w.options.Allow, name)
		}
	}
	return w, nil
}

// ofMoved is the job of the moved source: all profiles are of other images,
// and know of those what there is to know.
func (r *rebaser) ofMoved(ctx context.Context, s *slimmed, j job) (job, error) {
	out := job{candidate: j.candidate, others: slices.Clone(j.others)}
	out.origin = slim.Origin{Source: s.one.id.Digest.String(), Base: r.onto.source.Descriptor.Digest.String(), Profiles: s.made.Profiles()}
	if j.profile == nil {
		return out, nil
	}
	p := *j.profile
	if p.Image == (profile.Image{}) {
		p.Image = s.one.id.Image()
	}
	known, err := r.app.remember(ctx, s.source, s.one, r.cache, &p)
	out.others = append(out.others, known)
	return out, err
}

// profiled is the job that made the image, with the profiles of -p, or those
// attached to the source. They must be the ones that it was made with.
func (r *rebaser) profiled(ctx context.Context, s *slimmed) (job, error) {
	all, where := []*profile.Profile(nil), "those given"
	for _, name := range r.command.profiles {
		p, err := readProfile(name)
		if err != nil {
			return job{}, err
		}
		all = append(all, p)
	}
	if len(r.command.profiles) == 0 {
		if where = "attached to " + s.source.ref.String(); s.source.ref.HoldsReferrers() {
			var err error
			if all, err = r.app.attached(ctx, s.source, s.one, r.places); err != nil {
				return job{}, err
			}
		}
	}
	j, ok, err := s.pick(all)
	if err == nil && !ok {
		err = fmt.Errorf("%w: it was slimmed by the profile %s, which is not among %s; give that with -p (what --repair has added is in the file of --save-profile)",
			errCheck, strings.Join(s.made.Profiles(), " and "), where)
	}
	if err == nil && s.one.id.Digest.String() != s.made.Recorded() && !s.isRecorded(j) {
		err = fmt.Errorf("%w: %s is %s, and the image was made of %s; name that with --source", errCheck, s.source.ref, s.one.id.Digest, s.made.Recorded())
	}
	return j, err
}

// isRecorded says that the profile knows the source by its config: its layers
// were packed anew since.
func (s *slimmed) isRecorded(j job) bool {
	return j.profile != nil && j.profile.Image.Config != "" && j.profile.Image.Config == s.one.id.Config.String()
}

// pick finds the profiles that the image was made with: each by its digest,
// or as the union of those of the source.
func (s *slimmed) pick(all []*profile.Profile) (j job, ok bool, err error) {
	named := map[string]*profile.Profile{}
	add := func(p *profile.Profile) error {
		d, err := p.Digest()
		named[d] = p
		return err
	}
	var own []*profile.Profile
	for _, p := range all {
		if err := add(p); err != nil {
			return j, false, err
		}
		if slim.Check(p, s.one.id) == nil {
			own = append(own, p)
		}
	}
	if len(own) > 1 {
		union, err := profile.Union(own...)
		if err == nil {
			err = add(union)
		}
		if err != nil {
			return j, false, err
		}
	}
	j.candidate = s.one
	for _, want := range s.made.Profiles() {
		p := named[want]
		switch {
		case p == nil:
			return j, false, nil
		case j.profile == nil && slim.Check(p, s.one.id) == nil:
			j.profile = p
		default:
			j.others = append(j.others, p)
		}
	}
	return j, true, nil
}

// make builds the slim image, and runs it where that was asked for.
func (s *slimmed) make(ctx context.Context, r *rebaser, dest string) error {
	if s.planned == nil {
		return nil
	}
	var err error
	if r.command.verify {
		c := slimCommand{output: dest, proof: proofFlags{verify: true, rounds: 1, run: r.command.run}}
		s.built, err = s.work.prove(ctx, &c, s.moved, s.job)
		return err
	}
	s.built, err = s.work.buildPlanned(ctx, s.planned, "slim")
	return err
}

// refuseUseless refuses flags that are about slimmed images only.
func (m *moved) refuseUseless(c *rebaseCommand) error {
	any := slices.ContainsFunc(m.slimmed, func(s *slimmed) bool { return s != nil })
	if asks := len(c.profiles) > 0 || c.made != "" || c.sourceOutput != "" || c.verify; asks && !any {
		return usagef("-p, --source, --source-output and --verify are for images that pare slim made on scratch, and %s is none", m.source.ref)
	}
	if c.verify && len(m.slimmed) > 1 {
		return usagef("--verify runs an image of this machine's platform, and there are %d; choose one with --platform", len(m.slimmed))
	}
	if c.sourceOutput != "" && len(m.slimmed) > 1 {
		return usagef("--source-output takes one image, and there are %d; choose one with --platform", len(m.slimmed))
	}
	return nil
}

// writeSource writes what a slimmed image was made of, moved, where that was
// asked for: before the image that names it.
func (r *rebaser) writeSource(ctx context.Context, m *moved) error {
	if r.command.sourceOutput == "" {
		return nil
	}
	dest, err := reference.Parse(r.command.sourceOutput)
	if err != nil {
		return err
	}
	img, err := rebase.Apply(m.plans[0])
	if err != nil {
		return err
	}
	r.app.term.draw("writing " + dest.String())
	at, err := reference.Write(ctx, dest, img, nil, r.places)
	r.app.term.endProgress()
	if err == nil {
		r.app.term.note("the moved source is %s", at)
	}
	return err
}
