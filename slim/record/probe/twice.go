package probe

import (
	"context"
	"slices"

	"github.com/pare-image/pare/slim/profile"
)

// The fields of an answer, by JSON name.
const (
	fieldError       = "error"
	fieldStatus      = "status"
	fieldContentType = "contentType"
	fieldExitCode    = "exitCode"
	fieldDigest      = "digest"
	fieldSize        = "size"
)

// AskTwice asks all questions in order, then all again, and returns them with
// the first answers; what differed the second time is volatile. A POST is
// asked twice like the rest: a second "already exists" is part of what the
// workload does, and makes that answer's status volatile. each, when not nil,
// is called before each question with how many were asked before, of how
// many. The error is that of ctx.
func AskTwice(ctx context.Context, t Target, probes []profile.Probe, o Options, each func(done, of int, p profile.Probe)) ([]profile.Probe, error) {
	out := slices.Clone(probes)
	for i := range 2 * len(out) {
		p := &out[i%len(out)]
		if each != nil {
			each(i, 2*len(out), *p)
		}
		a := Ask(ctx, t, *p, o)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i < len(out) {
			p.Answer = a
		} else {
			p.Answer.Volatile = volatile(p.Answer, a)
		}
	}
	return out, nil
}

// volatile names the fields that differ, and those that either answer says
// are volatile in themselves.
func volatile(a, b profile.Answer) []string {
	names := slices.Concat(a.Volatile, b.Volatile)
	for _, f := range []struct {
		name string
		same bool
	}{
		{fieldContentType, a.ContentType == b.ContentType},
		{fieldDigest, a.Digest == b.Digest},
		{fieldError, (a.Error == "") == (b.Error == "")},
		{fieldExitCode, a.ExitCode == b.ExitCode},
		{fieldSize, a.Size == b.Size},
		{fieldStatus, a.Status == b.Status},
	} {
		if !f.same {
			names = append(names, f.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
