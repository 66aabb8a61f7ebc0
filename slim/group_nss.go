package slim

import (
	"path"
	"strings"
)

// groupNSS is the name service: nsswitch.conf(5), the modules that it names
// (which glibc loads by name), and the files those read. Static programs read
// nsswitch.conf too. Password hashes (/etc/shadow) are not of it.
var groupNSS = group{
	name: "nss",
	triggered: func(p string) bool {
		return p == "/etc/nsswitch.conf" || p == "/etc/host.conf" || p == "/etc/gai.conf" || strings.HasPrefix(path.Base(p), "libnss_")
	},
	add: func(s *selection, r Reason) {
		s.addFiles(r, "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/passwd", "/etc/group",
			"/etc/services", "/etc/protocols", "/etc/networks", "/etc/rpc", "/etc/ethers", "/etc/netgroup")
		modules := nssModules(s.read("/etc/nsswitch.conf"))
		for _, dir := range s.libraryRoots() {
			for _, e := range s.tree.Children(dir) {
				if rest, ok := strings.CutPrefix(e.Name(), "libnss_"); ok {
					if name, _, _ := strings.Cut(rest, ".so"); modules[strings.SplitN(name, "-", 2)[0]] {
						s.add(e.Path, r)
					}
				}
			}
		}
	},
}

// nssModules are those that nsswitch.conf names, and the two that are used
// without it.
func nssModules(conf []byte) map[string]bool {
	modules := map[string]bool{"files": true, "dns": true}
	for line := range strings.Lines(string(conf)) {
		line, _, _ = strings.Cut(line, "#")
		_, services, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		for w := range strings.FieldsSeq(services) {
			if !strings.HasPrefix(w, "[") {
				modules[w] = true
			}
		}
	}
	return modules
}
