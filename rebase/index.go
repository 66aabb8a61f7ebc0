package rebase

import (
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Replaced is an image of an index, and what is in its place.
type Replaced struct {
	From v1.Descriptor
	To   v1.Descriptor // its media type, size and digest count
	Base Subject       // what To stands on
}

// ReplaceImages is the manifest of an index with other images in the places of
// those that it has, and all else to the byte. What it names besides is left
// out: attestations are about images that there were. Where annotations name a
// base, they name the new one.
func ReplaceImages(raw []byte, all []Replaced) ([]byte, error) {
	index, err := parseDocument(raw, "")
	if err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	left, err := index.list("manifests")
	if err != nil {
		return nil, err
	}
	var out []json.RawMessage
	for _, r := range all {
		from, err := json.Marshal(r.From) // as it is in an index of the index
		if err != nil {
			return nil, err
		}
		if at := slices.IndexFunc(left, func(raw json.RawMessage) bool { return sameBlob(raw, from) }); at >= 0 {
			from = left[at]
			left = slices.Delete(left, at, at+1)
		}
		to, err := r.replace(from)
		if err != nil {
			return nil, fmt.Errorf("reading the index: %w", err)
		}
		out = append(out, to)
	}
	if err := index.set("manifests", nonNil(out), nil); err != nil {
		return nil, err
	}
	if len(all) > 0 {
		err = index.nameBase(all[0].Base)
	}
	return index.bytes(), err
}

// replace is the descriptor with another image's media type, size and digest.
func (r *Replaced) replace(from json.RawMessage) (json.RawMessage, error) {
	d, err := parseDocument(compacted(from), "")
	if err != nil {
		return nil, err
	}
	d.remove("data") // the old image, if it was embedded
	for _, x := range []struct {
		key string
		v   any
	}{{"mediaType", r.To.MediaType}, {"size", r.To.Size}, {"digest", r.To.Digest.String()}} {
		if err := d.set(x.key, x.v, nil); err != nil {
			return nil, err
		}
	}
	err = d.nameBase(r.Base)
	return d.bytes(), err
}

// nameBase has annotations name a base, if they name one.
func (d *document) nameBase(base Subject) error {
	all, err := d.child("annotations")
	if err != nil {
		return err
	}
	for key, value := range map[string]string{AnnotationBaseName: base.Name, AnnotationBaseDigest: base.Digest} {
		if all.get(key) == nil {
			continue
		}
		if err := all.set(key, value, nil); err != nil {
			return err
		}
		if err := d.setChild("annotations", all, nil); err != nil {
			return err
		}
	}
	return nil
}
