package rebase

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
)

// FindingPlatform: the new base is for another machine. It cannot be allowed.
const FindingPlatform = "platform"

// checkPlatform wants the new base to be for the image's own platform.
var checkPlatform = check{name: FindingPlatform, run: func(_ context.Context, s *scene) ([]Finding, error) {
	if f := comparePlatforms(s.app.Config(), s.base.Config()); f != nil {
		return []Finding{*f}, nil
	}
	return nil, nil
}}

// comparePlatforms is the finding about a base for another platform; nil when
// it is for the image's.
func comparePlatforms(app, base *v1.ConfigFile) *Finding {
	if layers.SamePlatform(base, app) {
		return nil
	}
	return &Finding{
		Name: FindingPlatform, Severity: SeverityError,
		Text: fmt.Sprintf("the image is for %s, the new base for %s", layers.PlatformName(app), layers.PlatformName(base)),
		Next: "choose a base for the image's platform",
	}
}
