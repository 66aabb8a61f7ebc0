package layers

import (
	"fmt"

	"github.com/pare-image/pare/layers/elfdeps"
)

// maxLoaderFile bounds the files that a loader is configured by.
const maxLoaderFile = 4 << 20

// ELFTree is a tree as package elfdeps wants it: an [elfdeps.SymbolTree].
type ELFTree struct{ Tree *Tree }

// ResolveFile follows symlinks to a regular file.
func (e ELFTree) ResolveFile(p string) (string, bool) {
	r, err := e.Tree.Resolve(p)
	if err != nil || r.Entry.Type != Regular {
		return "", false
	}
	return r.Entry.Path, true
}

// ELF is what the scan of the layer learned of the file at exactly final.
func (e ELFTree) ELF(final string) *elfdeps.Info {
	entry, ok := e.Tree.Lookup(final)
	if !ok || entry.Type != Regular {
		return nil
	}
	return entry.Sniff().ELF
}

// ReadFile returns a small file's content, following symlinks; nil when there
// is none or it is over 4 MiB.
func (e ELFTree) ReadFile(p string) []byte {
	r, err := e.Tree.Resolve(p)
	if err != nil || r.Entry.Type != Regular {
		return nil
	}
	b, err := e.Tree.ReadContent(r.Entry.Inode, maxLoaderFile)
	if err != nil {
		return nil
	}
	return b
}

// ReadDir lists names in a directory, following symlinks.
func (e ELFTree) ReadDir(p string) []string {
	r, err := e.Tree.Resolve(p)
	if err != nil {
		return nil
	}
	var names []string
	for _, k := range e.Tree.Children(r.Entry.Path) {
		names = append(names, k.Name())
	}
	return names
}

// Symbols reads the symbols of the ELF file at exactly final from its content,
// each time; see [Tree.Prefetch].
func (e ELFTree) Symbols(final string) (*elfdeps.Symbols, error) {
	entry, ok := e.Tree.Lookup(final)
	if !ok || entry.Type != Regular {
		return nil, elfdeps.ErrNotELF
	}
	r, err := e.Tree.section(entry.Inode)
	if err != nil {
		return nil, fmt.Errorf("opening content of %q: %w", final, err)
	}
	return elfdeps.ParseSymbols(r, entry.Size)
}
