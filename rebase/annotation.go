package rebase

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Annotations about an image's base: those of the image-spec (annotations.md),
// and pare's own about where it stood at first, by which a way back ends at
// the digest that it began with.
const (
	AnnotationBaseName   = "org.opencontainers.image.base.name"
	AnnotationBaseDigest = "org.opencontainers.image.base.digest"
	// AnnotationLayers is how many layers the base has; see [NotedLayers].
	AnnotationLayers = "io.pare.rebase.layers"

	// annotationOf names the layers of the image that pare's annotations were
	// written for: builders hand annotations on to what is built on an image.
	annotationOf           = "io.pare.rebase.of"
	annotationOrigin       = "io.pare.rebase.origin" // the first base's layers
	annotationOriginName   = "io.pare.rebase.origin.name"
	annotationOriginDigest = "io.pare.rebase.origin.digest"
)

// NotedLayers is how many of an image's layers its base has, as an earlier
// move has noted it; 0 when none has, or when the image has other layers since.
func NotedLayers(c *v1.ConfigFile, annotations map[string]string) int {
	var ids []json.RawMessage
	for _, id := range c.RootFS.DiffIDs {
		ids = append(ids, json.RawMessage(quote(id.String())))
	}
	n, err := strconv.Atoi(annotations[AnnotationLayers])
	if err != nil || n < 0 || n > len(ids) || annotations[annotationOf] != chain(ids) {
		return 0
	}
	return n
}

// annotations are those to set on the result, which has layers of the given
// diffIDs; "" takes one away. Docker's manifests have none, so they get none.
func (m *move) annotations(ids []json.RawMessage) map[string]string {
	has := m.app.annotations()
	if m.app.docker() {
		return nil
	}
	if m.origin() == chain(m.base.diffIDs) {
		return map[string]string{
			AnnotationBaseName: has[annotationOriginName], AnnotationBaseDigest: has[annotationOriginDigest],
			AnnotationLayers: "", annotationOf: "", annotationOrigin: "", annotationOriginName: "", annotationOriginDigest: "",
		}
	}
	set := map[string]string{
		AnnotationBaseName:   cmp.Or(m.onto.Name, has[AnnotationBaseName]),
		AnnotationBaseDigest: cmp.Or(m.onto.Index, m.out.NewBase.Digest),
		AnnotationLayers:     strconv.Itoa(len(m.base.layers)),
		annotationOf:         chain(ids),
	}
	if m.origin() == "" {
		set[annotationOrigin] = chain(m.app.diffIDs[:m.seam])
		set[annotationOriginName], set[annotationOriginDigest] = has[AnnotationBaseName], has[AnnotationBaseDigest]
	}
	return set
}

// origin names the layers of the base that the image's own were made on; ""
// when it was never moved, or has other layers since.
func (m *move) origin() string {
	has := m.app.annotations()
	if has[annotationOf] != chain(m.app.diffIDs) {
		return ""
	}
	return has[annotationOrigin]
}

// annotations are those of the image's manifest.
func (s *source) annotations() map[string]string {
	has := map[string]string{}
	if raw := s.manifest.get("annotations"); raw != nil {
		json.Unmarshal(raw, &has) //nolint:errcheck // none, then
	}
	return has
}

// goesHome says whether the new base is the one that the image's upper layers
// were made on: then they are what it was, and nothing is to be repaired. Of
// what they have in common with the base that they come from it could not be
// told any more whose it is.
func (m *move) goesHome() bool {
	return m.origin() == chain(m.base.diffIDs) && !m.options.DropShadow && m.options.Hold == nil
}

// chain names a list of layers: the digest of their diffIDs.
func chain(ids []json.RawMessage) string {
	var all strings.Builder
	for _, id := range ids {
		all.WriteString(canonical(id) + "\n")
	}
	h, _, _ := v1.SHA256(strings.NewReader(all.String())) //nolint:errcheck // a string is read
	return h.String()
}
