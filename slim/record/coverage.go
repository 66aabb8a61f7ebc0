package record

import (
	"cmp"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
)

// Coverage says what a recording did not show. Every list is sorted.
type Coverage struct {
	// PortsNotAsked are ports that the image exposes or that were bound, and
	// that no probe asked.
	PortsNotAsked []int `json:"portsNotAsked,omitempty"`
	// ProgramsNotRun are programs that Entrypoint, Cmd or Healthcheck name,
	// are in the image, and were never executed.
	ProgramsNotRun []string `json:"programsNotRun,omitempty"`
	// RoutesNotAsked are routes that an OpenAPI document names, each with why.
	RoutesNotAsked []string `json:"routesNotAsked,omitempty"`
	// Packages and Apps are what was touched at all, least share first.
	Packages []Share `json:"packages,omitempty"`
	Apps     []Share `json:"applications,omitempty"`
	// PackagesUntouched counts the packages with files of which none was used.
	PackagesUntouched int `json:"packagesUntouched"`
}

// Share is how many of a package's or directory's regular files were touched.
type Share struct {
	Name    string `json:"name"`
	Touched int    `json:"touched"`
	Files   int    `json:"files"`
}

// Cover compares a profile with the image that it was recorded on.
func Cover(t *layers.Tree, p *profile.Profile, routesNotAsked []string) (*Coverage, error) {
	db, err := pkgdb.Read(t)
	if err != nil {
		return nil, err
	}
	touched := touchedNodes(t, p)
	c := &Coverage{
		PortsNotAsked: portsNotAsked(t.Config(), p), ProgramsNotRun: programsNotRun(t, p),
		RoutesNotAsked: slices.Sorted(slices.Values(routesNotAsked)),
	}
	c.packages(t, db, touched)
	c.apps(t, db, touched)
	return c, nil
}

// touchedNodes are the files that some access reached.
func touchedNodes(t *layers.Tree, p *profile.Profile) map[*layers.Inode]bool {
	out := map[*layers.Inode]bool{}
	for _, a := range p.Accesses {
		if !a.Exists || !a.Has(profile.Exec, profile.Open, profile.Write, profile.Readlink, profile.Xattr) {
			continue
		}
		for _, name := range []string{a.Path, a.Resolved} {
			if r, err := t.Resolve(cmp.Or(name, a.Path)); err == nil && r.Entry.Type == layers.Regular {
				out[r.Entry.Inode] = true
			}
		}
	}
	return out
}

func (c *Coverage) packages(t *layers.Tree, db *pkgdb.DB, touched map[*layers.Inode]bool) {
	for _, pkg := range db.Packages() {
		s := Share{Name: pkg.ID()}
		for _, name := range pkg.Paths() {
			if e, ok := t.Lookup(name); ok && e.Type == layers.Regular && !isDocumentation(name) {
				s.count(touched[e.Inode])
			}
		}
		switch {
		case s.Touched > 0:
			c.Packages = append(c.Packages, s)
		case s.Files > 0:
			c.PackagesUntouched++
		}
	}
	slices.SortFunc(c.Packages, byShare)
}

// isDocumentation says that no workload would read a file: it would make
// every share small.
func isDocumentation(name string) bool {
	for _, dir := range []string{"/usr/share/doc/", "/usr/share/man/", "/usr/share/info/", "/usr/share/lintian/"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return false
}

func (c *Coverage) apps(t *layers.Tree, db *pkgdb.DB, touched map[*layers.Inode]bool) {
	shares := map[string]*Share{}
	for e := range t.All() {
		root := slim.AppRoot(e.Path, t.Config().Config.WorkingDir)
		if root == "" || e.Type != layers.Regular {
			continue
		}
		if _, owned := db.Owner(e.Path); owned {
			continue
		}
		if shares[root] == nil {
			shares[root] = &Share{Name: root}
		}
		shares[root].count(touched[e.Inode])
	}
	for _, s := range shares {
		c.Apps = append(c.Apps, *s)
	}
	slices.SortFunc(c.Apps, byShare)
}

func (s *Share) count(touched bool) {
	s.Files++
	if touched {
		s.Touched++
	}
}

// byShare sorts by share, without dividing, then by name.
func byShare(a, b Share) int {
	return cmp.Or(cmp.Compare(a.Touched*b.Files, b.Touched*a.Files), cmp.Compare(a.Name, b.Name))
}

func portsNotAsked(cfg *v1.ConfigFile, p *profile.Profile) []int {
	asked := map[int]bool{}
	for _, s := range p.Sessions {
		for _, probe := range s.Probes {
			asked[probe.Port] = true
		}
	}
	var out []int
	for _, port := range slices.Concat(ExposedPorts(cfg.Config), p.Ports) {
		if !asked[port] {
			out = append(out, port)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// programsNotRun finds programs by the config's PATH. Arguments that are no
// programs of the image are no news.
func programsNotRun(t *layers.Tree, p *profile.Profile) []string {
	ran := map[*layers.Inode]bool{}
	for _, a := range p.Accesses {
		if r, err := t.Resolve(a.Path); err == nil && a.Exists && a.Has(profile.Exec) {
			ran[r.Entry.Inode] = true
		}
	}
	var out []string
	for _, name := range configured(t.Config().Config) {
		if e := program(t, name); e != nil && !ran[e.Inode] {
			out = append(out, e.Path)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// configured are the words of the config that may name programs; of shell
// lines, every word.
func configured(cfg v1.Config) []string {
	out := slices.Concat(cfg.Entrypoint, cfg.Cmd)
	if cfg.Healthcheck != nil && len(cfg.Healthcheck.Test) > 1 {
		out = append(out, cfg.Healthcheck.Test[1:]...)
	}
	var words []string
	for _, w := range out {
		words = append(words, strings.Fields(w)...)
	}
	return words
}

// program finds an executable regular file of the image.
func program(t *layers.Tree, name string) *layers.Entry {
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, dir := range searchPath(t.Config().Config.Env) {
			candidates = append(candidates, path.Join(dir, name))
		}
	}
	for _, c := range candidates {
		if !path.IsAbs(c) {
			c = path.Join("/", t.Config().Config.WorkingDir, c)
		}
		r, err := t.Resolve(c)
		if err == nil && r.Entry.Type == layers.Regular && r.Entry.Mode&0o111 != 0 {
			return r.Entry
		}
	}
	return nil
}

func searchPath(env []string) []string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			return strings.Split(v, ":")
		}
	}
	return []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
}
