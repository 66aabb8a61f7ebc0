// Package reference opens and writes images by the names that people give
// them (containers-transports(5)):
//
//	[docker://]HOST/REPO:TAG   a registry
//	oci:DIR[:TAG]              an OCI layout
//	oci-archive:FILE[:TAG]     an OCI layout in a tar
//	docker-archive:FILE[:REF]  what `docker save` writes
//	docker-daemon:REF          an image of the Docker Engine
//
// "@sha256:…" after any of them names an image by its manifest's digest (for
// docker-daemon, "docker-daemon:sha256:…" by its ID).
//
// What is read is untrusted: sizes are bounded before anything is read,
// digests are verified, no name leads out of a layout. What is written
// appears whole or not at all.
package reference

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Kind is where a reference leads.
type Kind string

// The kinds, by their prefixes.
const (
	Registry      Kind = "docker"
	OCI           Kind = "oci"
	OCIArchive    Kind = "oci-archive"
	DockerArchive Kind = "docker-archive"
	DockerDaemon  Kind = "docker-daemon"
)

// What a caller or an exit code tells apart.
var (
	// ErrSyntax says that a text is no reference.
	ErrSyntax = errors.New("invalid reference")
	// ErrNotFound says that a place does not hold what a reference names.
	ErrNotFound = errors.New("no such image")
	// ErrFormat says that a place holds something of another form.
	ErrFormat = errors.New("not what the reference says")
	// ErrDestination says that a place cannot take what was to be written.
	ErrDestination = errors.New("cannot write there")
)

// Ref names an image.
type Ref struct {
	Kind Kind
	// Path is the layout's directory or the archive's file.
	Path string
	// Name is the registry's reference, the tag in a layout, or what the
	// Docker Engine calls the image.
	Name string
	// Digest is set when "@sha256:…" was given for a layout or an archive.
	Digest v1.Hash
}

// HoldsIndex says whether such a place can hold more than one platform.
func (r Ref) HoldsIndex() bool { return r.Kind != DockerArchive && r.Kind != DockerDaemon }

// String is the reference as it can be given again.
func (r Ref) String() string {
	switch r.Kind {
	case Registry:
		return r.Name
	case DockerDaemon:
		return string(r.Kind) + ":" + r.Name
	}
	s := string(r.Kind) + ":" + r.Path
	if r.Name != "" {
		s += ":" + r.Name
	}
	if r.Digest != (v1.Hash{}) {
		s += "@" + r.Digest.String()
	}
	return s
}

// Parse reads a reference; the error is an ErrSyntax.
func Parse(text string) (Ref, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Ref{}, syntax(text, "control characters")
	}
	kind, rest, ok := strings.Cut(text, ":")
	switch k := Kind(kind); {
	case ok && k == Registry:
		rest, ok = strings.CutPrefix(rest, "//")
		if !ok {
			return Ref{}, syntax(text, "want docker://HOST/REPO:TAG")
		}
		return parseRegistry(text, rest)
	case ok && (k == OCI || k == OCIArchive || k == DockerArchive):
		return parsePath(text, k, rest)
	case ok && k == DockerDaemon:
		return parseDaemon(text, rest)
	}
	if looksLikePath.MatchString(text) {
		return Ref{}, syntax(text, "for a file or directory say what it is: oci:DIR, oci-archive:FILE or docker-archive:FILE")
	}
	return parseRegistry(text, text)
}

// looksLikePath matches paths, and unknown prefixes before paths.
var looksLikePath = regexp.MustCompile(`^([a-z-]+:)?(/|\./|\.\./)`)

func syntax(text, why string) error {
	return fmt.Errorf("%w %s: %s", ErrSyntax, strconv.Quote(text), why)
}

func parseRegistry(text, ref string) (Ref, error) {
	if _, err := name.ParseReference(ref); err != nil {
		return Ref{}, syntax(text, err.Error())
	}
	return Ref{Kind: Registry, Name: ref}, nil
}

// digestSuffix is cut off before the name: a path may hold an "@".
var digestSuffix = regexp.MustCompile(`@(sha256:[0-9a-f]{64})$`)

func parsePath(text string, k Kind, rest string) (Ref, error) {
	r := Ref{Kind: k}
	if m := digestSuffix.FindStringSubmatch(rest); m != nil {
		h, err := v1.NewHash(m[1])
		if err != nil {
			return Ref{}, syntax(text, err.Error())
		}
		r.Digest = h
		rest = strings.TrimSuffix(rest, m[0])
	}
	r.Path, r.Name, _ = strings.Cut(rest, ":")
	if r.Path == "" {
		return Ref{}, syntax(text, "a path is missing")
	}
	if r.Name == "" {
		return r, nil
	}
	if k != DockerArchive {
		if !tagText.MatchString(r.Name) {
			return Ref{}, syntax(text, "a tag of letters, digits and -._:@/+")
		}
		return r, nil
	}
	tag, err := dockerName(r.Name)
	if err != nil {
		return Ref{}, syntax(text, err.Error())
	}
	r.Name = tag
	return r, nil
}

// tagText is org.opencontainers.image.ref.name (image-spec annotations.md),
// a little wider.
var tagText = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9._:@/+]*$`)

var imageID = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func parseDaemon(text, rest string) (Ref, error) {
	if imageID.MatchString(rest) {
		return Ref{Kind: DockerDaemon, Name: rest}, nil
	}
	tag, err := dockerName(rest)
	if err != nil {
		return Ref{}, syntax(text, err.Error())
	}
	return Ref{Kind: DockerDaemon, Name: tag}, nil
}

// dockerName is the name in the form that `docker images` shows, with its tag.
func dockerName(text string) (string, error) {
	t, err := name.NewTag(text, name.WithDefaultRegistry(""))
	if err != nil {
		return "", err
	}
	repo := t.RepositoryStr()
	if host := t.RegistryStr(); host != "" && host != name.DefaultRegistry {
		repo = host + "/" + repo
	}
	return strings.TrimPrefix(repo, "library/") + ":" + t.TagStr(), nil
}
