package slim

import (
	"path"
	"strings"
)

// groupKrb5 is what MIT Kerberos reads and loads when a ticket is first asked
// for: krb5.conf(5) with what it includes, the mechanisms of GSS-API
// (/etc/gss/mech, krb5.conf(5) "gssapi"), and plugins (plugin directories of
// krb5, such as preauth/spake.so). libkrb5 is linked by programs that hardly
// ever authenticate, so a recording without a login shows none of it. Keys
// (krb5.keytab, tickets) are not of it.
var groupKrb5 = group{
	name: "krb5",
	triggered: func(p string) bool {
		return strings.HasPrefix(path.Base(p), "libkrb5.so") || p == krb5Conf || below(p, "/etc/krb5.conf.d") ||
			below(p, "/etc/gss") || inLibraries("krb5")(p) || inLibraries("gss")(p)
	},
	add: func(s *selection, r Reason) {
		s.addTrees(r, nil, "/etc/krb5.conf.d", "/etc/gss")
		s.addKrb5Conf(r, krb5Conf, map[string]bool{})
		for _, name := range []string{"krb5/plugins", "gss"} {
			s.addLibraryTrees(r, name)
		}
	},
}

const krb5Conf = "/etc/krb5.conf"

// maxKrb5Files bounds the files that configuration includes.
const maxKrb5Files = 256

// addKrb5Conf keeps a configuration file and, by its lines "include FILE" and
// "includedir DIRECTORY", others.
func (s *selection) addKrb5Conf(r Reason, file string, seen map[string]bool) {
	if seen[file] || len(seen) >= maxKrb5Files {
		return
	}
	seen[file] = true
	s.addFiles(r, file)
	for line := range strings.Lines(string(s.readConfig(file))) {
		words := strings.Fields(line)
		if len(words) != 2 || !path.IsAbs(words[1]) {
			continue
		}
		switch name := path.Clean(words[1]); words[0] {
		case "include":
			s.addKrb5Conf(r, name, seen)
		case "includedir":
			if res, err := s.tree.Resolve(name); err == nil {
				for _, e := range s.tree.Children(res.Entry.Path) {
					s.addKrb5Conf(r, e.Path, seen)
				}
			}
		}
	}
}
