package slim

import "github.com/pare-image/pare/layers"

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
	// keeping.
	visit func(*selection, *layers.Entry)
	// settle runs whenever no visit is left to do, in the rules' order; what
	// it adds is visited, and all settle again until nothing is added.
	settle func(*selection)
	// finish runs once at the end and adds no paths; it may generate files
	// and mark risks.
	finish func(*selection)
}

// rules in the order in which they run.
func rules() []rule {
	all := []rule{
		ruleKeep, ruleAccess, ruleConfig, ruleUser, ruleSkeleton, ruleRuntimeMount, ruleDistroID,
		ruleELF, ruleDlopen, ruleCPUDispatch, ruleScript, rulePython, ruleNode, ruleRuby, rulePerl, rulePHP, ruleJava,
	}
	for _, g := range groups {
		all = append(all, g.rule())
	}
	return append(all, ruleAppDir, ruleStdlib, rulePip, ruleNpm, ruleGem, ruleCPAN, ruleComposer, rulePackage, ruleLicence,
		reachRule(reachPython), reachRule(reachNode), ruleLdCache)
}
