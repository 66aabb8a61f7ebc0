package slim

// groupCA is the trust store: which certificate is needed depends on the
// server that is asked (update-ca-certificates(8), update-ca-trust(8)).
var groupCA = group{
	name:      "ca",
	triggered: under(caDirs...),
	add: func(s *selection, r Reason) {
		s.addTrees(r, nil, caDirs...)
		s.addFiles(r, "/etc/ca-certificates.conf")
	},
}

var caDirs = []string{
	"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/ca-trust/extracted",
	"/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
}
