package slim

import (
	"fmt"
	"maps"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Labels and annotations that say what an image was made of.
const (
	LabelSource  = "io.pare.source.digest"
	LabelProfile = "io.pare.profile.digest"
	LabelOptions = "io.pare.options.digest"
	LabelVersion = "io.pare.version"
)

// baseAnnotations name the image that another stands on: nothing, on scratch.
const baseAnnotations = "org.opencontainers.image.base."

// decideConfig carries the source's config over, but for what names the host
// that built it, its history, and the user.
func (pl *planner) decideConfig() error {
	src := pl.tree.Config()
	c := src.Config.DeepCopy()
	c.User = fmt.Sprintf("%d:%d", pl.plan.User.UID, pl.plan.User.GID)
	c.Hostname, c.Domainname, c.Image, c.MacAddress = "", "", "", ""
	c.AttachStdin, c.AttachStdout, c.AttachStderr = false, false, false
	made := pl.provenance()
	c.Labels = merged(c.Labels, made)
	pl.plan.Annotations = merged(pl.tree.Annotations(), made)
	pl.plan.Config = v1.ConfigFile{
		Architecture: src.Architecture, OS: src.OS, OSVersion: src.OSVersion, OSFeatures: src.OSFeatures, Variant: src.Variant,
		Author: src.Author, Created: v1.Time{Time: pl.created}, Config: *c,
	}
	return nil
}

func (pl *planner) provenance() map[string]string {
	version := pl.options.Version
	if version == "" {
		version = "unknown"
	}
	return map[string]string{
		LabelSource: pl.plan.Source.Digest, LabelProfile: pl.plan.Profile.Digest, LabelOptions: pl.plan.OptionsDigest, LabelVersion: version,
	}
}

// merged is what the source says, without what is no longer true, and what
// pare says.
func merged(source, made map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range source {
		if !strings.HasPrefix(k, baseAnnotations) {
			out[k] = v
		}
	}
	maps.Copy(out, made)
	return out
}
