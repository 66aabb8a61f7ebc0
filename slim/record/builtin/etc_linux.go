package builtin

import (
	"fmt"
	"os"
	"path/filepath"
)

// etcFiles are those in /etc that a runtime writes, bound over the image's.
var etcFiles = []string{"resolv.conf", "hosts", "hostname"}

// hostname is the same in every container: answers that show it can be
// compared.
const hostname = "pare"

// writeEtc writes them into a container's directory. A container on the host's
// network gets the host's; any other has nobody to ask.
func writeEtc(dir string, hostNet bool) (name string, err error) {
	name = hostname
	content := map[string][]byte{
		"resolv.conf": []byte("# there is no network but the loopback\n"),
		"hosts":       []byte("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t" + hostname + "\n"),
	}
	if hostNet {
		if name, err = os.Hostname(); err != nil {
			return "", fmt.Errorf("reading the host name: %w", err)
		}
		for file := range content {
			if content[file], err = readBounded("/etc/" + file); err != nil && !os.IsNotExist(err) {
				return "", fmt.Errorf("reading the host's %s: %w", file, err)
			}
		}
	}
	content["hostname"] = []byte(name + "\n")
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
