package slim

import (
	"slices"

	"github.com/pare-image/pare/layers/langpkg"
)

// ruleGem is granularity auto for Ruby: a gem of which the workload used a
// file comes whole, with the installed gems that it needs at run time, whoever
// installed it (gem, bundler, or Debian's ruby-* packages). Gems that come with
// Ruby count by the files that they name. A gemspec that was read is no use of
// the gem: RubyGems reads those of all to find one.
var ruleGem = rule{name: "gem", seed: func(s *selection) {
	if s.options.Granularity == GranularityFile {
		return
	}
	env := s.rubyEnv()
	if len(env.gems) == 0 {
		return
	}
	var q wholeQueue[*langpkg.Gem]
	for _, p := range s.usedCode() {
		if g := env.gemOf(p); g != nil && p != g.Spec && g.Name != rubyGems {
			q.add(g, Reason{Rule: "gem", From: p})
		}
	}
	for it, ok := q.next(); ok && s.err == nil; it, ok = q.next() {
		s.addGem(it, &q)
	}
}}

// rubyGems is the gem of RubyGems itself, which every Ruby loads as it starts:
// that says nothing of what in it is used.
const rubyGems = "rubygems-update"

// addGem keeps one whole and queues what it needs: the version that is queued
// already, as RubyGems activates one, else all that are installed.
func (s *selection) addGem(it whole[*langpkg.Gem], q *wholeQueue[*langpkg.Gem]) {
	env, g := s.rubyEnv(), it.of
	s.add(g.Spec, it.reason)
	s.addPaths(env.files[g], it.reason)
	for _, dir := range g.Dirs {
		s.addTree(dir, it.reason, nil)
	}
	for _, name := range g.Dependencies {
		needs := env.byName[name]
		if slices.ContainsFunc(needs, func(n *langpkg.Gem) bool { return q.done[n] }) {
			continue
		}
		r := it.reason
		r.Note = quoted(g.Name + " depends on " + name)
		for _, need := range needs {
			q.add(need, r)
		}
	}
}
