package slim

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// What a caller or an exit code tells apart.
var (
	// ErrProfileImage says that a profile was recorded on another image or platform.
	ErrProfileImage = errors.New("the profile is of another image")
	// ErrEmptyProfile says that a profile names nothing that the image has.
	ErrEmptyProfile = errors.New("the profile names no file of the image")
	// ErrRules says that an option, pattern or rules file cannot be understood.
	ErrRules = errors.New("invalid rule")
	// ErrFindings says that the plan has findings that forbid building.
	ErrFindings = errors.New("the plan has findings that must be resolved or allowed")
)

// Granularities.
const (
	GranularityAuto    = "auto"    // application directories and language packages whole, OS packages by file plus groups
	GranularityFile    = "file"    // by file plus groups
	GranularityPackage = "package" // OS packages whole, with what they depend on
)

// Layer modes.
const (
	LayersPreserve = "preserve" // an output layer for each source layer
	LayersSquash   = "squash"   // one output layer, above a base's
)

// Options is what a user can ask of a slim; the zero value is good. It is
// recorded in the plan, and its digest in the image.
type Options struct {
	Granularity string             `json:"granularity,omitempty"` // "" is auto
	Layers      string             `json:"layers,omitempty"`      // "" is preserve
	Reach       string             `json:"reach,omitempty"`       // "" is report
	User        string             `json:"user,omitempty"`        // "UID:GID"; "" decides by profile
	Keep        []string           `json:"keep,omitempty"`        // patterns, gitignore syntax
	Drop        []string           `json:"drop,omitempty"`        // likewise; wins over keep
	Own         []string           `json:"own,omitempty"`         // paths given to the user, with all below
	Rules       string             `json:"rules,omitempty"`       // content of a rules file
	Groups      []string           `json:"groups,omitempty"`      // groups to keep by name
	Compression layers.Compression `json:"compression,omitempty"` // "" is gzip
	Allow       []string           `json:"allow,omitempty"`       // findings overridden, by name
	Base        *Base              `json:"base,omitempty"`        // nil is scratch
	Prefer      string             `json:"prefer,omitempty"`      // PreferSource or PreferBase; "" makes conflicts findings
	// SourceDateEpoch (seconds) is the image's creation time; nil takes the source's.
	SourceDateEpoch *int64 `json:"sourceDateEpoch,omitempty"`
	// Version of pare, recorded in the image.
	Version string `json:"version,omitempty"`
	// Origin is recorded in the image, and decides nothing.
	Origin Origin `json:"origin,omitzero"`
}

// Origin is where to begin when the image is to be made again.
type Origin struct {
	// Source is the digest of the image of which the source is a rebase; "" if
	// it is none.
	Source string `json:"source,omitempty"`
	// Base is the digest of what the source was moved to.
	Base string `json:"base,omitempty"`
	// Profiles are the digests of the profiles, as they were recorded, that
	// were carried over to the source; none if the profile is the source's own.
	Profiles []string `json:"profiles,omitempty"`
}

// maxEpoch is the last second that JSON's form of a time can say (RFC 3339).
const maxEpoch = 253402300799

