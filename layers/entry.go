package layers

import (
	"slices"
	"strings"
	"time"

	"github.com/pare-image/pare/layers/elfdeps"
)

// Type is the kind of a node in the tree. Hard links are no type of their
// own: they are further paths of one [Inode].
type Type byte

// The node types a layer can hold.
const (
	Regular Type = iota + 1
	Directory
	Symlink
	CharDevice
	BlockDevice
	FIFO
)

// String is "file", "directory", "symlink", "char", "block" or "fifo".
func (t Type) String() string {
	names := [...]string{"unknown", "file", "directory", "symlink", "char", "block", "fifo"}
	if int(t) >= len(names) {
		t = 0
	}
	return names[t]
}

// Header is what a layer says about a node, apart from its content.
type Header struct {
	Type Type
	// Mode holds the permission bits and setuid (04000), setgid (02000) and
	// sticky (01000), as in a tar header; no file type bits.
	Mode     uint32
	UID, GID int
	// Size is the content's size in bytes; 0 for all but regular files.
	Size    int64
	ModTime time.Time
	// Linkname is a symlink's text, to the letter.
	Linkname string
	// Major and Minor number a device.
	Major, Minor int64
	// Xattrs holds extended attributes by full name ("security.capability"),
	// values as raw bytes. It must not be changed.
	Xattrs map[string]string
}

// Inode is one node of the tree: its header and where its content is. Two
// entries that point at the same Inode are hard links of each other.
type Inode struct {
	Header
	// Layer is the index (0 is the lowest) of the layer that provides the
	// node: its content, or for a directory its last metadata.
	Layer int

	content contentRef
	sniff   *Sniff
	paths   []string
}

// Sniff is what the scan of a layer learned from a regular file's first
// bytes and, for ELF files, its dynamic section.
type Sniff struct {
	// ELF is nil when the file is not ELF.
	ELF *elfdeps.Info
	// ELFError says why a file with the ELF magic could not be read.
	ELFError string
	// Shebang is the line after "#!", without the newline, at most 255 bytes
	// (the kernel's BINPRM_BUF_SIZE is 256); "" when there is none.
	Shebang string
}

// Sniff returns what is known of a regular file's content; the zero value
// for files that are neither ELF nor scripts.
func (n *Inode) Sniff() Sniff {
	if n.sniff == nil {
		return Sniff{}
	}
	return *n.sniff
}

// Paths returns every path of the node, sorted; more than one means hard links.
func (n *Inode) Paths() []string { return n.paths }

// Entry is one path of the merged tree.
type Entry struct {
	// Path is absolute and clean: "/" or "/usr/bin/env". It is bytes as the
	// layer gave them, not necessarily UTF-8.
	Path string
	*Inode
	// Touched lists the layers (ascending) whose entries named this path,
	// whether or not their version survived; empty for a directory that no
	// layer lists (see [Entry.Implied]).
	Touched []int
	// Implied says that no layer lists this directory: it exists because
	// something below it does, 0755 0:0.
	Implied bool

	dir *directory
}

// contentRef is the number of the tar entry, in its layer, that holds the
// content.
type contentRef struct{ ord int32 }

// directory holds a directory's entries: a map while layers are merged, a
// sorted list afterwards (which is a third of the memory).
type directory struct {
	kids map[string]*Entry
	list []*Entry
}

// Name is the last component of the path; "/" for the root.
func (e *Entry) Name() string {
	if e.Path == "/" {
		return "/"
	}
	return e.Path[strings.LastIndexByte(e.Path, '/')+1:]
}

// child returns the entry called name in e, nil when there is none.
func (e *Entry) child(name string) *Entry {
	if e.dir == nil {
		return nil
	}
	if e.dir.list == nil {
		return e.dir.kids[name]
	}
	i, ok := slices.BinarySearchFunc(e.dir.list, name, func(k *Entry, name string) int {
		return strings.Compare(k.Name(), name)
	})
	if !ok {
		return nil
	}
	return e.dir.list[i]
}
