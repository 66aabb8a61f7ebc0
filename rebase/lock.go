package rebase

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Lock is the file pare.lock: bases by name, platform and digest, with what
// is needed of each to find it in images and to move them off it, long after
// its registry has let it go.
type Lock struct {
	SchemaVersion int    `json:"schemaVersion"`
	Kind          string `json:"kind"` // "pare.lock"
	Bases         []Base `json:"bases"`
}

const (
	lockKind    = "pare.lock"
	lockVersion = 1
	// maxLock bounds the file: some 30,000 bases.
	maxLock = 256 << 20
)

// ErrLock says that a document is no lock file of a known version.
var ErrLock = errors.New("invalid lock file")

// ReadLock reads what Write wrote.
func ReadLock(r io.Reader) (*Lock, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxLock+1))
	if err != nil {
		return nil, fmt.Errorf("reading lock file: %w", err)
	}
	if len(b) > maxLock {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrLock, maxLock)
	}
	var l Lock
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrLock, err)
	}
	if l.Kind != lockKind || l.SchemaVersion < 1 || l.SchemaVersion > lockVersion {
		return nil, fmt.Errorf("%w: kind %q, schema version %d; this pare reads %s up to version %d", ErrLock, l.Kind, l.SchemaVersion, lockKind, lockVersion)
	}
	for i, base := range l.Bases {
		if err := base.check(); err != nil {
			return nil, fmt.Errorf("%w: base %d: %w", ErrLock, i, err)
		}
	}
	return &l, nil
}

func (b *Base) check() error {
	for _, d := range slices.Concat(b.DiffIDs, []string{cmp.Or(b.Digest, b.Index)}) {
		if d == "" {
			continue
		}
		if _, err := v1.NewHash(d); err != nil {
			return err
		}
	}
	if len(b.DiffIDs) == 0 {
		return errors.New("no diffIDs")
	}
	return nil
}

// Add puts bases in. One that is there already, by digest and platform, is
// replaced.
func (l *Lock) Add(bases ...Base) {
	for _, b := range bases {
		same := func(have Base) bool {
			return have.Name == b.Name && have.Digest == b.Digest && have.Platform == b.Platform && slices.Equal(have.DiffIDs, b.DiffIDs)
		}
		l.Bases = append(slices.DeleteFunc(l.Bases, same), b)
	}
	slices.SortStableFunc(l.Bases, func(a, b Base) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Digest, b.Digest), slices.Compare(a.DiffIDs, b.DiffIDs))
	})
}

// Write writes the lock file as JSON: same bases, same bytes.
func (l *Lock) Write(w io.Writer) error {
	l.SchemaVersion, l.Kind = lockVersion, lockKind
	if l.Bases == nil {
		l.Bases = []Base{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(l); err != nil {
		return fmt.Errorf("writing lock file: %w", err)
	}
	return nil
}
