package slim

import (
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/slim/imports"
)

// rulePip is granularity auto for Python: a distribution of which the
// workload used a file comes whole, with the installed distributions that it
// declares to need. Who installed it (pip, or Debian's python3-* packages)
// does not matter: what is loaded of a package depends on input. Metadata
// that was read is no use of it, as importlib.metadata reads that of all.
var rulePip = rule{name: "pip", seed: func(s *selection) {
	if s.options.Granularity == GranularityFile {
		return
	}
	env := s.pythonEnv()
	q := pipQueue{done: map[string]bool{}, whole: map[*langpkg.Distribution]bool{}}
	for _, p := range s.usedCode() {
		if d := env.distributionOf(p); d != nil && !langpkg.IsPythonInfo(p) && !s.startsWithPython(p) {
			q.add(d, nil, Reason{Rule: "pip", From: p})
		}
	}
	for len(q.items) > 0 && s.err == nil {
		next := q.items[0]
		q.items = q.items[1:]
		s.addDistribution(next, &q)
	}
}}

// pipItem is a distribution with the extras that are asked of it.
type pipItem struct {
	*langpkg.Distribution
	extras []string
	reason Reason
}

type pipQueue struct {
	items []pipItem
	done  map[string]bool
	whole map[*langpkg.Distribution]bool // whose files were added
}

// maxPip bounds distributions times the sets of extras that are asked of them.
const maxPip = 20_000

func (q *pipQueue) add(d *langpkg.Distribution, extras []string, r Reason) {
	key := d.Info + "\x00" + strings.Join(extras, ",")
	if !q.done[key] && len(q.done) < maxPip {
		q.done[key] = true
		q.items = append(q.items, pipItem{d, extras, r})
	}
}

// startsWithPython says that p is a .pth file, or of a module that one has
// every Python import as it starts (setuptools' _distutils_hack, coverage):
// that it was read is no use of its distribution.
func (s *selection) startsWithPython(p string) bool {
	site := siteOf(p)
	top, _, _ := strings.Cut(strings.TrimPrefix(p, site+"/"), "/")
	if strings.HasSuffix(top, ".pth") {
		return true
	}
	top, _, _ = strings.Cut(top, ".")
	return site != "" && s.startModules(site)[top]
}

// startModules are the topmost names of what .pth files of a site import.
func (s *selection) startModules(site string) map[string]bool {
	if names, ok := s.pythonStart[site]; ok {
		return names
	}
	names := map[string]bool{}
	for _, e := range s.tree.Children(site) {
		if !strings.HasSuffix(e.Name(), ".pth") || s.touched(e.Path) == nil {
			continue
		}
		for line := range strings.Lines(string(s.read(e.Path))) {
			if !isPthCode(line) {
				continue
			}
			for _, imp := range imports.ScanPython([]byte(line)) {
				top, _, _ := strings.Cut(imp.Module, ".")
				names[top] = true
			}
		}
	}
	s.pythonStart[site] = names
	return names
}

// addOSDepends queues the distributions in the OS packages that the one of d
// depends on: Debian's metadata may name no requirements at all. Where it
// names one, its marker decides.
func (s *selection) addOSDepends(d pipItem, q *pipQueue) {
	owner, ok := s.packages.Owner(s.infoFile(d.Distribution))
	if !ok || !s.langs.Spend(64) {
		return
	}
	deps := s.packages.Depends(owner, nil)
	if !s.langs.Spend(64 * len(deps)) {
		return
	}
	for _, dep := range deps {
		for _, need := range s.pythonEnv().byOwner[dep.ID()] {
			if slices.ContainsFunc(d.Requires, func(r langpkg.Requirement) bool { return r.Name == need.Name }) {
				continue
			}
			r := d.reason
			r.Note = quoted(owner.ID() + " depends on " + dep.ID())
			q.add(need, nil, r)
		}
	}
}

// addDistribution keeps one whole and queues what it needs.
func (s *selection) addDistribution(d pipItem, q *pipQueue) {
	env := s.pythonEnv()
	if !q.whole[d.Distribution] {
		q.whole[d.Distribution] = true
		s.addPaths(env.files[d.Distribution], d.reason)
		s.addOSDepends(d, q)
	}
	for _, req := range d.Requires {
		in := langpkg.Environment{PythonVersion: env.version(d.Site), Machine: s.machine(), Extras: d.extras}
		if !s.langs.Spend(req.Cost()) || !req.Needed(in) {
			continue
		}
		for _, need := range s.installed(req.Name, d.Site) {
			r := d.reason
			r.Note = quoted(d.Name + " requires " + need.Name)
			q.add(need, req.Extras, r)
		}
	}
}

// installed are the distributions of a name that code in site can import:
// those of the same site, else, for no isolated venv, of others.
func (s *selection) installed(name, site string) []*langpkg.Distribution {
	all := s.pythonEnv().byName[name]
	in := func(same bool) []*langpkg.Distribution {
		return slices.DeleteFunc(slices.Clone(all), func(d *langpkg.Distribution) bool {
			return (d.Site == site) != same || !same && s.isVenv(d.Site)
		})
	}
	if here := in(true); len(here) > 0 || s.isVenv(site) && !s.seesSystem(site) {
		return here
	}
	return in(false)
}

func venvConfig(site string) string {
	return path.Join(path.Dir(path.Dir(path.Dir(site))), "pyvenv.cfg")
}

func (s *selection) isVenv(site string) bool { return s.has(venvConfig(site)) }

// seesSystem says that a venv was made with --system-site-packages.
func (s *selection) seesSystem(site string) bool {
	sees, ok := s.pythonVenvs[site]
	if !ok {
		sees = s.readSeesSystem(site)
		s.pythonVenvs[site] = sees
	}
	return sees
}

func (s *selection) readSeesSystem(site string) bool {
	for line := range strings.Lines(string(s.read(venvConfig(site)))) {
		key, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(key) == "include-system-site-packages" {
			return strings.EqualFold(strings.TrimSpace(value), "true")
		}
	}
	return false
}

// machine is the image's, as uname -m has it; "" for rare ones.
func (s *selection) machine() string {
	return map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "ppc64le": "ppc64le", "s390x": "s390x"}[s.tree.Config().Architecture]
}
