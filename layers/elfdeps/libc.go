package elfdeps

import (
	"path"
	"strings"
)

// LibcFamily is the C library that a loader (PT_INTERP) belongs to, by its file
// name: "glibc" or "musl"; "" when it is none that is known.
func LibcFamily(loader string) string {
	switch name := path.Base(loader); {
	case strings.HasPrefix(name, "ld-musl-"):
		return "musl"
	case strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld64.so") || name == "ld.so" || strings.HasPrefix(name, "ld.so.1"):
		return "glibc"
	}
	return ""
}
