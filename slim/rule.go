package slim

import (
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/profile"
)

// rule is one way by which a path comes to be kept. A rule is a value: one
// file per rule (rule_NAME.go) or group (group_NAME.go), over the tree only.
// Every function may be nil.
type rule struct {
	// name is stable and what Reason.Rule says: "elf", "group:nss".
	name string
	// seed runs once, before anything else, for what follows from profile,
	// config and options alone.
	seed func(*selection)
	// visit runs once for every entry that becomes kept, in the order of
	// keeping (deterministic).
	visit func(*selection, *layers.Entry)
	// settle runs whenever no visit is left to do, in the rules' order; what
	// it adds is visited, and all settle again until nothing is added.
	settle func(*selection)
}

// rules in the order in which they run.
var rules = []rule{}

// selection is the state of one Select: what rules look at and add to.
type selection struct {
	tree     *layers.Tree
	config   configView
	profile  *profile.Profile
	options  Options
	packages *pkgdb.DB
	libs     *elfdeps.Resolver
	elfTree  elfdeps.Tree
	keep     *KeepSet
}

// configView is the part of the image config that rules read.
type configView struct {
	Entrypoint, Cmd, Shell, Healthcheck []string
	WorkingDir, User                    string
	Env                                 map[string]string
	Volumes                             []string
}

// add keeps path: follows symlinks inside the root, keeps every link and
// directory on the way with the same reason chain, then the final entry. A
// path that does not exist keeps what exists of the way (links, directories)
// and reports false.
func (s *selection) add(path string, r Reason) bool { panic("contract") }

// addLink is add without following the last component.
func (s *selection) addLink(path string, r Reason) bool { panic("contract") }

// addTree keeps a directory and everything below it.
func (s *selection) addTree(path string, r Reason) { panic("contract") }

// kept says whether exactly this path is kept.
func (s *selection) kept(path string) bool { panic("contract") }

// touched reports whether the profile saw this path (requested or resolved) exist.
func (s *selection) touched(path string) bool { panic("contract") }

// touchedUnder reports whether the profile saw anything exist below dir.
func (s *selection) touchedUnder(dir string) bool { panic("contract") }

// read returns a small kept-or-not file's content following symlinks; nil if
// absent or over 4 MiB.
func (s *selection) read(path string) []byte { panic("contract") }

// risk records a risk mark for the plan.
func (s *selection) risk(name, path, text string) { panic("contract") }
