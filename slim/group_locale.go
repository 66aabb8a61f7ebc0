package slim

// groupLocale is the compiled locales: LANG and LC_* choose at run time
// (locale(7)). Message catalogues are not of it: programs fall back to their
// own text.
var groupLocale = group{
	name:      "locale",
	triggered: under("/usr/lib/locale", "/usr/share/locale/locale.alias", "/etc/locale.alias", "/usr/share/i18n"),
	add: func(s *selection, r Reason) {
		s.addTrees(r, nil, "/usr/lib/locale")
		s.addFiles(r, "/usr/share/locale/locale.alias", "/etc/locale.alias", "/etc/default/locale", "/etc/locale.conf")
	},
}
