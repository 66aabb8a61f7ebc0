package slim

import (
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
)

// groupSASL is the mechanisms of Cyrus SASL and its configuration: all
// plugins of the directory are loaded when a connection is first to be
// authenticated (lib/dlopen.c, _sasl_load_plugins), and none before, though
// libsasl2 is linked. The store of local passwords (libsasldb, which brings
// Berkeley DB) comes where there is one; the passwords (/etc/sasldb2) are not
// of the group.
var groupSASL = group{
	name: "sasl",
	triggered: func(p string) bool {
		return strings.HasPrefix(path.Base(p), "libsasl2.so") || below(p, "/etc/sasl2") || inLibraries("sasl2")(p)
	},
	add: func(s *selection, r Reason) {
		s.addTrees(r, nil, "/etc/sasl2")
		_, err := s.tree.Resolve("/etc/sasldb2")
		skip := func(e *layers.Entry) bool { return err != nil && strings.HasPrefix(e.Name(), "libsasldb.so") }
		for _, root := range s.libraryRoots() {
			s.addTrees(r, skip, path.Join(root, "sasl2"))
		}
	},
}
