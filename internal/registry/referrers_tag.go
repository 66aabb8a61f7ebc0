package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Where a registry keeps no list of referrers, its clients do, in an index
// under the tag "sha256-…" (distribution-spec, "Referrers Tag Schema"). Two of
// them at once can lose what the other wrote: each reads, adds and writes. So:
//
//   - The write is conditional (If-Match) where the registry gives ETags;
//     some that do heed no condition, and nothing tells which.
//   - After a write we wait for longer than others take from reading to
//     writing, read again, and begin anew when something of ours is gone.
//
// Whatever else stands in the index stays as it was.

// tagRounds bounds how often we begin anew.
const tagRounds = 10

// errTagTaken says that the tag names something else than a list.
var errTagTaken = errors.New("the tag that would hold the list names something else; no referrers can be listed in this registry until it is deleted")

// tagOf is the tag that lists what refers to subject.
func tagOf(subject v1.Hash) string { return subject.Algorithm + "-" + subject.Hex }

// tagIndex is the index under the tag, with the fields and entries that
// others put there.
type tagIndex struct {
	file    map[string]json.RawMessage
	entries []json.RawMessage
	etag    string // strong; "" when the registry gives none
	exists  bool
}

func (t *tagIndex) descriptors() []v1.Descriptor { return inOrder(descriptors(t.entries)) }

// readTag reads the list; one that is not there is empty.
func (r *repository) readTag(ctx context.Context, subject v1.Hash) (*tagIndex, error) {
	// Asking for all kinds, because the one that a registry does not want to
	// show could be overwritten for not being there.
	resp, err := r.get(ctx, http.MethodGet, r.url("manifests", tagOf(subject)),
		[]types.MediaType{types.OCIImageIndex, types.OCIManifestSchema1, types.DockerManifestList, types.DockerManifestSchema2},
		http.StatusOK, http.StatusNotFound)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	t := &tagIndex{file: map[string]json.RawMessage{
		"schemaVersion": json.RawMessage("2"), "mediaType": json.RawMessage(`"` + string(types.OCIImageIndex) + `"`),
	}}
	if resp.StatusCode == http.StatusNotFound {
		return t, nil
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if types.MediaType(media) != types.OCIImageIndex {
		return nil, fmt.Errorf("%s: %w", tagOf(subject), errTagTaken)
	}
	b, err := io.ReadAll(resp.Body) // whole has bounded it
	if err != nil {
		return nil, err
	}
	t.exists = true
	if etag := resp.Header.Get("ETag"); strings.HasPrefix(etag, `"`) {
		t.etag = etag
	}
	if err := json.Unmarshal(b, &t.file); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", tagOf(subject), err)
	}
	if err := json.Unmarshal(t.file["manifests"], &t.entries); t.file["manifests"] != nil && err != nil {
		return nil, fmt.Errorf("parsing %s: %w", tagOf(subject), err)
	}
	return t, nil
}

// with is the index with more entries, by digest, so that it does not matter
// who was first.
func (t *tagIndex) with(add []v1.Descriptor) ([]byte, error) {
	type entry struct {
		digest string
		raw    json.RawMessage
	}
	var all []entry
	for _, raw := range t.entries {
		var d struct {
			Digest string `json:"digest"`
		}
		if err := json.Unmarshal(raw, &d); err != nil {
			return nil, fmt.Errorf("parsing an entry of the list: %w", err)
		}
		all = append(all, entry{d.Digest, raw})
	}
	for _, d := range add {
		raw, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		all = append(all, entry{d.Digest.String(), raw})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.digest, b.digest) })
	raws := []json.RawMessage{}
	for _, e := range all {
		raws = append(raws, e.raw)
	}
	var err error
	if t.file["manifests"], err = json.Marshal(raws); err != nil {
		return nil, err
	}
	b, err := json.Marshal(t.file)
	if err == nil && len(b) > maxManifest {
		err = errTooLarge
	}
	return b, err
}

// addToTag adds to the list what is not in it, and stays until that is seen
// there.
func (r *repository) addToTag(ctx context.Context, subject v1.Hash, add []v1.Descriptor) error {
	refused := "" // a condition that did not hold
	for range tagRounds {
		t, err := r.readTag(ctx, subject)
		if err != nil {
			return err
		}
		lacking := missing(t.descriptors(), add)
		if len(lacking) == 0 {
			return nil
		}
		header, value := t.condition()
		when := http.Header{}
		if value != "" && header+value != refused { // what was refused, though nothing has changed, is of no use
			when.Set(header, value)
		}
		refused = ""
		err = r.writeTag(ctx, subject, t, lacking, when)
		var se *StatusError
		switch {
		case errors.As(err, &se) && se.Status == http.StatusPreconditionFailed:
			refused = header + value
		case err != nil:
			return err
		}
		if err := r.timing.sleep(ctx, r.settle()); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %s was overwritten %d times; try again later", ErrContended, tagOf(subject), tagRounds)
}

// condition is the header by which a write succeeds only on what was read;
// value is "" when there is none.
func (t *tagIndex) condition() (header, value string) {
	if !t.exists {
		return "If-None-Match", "*"
	}
	return "If-Match", t.etag
}

// settle is how long others may take from reading to writing, and a little
// more, by chance, so that two who began together do not stay together.
func (r *repository) settle() time.Duration { return r.timing.settle + rand.N(r.timing.settle+1) }

// writeTag writes the list. Registries refuse one that names a manifest which
// was deleted; such entries are then taken out.
func (r *repository) writeTag(ctx context.Context, subject v1.Hash, t *tagIndex, add []v1.Descriptor, when http.Header) error {
	for pruned := false; ; pruned = true {
		raw, err := t.with(add)
		if err != nil {
			return err
		}
		_, err = r.put(ctx, tagOf(subject), types.OCIImageIndex, raw, when)
		var se *StatusError
		if pruned || !errors.As(err, &se) || se.Status != http.StatusBadRequest && se.Status != http.StatusNotFound {
			return err
		}
		dropped, perr := r.prune(ctx, t)
		if perr != nil || !dropped {
			return err
		}
	}
}

// prune takes out entries whose manifests are gone.
func (r *repository) prune(ctx context.Context, t *tagIndex) (bool, error) {
	before := len(t.entries)
	var failed error
	t.entries = slices.DeleteFunc(t.entries, func(raw json.RawMessage) bool {
		var d v1.Descriptor
		if failed != nil || json.Unmarshal(raw, &d) != nil {
			return false
		}
		resp, err := r.get(ctx, http.MethodHead, r.url("manifests", d.Digest.String()), []types.MediaType{d.MediaType}, http.StatusOK, http.StatusNotFound)
		if err != nil {
			failed = err
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusNotFound
	})
	return len(t.entries) < before, failed
}
