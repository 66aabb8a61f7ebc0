package slim

import (
	"path"
	"strings"
)

// groupOpenSSL is what libcrypto loads by name: its configuration
// (openssl.cnf, config(5ssl)), providers (ossl-modules) and engines. The
// trust store is group ca; scripts beside the configuration are not of it.
var groupOpenSSL = group{
	name: "openssl",
	triggered: func(p string) bool {
		return strings.HasPrefix(path.Base(p), "libcrypto.so") || path.Base(p) == "openssl.cnf" ||
			inLibraries("ossl-modules")(p) || inLibraries("engines-3")(p) || inLibraries("engines-1.1")(p)
	},
	add: func(s *selection, r Reason) {
		s.addFiles(r, "/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf")
		for _, link := range []string{"/usr/lib/ssl/certs", "/usr/lib/ssl/cert.pem"} {
			s.addLink(link, r)
		}
		for _, name := range []string{"ossl-modules", "engines-3", "engines-1.1"} {
			s.addLibraryTrees(r, name)
		}
	},
}
