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

// Labels from which an image can be made again, see [ReadProvenance].
const (
	LabelOptionsText    = "io.pare.options"
	LabelOriginSource   = "io.pare.origin.source.digest"
	LabelOriginBase     = "io.pare.origin.base.digest"
	LabelOriginProfiles = "io.pare.origin.profile.digests"
)

// maxOptionsText bounds a label: an engine shows all of them to whoever
// inspects an image. Longer options, those of a large rules file, are not
// recorded.
const maxOptionsText = 64 << 10

// What a source says of itself and is not true of what is made of it:
// baseAnnotations name the image that it stands on, ownAnnotations tell what
// pare did to it.
const (
	baseAnnotations = "org.opencontainers.image.base."
	ownAnnotations  = "io.pare."
)

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
	maps.Copy(pl.plan.Annotations, pl.base.annotations())
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
	out := map[string]string{
		LabelSource: pl.plan.Source.Digest, LabelProfile: pl.plan.Profile.Digest, LabelOptions: pl.plan.OptionsDigest, LabelVersion: version,
	}
	o := pl.plan.Options
	if text := o.text(); len(text) <= maxOptionsText {
		out[LabelOptionsText] = text
	}
	for label, digests := range map[string][]string{
		LabelOriginSource: given(o.Origin.Source), LabelOriginBase: given(o.Origin.Base), LabelOriginProfiles: o.Origin.Profiles,
	} {
		if len(digests) > 0 {
			out[label] = strings.Join(digests, " ")
		}
	}
	return out
}

// merged is what the source says, without what is no longer true, and what
// pare says.
func merged(source, made map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range source {
		if !strings.HasPrefix(k, baseAnnotations) && !strings.HasPrefix(k, ownAnnotations) {
			out[k] = v
		}
	}
	maps.Copy(out, made)
	return out
}
