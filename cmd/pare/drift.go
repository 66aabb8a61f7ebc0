package main

import (
	"fmt"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// driftText is what became of profiles of other images, a line for each.
func driftText(all []profile.Derivation) string {
	var out []string
	for _, d := range all {
		out = append(out, derivationText(d))
	}
	return strings.Join(out, "\n             ")
}

func derivationText(d profile.Derivation) string {
	from := d.From.Digest
	if from == "" {
		from = d.From.Config
	}
	if from = shortDigest(from); from == "" {
		from = "an image that is not named"
	}
	parts := []string{"recorded on " + oneLine(from)}
	if d.From.Platform != "" {
		parts[0] += " (" + oneLine(d.From.Platform) + ")"
	}
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(len(d.Mapped), "paths mapped")
	add(len(d.Gone), "gone")
	add(len(d.Appeared), "that were missing exist")
	add(len(d.Added), "new files beside touched ones")
	if len(d.Changed) > 0 {
		parts = append(parts, "packages changed: "+changedText(d.Changed))
	}
	if len(parts) == 1 {
		parts = append(parts, "nothing has changed that was touched")
	}
	return strings.Join(parts, ", ")
}

// changedText is "libssl3 3.0.11 -> 3.0.15, …".
func changedText(all []profile.PackageChange) string {
	var out []string
	for _, c := range all[:min(shown, len(all))] {
		text := printablePath(c.Name) + " " + printablePath(c.Version) + " -> "
		switch {
		case c.To == "":
			text += "gone"
		case c.To == c.Name:
			text += printablePath(c.ToVersion)
		default:
			text += printablePath(c.To) + " " + printablePath(c.ToVersion)
		}
		out = append(out, text)
	}
	return withRest(out, len(all))
}
