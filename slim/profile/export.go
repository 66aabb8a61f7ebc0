package profile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Prefetched is a file whose content was read.
type Prefetched struct {
	Path  string // absolute
	Layer int    // index of the layer that holds it, from 0; -1 unknown
}

// Prefetch are the files that were opened or executed and existed, in order
// of first access (those of one millisecond by path), each once: after links
// where the recorder knew, else as asked for.
func (p *Profile) Prefetch() []Prefetched {
	var read []*Access
	for i := range p.Accesses {
		if a := &p.Accesses[i]; a.Exists && a.Has(Open, Exec) {
			read = append(read, a)
		}
	}
	slices.SortStableFunc(read, func(a, b *Access) int {
		return cmp.Or(cmp.Compare(a.FirstMS, b.FirstMS), cmp.Compare(a.Path, b.Path))
	})
	seen := map[string]bool{}
	var out []Prefetched
	for _, a := range read {
		if file := cmp.Or(a.Resolved, a.Path); !seen[file] {
			seen[file] = true
			out = append(out, Prefetched{file, -1})
		}
	}
	return out
}

// WriteCtrRemote writes the record lines that `ctr-remote convert
// --estargz-record-in` and nerdctl's flags of that name read
// (readPathsFromRecordFile of cmd/ctr-remote/commands/convert.go of
// containerd/stargz-snapshotter, commit 06fa832, and of nerdctl: the path
// alone is needed, and paths that a layer lacks are no error). manifest is the image's digest, ""
// unknown. It returns how many files were left out because JSON cannot hold
// their names.
func WriteCtrRemote(w io.Writer, manifest string, files []Prefetched) (left int, err error) {
	var b bytes.Buffer
	for _, f := range files {
		if !utf8.ValidString(f.Path) {
			left++
			continue
		}
		e := ctrRemoteEntry{Path: strings.TrimPrefix(f.Path, "/"), ManifestDigest: manifest}
		if f.Layer >= 0 {
			e.LayerIndex = &f.Layer
		}
		line, err := encode(e, "")
		if err != nil {
			return left, fmt.Errorf("writing record: %w", err)
		}
		b.Write(line)
	}
	_, err = w.Write(b.Bytes())
	return left, err
}

// WriteSOCI writes the JSON array of absolute paths that `soci create` and
// `soci convert` take with --prefetch-files-json
// (cmd/soci/commands/internal/prefetch.go of awslabs/soci-snapshotter, commit
// 01c7995). soci trims blanks around names, so files with such names are left
// out, as are those whose names JSON cannot hold; left counts them.
func WriteSOCI(w io.Writer, files []Prefetched) (left int, err error) {
	list := []string{}
	for _, f := range files {
		if !utf8.ValidString(f.Path) || strings.TrimSpace(f.Path) != f.Path {
			left++
			continue
		}
		list = append(list, f.Path)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(list); err != nil {
		return left, fmt.Errorf("writing prefetch list: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return left, err
}
