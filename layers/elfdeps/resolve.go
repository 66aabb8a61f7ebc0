package elfdeps

// Tree is what resolving needs of a file tree. Paths are absolute. *layers.Tree
// is adapted to it by package slim.
type Tree interface {
	// ResolveFile follows symlinks inside the root and returns the final path
	// and the links passed; ok is false when nothing (or no regular file) is there.
	ResolveFile(path string) (final string, links []string, ok bool)
	// ELF returns the parsed ELF of the regular file at final, nil if it is none.
	ELF(final string) *Info
	// ReadFile returns the content of a small file (ld.so.conf), following symlinks.
	ReadFile(path string) ([]byte, error)
	// ReadDir returns the names in a directory, sorted, following symlinks.
	ReadDir(path string) ([]string, error)
}

// Resolver finds libraries in a tree as ld.so(8) of glibc or musl would.
// It reads the loader's configuration once.
type Resolver struct{}

// NewResolver reads /etc/ld.so.conf (with includes) or /etc/ld-musl-*.path.
func NewResolver(t Tree) *Resolver { panic("contract") }

// Found is one library (or interpreter) that a file needs.
type Found struct {
	Name  string   // as in DT_NEEDED or PT_INTERP
	Path  string   // requested path: directory joined with name
	Final string   // after symlinks; "" when not found
	Links []string // symlinks passed
	Via   string   // "interp", "rpath", "runpath", "ld.so.conf", "default", "hwcaps"
}

// Deps returns the interpreter and every DT_NEEDED of the file at path, each
// with where it was found. rpathFrom lists the chain of files that loaded it
// (nearest first), whose RPATH counts too (LD_LIBRARY_PATH of env too).
// A library with glibc-hwcaps variants gives the baseline and every variant.
func (r *Resolver) Deps(path string, loaders []string, libraryPath []string) []Found {
	panic("contract")
}

// ConfigFiles are the loader configuration files that were read.
func (r *Resolver) ConfigFiles() []string { panic("contract") }

// CacheEntry is one line of ld.so.cache.
type CacheEntry struct {
	Soname string
	Path   string
	Info   *Info
	HWCaps string // glibc-hwcaps subdirectory ("x86-64-v3") or ""
}

// WriteCache returns an ld.so.cache (new format, "glibc-ld.so.cache1.1") for
// entries, as ldconfig of glibc would order it.
func WriteCache(entries []CacheEntry) ([]byte, error) { panic("contract") }
