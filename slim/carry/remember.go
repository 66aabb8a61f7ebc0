package carry

import (
	"path"
	"slices"
	"unicode/utf8"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/profile"
)

// maxNames bounds the names of directories that are remembered: those of an
// image of 2 GB are a tenth of it.
const maxNames = 200_000

// Remember returns p with what its image says of the touched paths: the
// packages that own them, whether the image has them at all, and the names
// beside files that were opened or run. t and db must be of the image that p
// was recorded on. What p knew already is replaced. The error is ErrLimit of
// package layers for an image whose links lead through too many others.
func Remember(p *profile.Profile, t *layers.Tree, db *pkgdb.DB) (*profile.Profile, error) {
	out := *p
	var taken steps
	out.Accesses, out.Packages, out.Directories = slices.Clone(p.Accesses), nil, nil
	dirs := map[string]bool{}
	for i := range out.Accesses {
		a := &out.Accesses[i]
		if a.Package, a.Origin = "", ""; !a.Exists || profile.Mounted(a.Path) {
			continue
		}
		r, missing := reached(t, a, a.Path)
		if err := taken.follow(t, r.Links); err != nil {
			return nil, err
		}
		if missing != nil {
			a.Origin = profile.OriginRun
			continue
		}
		e := r.Entry
		if q, ok := db.Owner(e.Path); ok {
			owner := recorded(q)
			a.Package = owner.ID()
			out.Packages = append(out.Packages, owner)
		} else {
			a.Origin = profile.OriginImage
		}
		if isUsed(a) && e.Type == layers.Regular && !isCache(e.Path) {
			dirs[path.Dir(e.Path)] = true
		}
	}
	out.Directories = listings(t, dirs)
	return profile.Union(&out)
}

// reached is what an access of a path reaches in an image.
func reached(t *layers.Tree, a *profile.Access, p string) (layers.Resolution, error) {
	if a.OnlyLink() {
		return t.ResolveLink(p)
	}
	return t.Resolve(p)
}

func recorded(q *pkgdb.Package) profile.Package {
	p := profile.Package{Name: q.Name, Arch: q.Arch, Version: q.Version, Source: q.Source}
	if p.Source == p.Name {
		p.Source = ""
	}
	return p
}

// isUsed says that content was used, and not only looked at.
func isUsed(a *profile.Access) bool { return a.Has(profile.Open, profile.Exec) }

// isCache says that a file is made of others, by name.
func isCache(p string) bool { return path.Base(path.Dir(p)) == "__pycache__" }

func listings(t *layers.Tree, dirs map[string]bool) []profile.Directory {
	var out []profile.Directory
	room := maxNames
	for _, dir := range sortedKeys(dirs) {
		names := fileNames(t, dir)
		if room -= len(names); room < 0 {
			break
		}
		out = append(out, profile.Directory{Path: dir, Names: names})
	}
	return out
}

// fileNames are the files and links of a directory, as far as text can say
// them.
func fileNames(t *layers.Tree, dir string) []string {
	var names []string
	for _, e := range t.Children(dir) {
		if e.Type != layers.Directory && utf8.ValidString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}
