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
	// AnnotationLayers is how many layers the base has.
	AnnotationLayers = "io.pare.rebase.layers"

	annotationOrigin       = "io.pare.rebase.origin" // the first base's layers
	annotationOriginName   = "io.pare.rebase.origin.name"
	annotationOriginDigest = "io.pare.rebase.origin.digest"
)

// annotations are those to set on the result; "" takes one away. Docker's
// manifests have none, so they get none.
func (m *move) annotations() map[string]string {
	has := map[string]string{}
	if raw := m.app.manifest.get("annotations"); raw != nil {
		json.Unmarshal(raw, &has) //nolint:errcheck // none, then
	}
	if m.app.docker() {
		return nil
	}
	if origin := has[annotationOrigin]; origin != "" && origin == chain(m.base.diffIDs) {
		return map[string]string{
			AnnotationBaseName: has[annotationOriginName], AnnotationBaseDigest: has[annotationOriginDigest],
			AnnotationLayers: "", annotationOrigin: "", annotationOriginName: "", annotationOriginDigest: "",
		}
	}
	set := map[string]string{
		AnnotationBaseName:   cmp.Or(m.onto.Name, has[AnnotationBaseName]),
		AnnotationBaseDigest: cmp.Or(m.onto.Index, m.out.NewBase.Digest),
		AnnotationLayers:     strconv.Itoa(len(m.base.layers)),
	}
	if has[annotationOrigin] == "" {
		set[annotationOrigin] = chain(m.app.diffIDs[:m.seam])
		set[annotationOriginName], set[annotationOriginDigest] = has[AnnotationBaseName], has[AnnotationBaseDigest]
	}
	return set
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
