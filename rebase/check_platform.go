package rebase

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// FindingPlatform: the new base is for another machine. It cannot be allowed.
const FindingPlatform = "platform"

// checkPlatform wants the new base to be for the image's own platform. A
// variant that one of both does not name is no difference: old images name
// none. Operating system versions matter where they are said by both
// (Windows).
var checkPlatform = check{name: FindingPlatform, run: func(_ context.Context, s *scene) ([]Finding, error) {
	if f := comparePlatforms(s.app.Config(), s.base.Config()); f != nil {
		return []Finding{*f}, nil
	}
	return nil, nil
}}

// comparePlatforms is the finding about a base for another platform; nil when
// it is for the image's.
func comparePlatforms(app, base *v1.ConfigFile) *Finding {
	if samePlatform(base, app) {
		return nil
	}
	return &Finding{
		Name: FindingPlatform, Severity: SeverityError,
		Text: fmt.Sprintf("the image is for %s, the new base for %s", platformOf(app), platformOf(base)),
		Next: "choose a base for the image's platform",
	}
}

func samePlatform(a, b *v1.ConfigFile) bool {
	same := func(x, y string) bool { return x == y || x == "" || y == "" }
	return a.OS == b.OS && a.Architecture == b.Architecture && same(a.Variant, b.Variant) && same(a.OSVersion, b.OSVersion)
}

func platformOf(c *v1.ConfigFile) string {
	name := c.OS + "/" + c.Architecture
	if c.Variant != "" {
		name += "/" + c.Variant
	}
	if c.OSVersion != "" {
		name += ":" + c.OSVersion
	}
	return name
}
