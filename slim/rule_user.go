package slim

// ruleUser keeps the user database, by which programs turn the number that
// they run as into a name and a home; [NewPlan] adds the new user's lines.
var ruleUser = rule{name: "user", seed: func(s *selection) {
	s.addFiles(Reason{Rule: "user"}, passwdFile, groupFile)
}}

const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)
