package pkgdb

import (
	"path"
	"slices"
	"strings"
)

// IsDatabase says whether path is a file that [Read] or [DB.Filter] reads: a
// hint for what content to keep at hand.
func IsDatabase(p string) bool {
	if slices.Contains(apkFiles, p) || path.Base(p) == rpmSQLite && slices.Contains(rpmDirs, path.Dir(p)) {
		return true
	}
	if !strings.HasPrefix(p, adminDir+"/") {
		return false
	}
	switch path.Dir(p) {
	case adminDir:
		return slices.Contains([]string{"arch", "diversions", "status", "statoverride"}, path.Base(p))
	case statusDir:
		return true
	}
	return strings.HasSuffix(p, ".list") || strings.HasSuffix(p, ".md5sums") || p == infoDir+"/format"
}
