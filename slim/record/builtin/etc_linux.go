package builtin

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pare-image/pare/slim/record/engine"
)

// etcFiles are those in /etc that a runtime writes, bound over the image's.
var etcFiles = []string{"resolv.conf", "hosts", "hostname"}

// hostname is the same in every container: answers that show it can be
// compared.
const hostname = "pare"

// writeEtc writes them into a container's directory and returns the
// container's host name.
func writeEtc(dir string, s engine.Spec) (name string, err error) {
	content, name, err := etcOf(s)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		return "", err
	}
	for file, text := range content {
		path := filepath.Join(dir, "etc", file)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return "", err
		}
		if err := os.Chmod(path, 0o644); err != nil { // whatever the umask
			return "", err
		}
	}
	return name, nil
}

// etcOf is what the files say. A container on the host's network has what the
// host has; any other has nobody to ask but whom s names.
func etcOf(s engine.Spec) (content map[string][]byte, name string, err error) {
	name = hostname
	content = map[string][]byte{
		"resolv.conf": []byte("# there is no network but the loopback\n"),
		"hosts":       []byte("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t" + hostname + "\n"),
	}
	if s.Network == engine.Host {
		if name, err = os.Hostname(); err != nil {
			return nil, "", fmt.Errorf("reading the host name: %w", err)
		}
		for file := range content {
			if content[file], err = readBounded("/etc/" + file); err != nil && !os.IsNotExist(err) {
				return nil, "", fmt.Errorf("reading the host's %s: %w", file, err)
			}
		}
	}
	content["hostname"] = []byte(name + "\n")
	if len(s.DNS) > 0 {
		content["resolv.conf"] = []byte("nameserver " + strings.Join(s.DNS, "\nnameserver ") + "\n")
	}
	for _, h := range s.Hosts {
		host, address, _ := strings.Cut(h, ":") // an IPv6 address has more
		content["hosts"] = fmt.Appendf(content["hosts"], "%s\t%s\n", address, host)
	}
	return content, name, nil
}
