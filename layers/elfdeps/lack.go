package elfdeps

import "fmt"

// LackKind is what a [Lack] is about.
type LackKind int

// The kinds of lacks.
const (
	LackInterpreter LackKind = iota + 1
	LackLibrary
	LackVersion
	LackSymbol
)

// Lack is something that an ELF file needs and does not get.
type Lack struct {
	Kind LackKind
	// Name is of the interpreter, library, version or symbol.
	Name string
	// Library should provide the version or symbol, as the file names it; ""
	// for symbols that any file may provide.
	Library string
	// Version of the symbol; "" when any will do.
	Version string
	// Where is the library that was found and lacks it; "" when none was.
	Where string
}

// Lacks says what the ELF file at path itself lacks when it is loaded: its
// interpreter, libraries, versions of libraries (but for weak ones) and
// symbols (but for weak ones). What its libraries lack is theirs.
//
// A symbol with a version may come from any file, as for the loader: libraries
// hand symbols on to others, and glibc did so with most of libpthread. Of a
// library without a PT_INTERP, symbols without a version are passed over:
// plugins bind to the program that loads them. So are all symbols when not
// all libraries are found. Symbols are not looked at when files cannot be
// read. The error is ErrTooMuch, or one of the tree.
func (l *Linker) Lacks(path string) ([]Lack, error) {
	loaded, err := l.Load(path)
	if err != nil || len(loaded.Files) == 0 {
		return nil, err
	}
	var out []Lack
	self := loaded.Files[0].Final
	for _, m := range loaded.Missing {
		if m.By != self {
			continue
		}
		if m.Interp {
			return []Lack{{Kind: LackInterpreter, Name: m.Name}}, nil // it would find the rest
		}
		out = append(out, Lack{Kind: LackLibrary, Name: m.Name})
	}
	s, err := l.symbolsOf(self)
	if err != nil || s == nil {
		return out, err
	}
	lacked, err := l.versionsLacked(loaded, s)
	if err != nil {
		return nil, err
	}
	out = append(out, lacked...)
	lacked, err = l.symbolsLacked(loaded, s, lacked)
	return append(out, lacked...), err
}

// versionsLacked is _dl_check_map_versions of elf/dl-version.c: a library
// that tells no versions apart passes.
func (l *Linker) versionsLacked(loaded *Loaded, s *linkSymbols) ([]Lack, error) {
	var out []Lack
	for _, n := range s.Needs {
		i, ok := loaded.names[n.Library]
		if !ok || n.Weak {
			continue
		}
		lib, err := l.symbolsOf(loaded.Files[i].Final)
		if err != nil {
			return nil, err
		}
		if lib != nil && lib.Versioned && !lib.versions[n.Version] {
			out = append(out, Lack{Kind: LackVersion, Name: n.Version, Library: n.Library, Where: loaded.Files[i].Path})
		}
	}
	return out, nil
}

func (l *Linker) symbolsLacked(loaded *Loaded, s *linkSymbols, versions []Lack) ([]Lack, error) {
	info := l.tree.ELF(loaded.Files[0].Final)
	plugin := info == nil || info.Interp == "" && info.Type == typeDyn
	if len(loaded.Missing) > 0 {
		return nil, nil
	}
	known := map[VersionNeed]bool{} // versions that are lacked: so are all their symbols
	for _, v := range versions {
		known[VersionNeed{Library: v.Library, Version: v.Name}] = true
	}
	var out []Lack
	for _, i := range s.Imports {
		if i.Weak || plugin && i.Version == "" || known[VersionNeed{Library: i.Library, Version: i.Version}] {
			continue
		}
		ok, err := l.provided(loaded, i)
		if err != nil {
			return nil, err
		}
		if !ok {
			lack := Lack{Kind: LackSymbol, Name: i.Name, Library: i.Library, Version: i.Version}
			if at, ok := loaded.names[i.Library]; ok {
				lack.Where = loaded.Files[at].Path
			}
			out = append(out, lack)
		}
	}
	return out, nil
}

// provided looks for a symbol first in the library that should have it, then
// in the others. A file that cannot be read may have it.
func (l *Linker) provided(loaded *Loaded, i Import) (bool, error) {
	at, named := loaded.names[i.Library]
	if named {
		lib, err := l.symbolsOf(loaded.Files[at].Final)
		if err != nil || lib == nil || lib.provides(i) {
			return true, err
		}
	}
	for n, f := range loaded.Files {
		if named && n == at {
			continue
		}
		lib, err := l.symbolsOf(f.Final)
		if err != nil || lib == nil || lib.provides(i) {
			return true, err
		}
	}
	return false, nil
}

// linkSymbols are a file's symbols, made for looking up.
type linkSymbols struct {
	*Symbols
	versions map[string]bool // defined
	// exports has each symbol's name with its versions; "" among them is the
	// base version.
	exports map[string][]exportVersion
}

type exportVersion struct {
	version string
	hidden  bool
}

// provides is check_match of elf/dl-lookup.c: a version that is asked for
// matches itself, or a symbol of the base version; a file that tells no
// versions apart matches any.
func (s *linkSymbols) provides(i Import) bool {
	for _, e := range s.index()[i.Name] {
		if i.Version == "" || !s.Versioned || e.version == i.Version || e.version == "" && !e.hidden {
			return true
		}
	}
	return false
}

func (s *linkSymbols) index() map[string][]exportVersion {
	if s.exports == nil {
		s.exports = make(map[string][]exportVersion, len(s.Exports))
		// All in one array: most names have one version.
		all := make([]exportVersion, len(s.Exports))
		for n, e := range s.Exports {
			all[n] = exportVersion{e.Version, e.Hidden}
			if have, ok := s.exports[e.Name]; ok {
				s.exports[e.Name] = append(have, all[n])
			} else {
				s.exports[e.Name] = all[n : n+1 : n+1]
			}
		}
	}
	return s.exports
}

// symbolsOf returns a file's symbols, nil when it has none that can be read.
func (l *Linker) symbolsOf(final string) (*linkSymbols, error) {
	if s, ok := l.symbols[final]; ok {
		return s, nil
	}
	if l.tree.ELF(final) == nil {
		return nil, nil
	}
	s, err := l.tree.Symbols(final)
	if isFormatError(err) {
		l.symbols[final] = nil
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading symbols of %q: %w", final, err)
	}
	if l.bytes += s.Size(); l.bytes > maxSymbolBytes {
		return nil, fmt.Errorf("reading symbols of %q: %w: over %d bytes of symbols", final, ErrTooMuch, maxSymbolBytes)
	}
	out := &linkSymbols{Symbols: s, versions: make(map[string]bool, len(s.Versions))}
	for _, v := range s.Versions {
		out.versions[v] = true
	}
	l.symbols[final] = out
	return out, nil
}
