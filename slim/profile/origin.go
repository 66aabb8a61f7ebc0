package profile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Origin says what a path that existed was in the image that was recorded,
// where no package owned it; "" is unknown.
type Origin string

// The origins.
const (
	OriginImage Origin = "image" // the image had it
	OriginRun   Origin = "run"   // it had not: something made it while it ran
)

// Package is an OS package of the recorded image, of which a file was touched:
// what a profile must know to be carried to another image.
type Package struct {
	Name    string `json:"name"`
	Arch    string `json:"arch,omitempty"`
	Version string `json:"version"`
	Source  string `json:"source,omitempty"` // the source package's name, where it is another
}

// ID is "name:arch", as [Access.Package] names it.
func (p Package) ID() string {
	if p.Arch == "" {
		return p.Name
	}
	return p.Name + ":" + p.Arch
}

// Package is the recorded package of that ID.
func (p *Profile) Package(id string) (Package, bool) {
	i, ok := slices.BinarySearchFunc(p.Packages, id, func(q Package, id string) int { return cmp.Compare(q.ID(), id) })
	if !ok {
		return Package{}, false
	}
	return p.Packages[i], true
}

// Directory is a directory of the recorded image in which a file was opened or
// run, with the names of all files in it: what is another one's later is new.
type Directory struct {
	Path  string
	Names []string // sorted; without those that are not UTF-8
}

// directoryRecord is its JSON form: names with "/" between them.
type directoryRecord struct {
	Path    string `json:"path,omitempty"`
	PathB64 []byte `json:"path_b64,omitempty"`
	Names   string `json:"names"`
}

func directoryRecords(dirs []Directory) []directoryRecord {
	var out []directoryRecord
	for _, d := range dirs {
		r := directoryRecord{Path: d.Path, Names: strings.Join(d.Names, "/")}
		if !utf8.ValidString(d.Path) {
			r.Path, r.PathB64 = "", []byte(d.Path)
		}
		out = append(out, r)
	}
	return out
}

func (r *directoryRecord) directory() (Directory, error) {
	d := Directory{Path: r.Path + string(r.PathB64)}
	if r.Path != "" && r.PathB64 != nil {
		return d, errors.New("both text and base64")
	}
	if r.Names != "" {
		d.Names = strings.Split(r.Names, "/")
	}
	return d, checkPath(d.Path)
}

// normalizeOrigins sorts what a profile knows of its image.
func (p *Profile) normalizeOrigins() {
	p.Packages = slices.Clone(p.Packages)
	slices.SortFunc(p.Packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.ID(), b.ID()), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Source, b.Source))
	})
	p.Packages = slices.Compact(p.Packages)
	p.Directories = slices.Clone(p.Directories)
	slices.SortStableFunc(p.Directories, func(a, b Directory) int { return cmp.Compare(a.Path, b.Path) })
	out := p.Directories[:0]
	for _, d := range p.Directories {
		if n := len(out); n > 0 && out[n-1].Path == d.Path {
			out[n-1].Names = sorted(slices.Concat(out[n-1].Names, d.Names))
			continue
		}
		out = append(out, Directory{d.Path, sorted(d.Names)})
	}
	p.Directories = out
}

// joinOrigin takes the other's where they differ, by order alone: profiles of
// one image never do.
func (a *Access) joinOrigin(b Access) {
	a.Package, a.Origin = max(a.Package, b.Package), max(a.Origin, b.Origin)
	if a.Package != "" {
		a.Origin = ""
	}
}

// InImage says that the recorded image is known to have had the path.
func (a *Access) InImage() bool { return a.Package != "" || a.Origin == OriginImage }

// checkOrigins holds that accesses name packages that are listed.
func (p *Profile) checkOrigins() error {
	for i := range p.Accesses {
		a := &p.Accesses[i]
		switch {
		case a.Origin != "" && a.Origin != OriginImage && a.Origin != OriginRun:
			return fmt.Errorf("%s: unknown origin %s", strconv.Quote(a.Path), strconv.Quote(string(a.Origin)))
		case a.Package == "":
		case a.Origin != "":
			return fmt.Errorf("%s: both a package and an origin", strconv.Quote(a.Path))
		default:
			if _, ok := p.Package(a.Package); !ok {
				return fmt.Errorf("%s: its package %s is not listed", strconv.Quote(a.Path), strconv.Quote(a.Package))
			}
		}
	}
	return nil
}
