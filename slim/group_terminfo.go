package slim

// groupTerminfo is the terminal descriptions: TERM chooses (terminfo(5)).
var groupTerminfo = group{
	name:      "terminfo",
	triggered: under(terminfoDirs...),
	add:       func(s *selection, r Reason) { s.addTrees(r, nil, terminfoDirs...) },
}

var terminfoDirs = []string{"/etc/terminfo", "/lib/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo"}
