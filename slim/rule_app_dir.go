package slim

import (
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// ruleAppDir is granularity auto for code that no package owns: an
// application directory of which a file was touched comes whole, as if it
// were one package. Files in it that a package owns are left to the package.
var ruleAppDir = rule{name: "app-dir", seed: func(s *selection) {
	if s.options.Granularity == GranularityFile {
		return
	}
	done := map[string]bool{}
	for _, p := range s.touchedIn {
		root := s.appRoot(p)
		if root == "" || done[root] || !s.isAppFile(p) {
			continue
		}
		done[root] = true
		s.addTree(root, Reason{Rule: "app-dir", From: p}, func(e *layers.Entry) bool {
			_, owned := s.packages.Owner(e.Path)
			return owned || e.Type == layers.Directory && slices.Contains(notApplication, e.Name()) || s.isCredential(e)
		})
	}
}}

// notApplication are directories of version control, which no program of an
// application reads.
var notApplication = []string{".git", ".hg", ".svn"}

// credentials are names under which people's tools keep keys, passwords and
// histories. What the workload did not touch of them has no place in an image.
var credentials = []string{
	".aws", ".azure", ".docker", ".git-credentials", ".gnupg", ".kube", ".netrc", ".npmrc", ".pgpass", ".pypirc", ".ssh", ".subversion",
}

// isCredential leaves such a file out, and marks an untouched .env as a risk.
func (s *selection) isCredential(e *layers.Entry) bool {
	name := e.Name()
	if s.touchedUnder(e.Path) != "" {
		return false
	}
	if name == ".env" || strings.HasPrefix(name, ".env.") {
		s.risk("credential-file", e.Path, "kept with its directory, though the workload never read it; if it holds secrets, --drop it")
	}
	return slices.Contains(credentials, name) || strings.HasPrefix(name, ".") && strings.HasSuffix(name, "_history")
}

// isAppFile says that p is a regular file that no package owns.
func (s *selection) isAppFile(p string) bool {
	e, ok := s.tree.Lookup(p)
	if !ok || e.Type != layers.Regular {
		return false
	}
	_, owned := s.packages.Owner(p)
	return !owned
}

func (s *selection) appRoot(p string) string { return AppRoot(p, s.config.workingDir) }

// AppRoot is the application directory that p is in: the working directory
// (see [mayBeApp]), else one level below the directories that are meant for applications, else
// a top-level directory that the FHS does not know. "" when p is in none;
// state (/var/lib) and the system's directories never are one.
func AppRoot(p, workingDir string) string {
	wd := path.Clean("/" + workingDir)
	if below(p, wd) && mayBeApp(wd) {
		return wd
	}
	parts := strings.Split(strings.TrimPrefix(p, "/"), "/")
	for _, parent := range []string{"/opt", "/srv", "/home", "/var/www", "/usr/local/lib", "/usr/local/share", "/usr/src"} {
		if depth := strings.Count(parent, "/"); below(p, parent) && len(parts) > depth+1 {
			return "/" + path.Join(parts[:depth+1]...)
		}
	}
	if len(parts) > 1 && !slices.Contains(fhs, parts[0]) {
		return "/" + parts[0]
	}
	return ""
}

// fhs are the top-level directories of hier(7) and of usr-merge.
var fhs = []string{
	"bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "lost+found", "media", "mnt", "opt",
	"proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var",
}

// mayBeApp says that a working directory can be taken for an application's:
// it lies below one of the FHS that is meant for it, or outside the FHS, or
// goes by a name of its own where the FHS has others (/usr/local/tomcat).
func mayBeApp(dir string) bool {
	if dir == "/" {
		return false
	}
	top := strings.Split(dir, "/")[1]
	return !slices.Contains(fhs, top) || AppRoot(dir+"/x", "/") != "" || hasOwnName(dir)
}

// systemNames are what hier(7) has in directories in which images also have
// applications. What is hidden is of people's tools.
var systemNames = map[string][]string{
	"/root":      nil,
	"/usr":       {"bin", "games", "include", "lib", "lib32", "lib64", "libexec", "libx32", "local", "sbin", "share", "src", "tmp"},
	"/usr/local": {"bin", "etc", "games", "include", "lib", "lib64", "libexec", "man", "sbin", "share", "src"},
	"/usr/share": nil,
	"/var":       {"account", "backups", "cache", "crash", "games", "lib", "local", "lock", "log", "mail", "opt", "run", "spool", "tmp", "yp"},
}

// hasOwnName says that dir is none of hier(7), nor in one of those.
func hasOwnName(dir string) bool {
	for parent := path.Dir(dir); parent != "/"; dir, parent = parent, path.Dir(parent) {
		if names, ok := systemNames[parent]; ok {
			return !slices.Contains(names, path.Base(dir)) && !strings.HasPrefix(path.Base(dir), ".")
		}
	}
	return false
}
