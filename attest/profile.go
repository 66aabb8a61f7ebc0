package attest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"

	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
)

// ProfileType is the artifactType of an attached profile.
const ProfileType = profile.MediaType

// maxProfile bounds a profile's JSON in bytes, as profile.Read does.
const maxProfile = 128 << 20

// ErrTooLarge says that a profile has more bytes than anybody would read.
var ErrTooLarge = errors.New("the profile is too large")

// Profile makes the artifact that attaches p to the image of: the canonical
// JSON of p as its one layer, the image's manifest as its subject. It depends
// on nothing else, so that the same profile attached twice is one artifact.
//
// A profile of another image, or one that does not say of which image it is,
// is a slim.ErrProfileImage; one without accesses a slim.ErrEmptyProfile.
func Profile(of v1.Image, p *profile.Profile) (v1.Image, error) {
	id, err := slim.Identify(of)
	if err != nil {
		return nil, err
	}
	if err := checkImage(p, id); err != nil {
		return nil, err
	}
	subject, err := subjectOf(of)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return nil, err
	}
	if b.Len() > maxProfile {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, b.Len(), maxProfile)
	}
	return newArtifact(ProfileType, subject, static.NewLayer(b.Bytes(), profile.MediaType), "profile.json", annotations(p))
}

// checkImage wants p to be of the image, and to say so: what is attached is
// believed by people who did not see it recorded.
func checkImage(p *profile.Profile, id slim.Identity) error {
	if p.Image.Digest == "" && p.Image.Config == "" {
		return fmt.Errorf("%w: it does not say on which image it was recorded; import it again with --image", slim.ErrProfileImage)
	}
	return slim.Check(p, id)
}

// subjectOf is the image's descriptor without what depends on where it was
// found, such as an index's annotations and platform.
func subjectOf(img v1.Image) (v1.Descriptor, error) {
	d, err := partial.Descriptor(img)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}, nil
}

// annotations are what a list of referrers shows. The time is that of the
// latest recording; a clock would make every artifact another one.
func annotations(p *profile.Profile) map[string]string {
	out := map[string]string{"io.pare.profile.paths": fmt.Sprint(len(p.Accesses))}
	if p.Image.Platform != "" {
		out["io.pare.profile.platform"] = p.Image.Platform
	}
	var latest time.Time
	for _, s := range p.Sessions {
		if s.Start.After(latest) {
			latest = s.Start
		}
	}
	if !latest.IsZero() {
		out["org.opencontainers.image.created"] = latest.UTC().Format(time.RFC3339)
	}
	return out
}