// withDefaults checks the options and makes defaults explicit.
func (o Options) withDefaults() (Options, error) {
	if o.Granularity == "" {
		o.Granularity = GranularityAuto
	}
	if o.Layers == "" {
		o.Layers = LayersPreserve
	}
	if o.Reach == "" {
		o.Reach = ReachReport
	}
	if o.Compression == "" {
		o.Compression = layers.Gzip
	}
	if !slices.Contains([]string{GranularityAuto, GranularityFile, GranularityPackage}, o.Granularity) {
		return o, fmt.Errorf("%w: granularity %q; known are auto, file, package", ErrRules, o.Granularity)
	}
	if !slices.Contains([]string{LayersPreserve, LayersSquash}, o.Layers) {
		return o, fmt.Errorf("%w: layers %q; known are preserve, squash", ErrRules, o.Layers)
	}
	if !slices.Contains([]string{ReachReport, ReachKeep}, o.Reach) {
		return o, fmt.Errorf("%w: reach %q; known are report, keep", ErrRules, o.Reach)
	}
	if known := []layers.Compression{layers.Gzip, layers.Zstd, layers.Uncompressed, layers.EStargz}; !slices.Contains(known, o.Compression) {
		return o, fmt.Errorf("%w: compression %q; known are gzip, zstd, none, estargz", ErrRules, string(o.Compression))
	}
	if t := o.SourceDateEpoch; t != nil && (*t < 0 || *t > maxEpoch) {
		return o, fmt.Errorf("%w: creation time %d; want seconds from 1970 to the year 9999", ErrRules, *t)
	}
	if !slices.Contains([]string{"", PreferSource, PreferBase}, o.Prefer) {
		return o, fmt.Errorf("%w: prefer %q; known are source, base", ErrRules, o.Prefer)
	}
	for _, text := range slices.Concat(o.Keep, o.Drop, o.Own, []string{o.Rules}) {
		if !utf8.ValidString(text) { // the plan could not record it
			return o, fmt.Errorf("%w: %q is not UTF-8; write ? for a byte that is not", ErrRules, text)
		}
	}
	for _, g := range o.Groups {
		if !slices.Contains(GroupNames(), g) {
			return o, fmt.Errorf("%w: unknown group %q; known are %s", ErrRules, g, strings.Join(GroupNames(), ", "))
		}
	}
	for _, a := range o.Allow {
		if next, ok := notAllowed[a]; ok {
			return o, fmt.Errorf("%w: the finding %s cannot be allowed: %s", ErrRules, a, next)
		}
		if !slices.Contains(findingNames, a) {
			return o, fmt.Errorf("%w: unknown finding %q; known are %s", ErrRules, a, strings.Join(findingNames, ", "))
		}
	}
	return o, nil
}

// Check says what is wrong with the options, as far as that can be told
// without an image; the error is an ErrRules.
func (o Options) Check() error {
	if _, err := parsePatterns(o); err != nil {
		return err
	}
	if o.User != "" {
		if _, err := parseUser(o.User, accounts{}, true); err != nil {
			return err
		}
	}
	_, err := o.withDefaults()
	return err
}

// recorded is what a plan says of the options.
func (o Options) recorded() Options {
	o.Base = o.Base.recorded()
	return o
}

// digest identifies the options: "sha256:…" of their JSON with defaults made
// explicit. The version and the origin are recorded apart.
func (o Options) digest() string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(o.text()))) }

// text is what the digest is of.
func (o Options) text() string {
	o.Version, o.Origin = "", Origin{}
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return string(b)
}

// Check refuses a profile of another image or platform (ErrProfileImage) and
// one without any access (ErrEmptyProfile).
func Check(p *profile.Profile, id Identity) error {
	if len(p.Accesses) == 0 {
		return fmt.Errorf("%w: it has no accesses; record the image while it does its work", ErrEmptyProfile)
	}
	if p.Image.Platform != "" && id.Platform != "" && !samePlatform(p.Image.Platform, id.Platform) {
		return fmt.Errorf("%w: recorded on %s, this is %s; choose with --platform, or record this one", ErrProfileImage, p.Image.Platform, id.Platform)
	}
	recorded, is := p.Image.Config, id.Config.String()
	if recorded == "" {
		recorded, is = p.Image.Digest, id.Digest.String()
	}
	if recorded != "" && recorded != is {
		return fmt.Errorf("%w: recorded on %s, this is %s; record this image, or slim the one recorded", ErrProfileImage, recorded, is)
	}
	return nil
}

// Identity is what a profile's image is told by.
type Identity struct {
	Digest   v1.Hash // of the manifest
	Config   v1.Hash // of the config
	Platform string  // os/arch[/variant]
}

// Identify reads an image's identity.
func Identify(img v1.Image) (Identity, error) {
	var id Identity
	var err error
	if id.Digest, err = img.Digest(); err != nil {
		return id, err
	}
	if id.Config, err = img.ConfigName(); err != nil {
		return id, err
	}
	c, err := img.ConfigFile()
	if err != nil {
		return id, err
	}
	id.Platform = platformName(c.Platform())
	return id, nil
}

// Image is the identity as a profile records it.
func (id Identity) Image() profile.Image {
	return profile.Image{Digest: id.Digest.String(), Config: id.Config.String(), Platform: id.Platform}
}

// samePlatform allows for a variant that one side does not say.
func samePlatform(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

// platformName is os/arch[/variant].
func platformName(p *v1.Platform) string {
	if p == nil || p.OS == "" && p.Architecture == "" {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}
