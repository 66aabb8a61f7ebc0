package probe

import (
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/slim/profile"
)

// Health is an image's HEALTHCHECK with the defaults that Docker has
// (https://docs.docker.com/reference/dockerfile/#healthcheck).
type Health struct {
	Argv        []string
	Interval    time.Duration // between checks
	Timeout     time.Duration // of one check
	StartPeriod time.Duration // in which failures do not count
	Retries     int           // failures in a row that mean unhealthy
}

// HealthOf reads the HEALTHCHECK of an image's config; nil if there is none.
func HealthOf(c v1.Config) (*Health, error) {
	if c.Healthcheck == nil || len(c.Healthcheck.Test) == 0 || c.Healthcheck.Test[0] == "NONE" {
		return nil, nil
	}
	t := c.Healthcheck.Test
	h := &Health{
		Interval: ifZero(c.Healthcheck.Interval, 30*time.Second), Timeout: ifZero(c.Healthcheck.Timeout, 30*time.Second),
		StartPeriod: c.Healthcheck.StartPeriod, Retries: ifZero(c.Healthcheck.Retries, 3),
	}
	switch {
	case t[0] == "CMD" && len(t) > 1:
		h.Argv = slices.Clone(t[1:])
	case t[0] == "CMD-SHELL" && len(t) == 2:
		shell := c.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		h.Argv = append(slices.Clone(shell), t[1])
	default:
		return nil, fmt.Errorf("reading the image's HEALTHCHECK: %s with %d words is neither NONE, CMD WORD... nor CMD-SHELL LINE", shown(t[0]), len(t)-1)
	}
	if h.Interval < 0 || h.Timeout < 0 || h.StartPeriod < 0 || h.Retries < 0 {
		return nil, fmt.Errorf("reading the image's HEALTHCHECK: a negative interval, timeout, start period or number of retries")
	}
	return h, nil
}

// Probe is the health check as a question.
func (h *Health) Probe() profile.Probe {
	return profile.Probe{Kind: profile.ProbeHealth, Argv: h.Argv}
}
