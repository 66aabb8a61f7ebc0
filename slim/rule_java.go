package slim

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// ruleJava keeps what a Java runtime reads by names that no ELF file has: of
// one that ran, its modules, configuration and those of its own libraries that
// its classes load; of a kept jar, the jars that its manifest names. Jars are
// files, and come as they are, services and all.
var ruleJava = rule{
	name: "java",
	seed: func(s *selection) {
		done := map[string]bool{}
		for _, p := range s.touchedIn {
			if home := s.javaHome(p); home != "" && !done[home] {
				done[home] = true
				s.addJRE(home, Reason{Rule: "java", From: p})
			}
		}
	},
	visit: func(s *selection, e *layers.Entry) {
		if !isJar(e.Name()) {
			return
		}
		jars, err := s.langs.ClassPath(e)
		s.err = cmp.Or(s.err, err)
		for _, jar := range jars {
			if len(jar) < maxName {
				s.addFiles(Reason{Rule: "java", From: e.Path}, jar)
			}
		}
	},
}

func isJar(name string) bool { return strings.HasSuffix(name, ".jar") }

// javaHome is the runtime that p shows to have run, by its virtual machine; ""
// for none. Java 8 has its libraries in a directory for the machine.
func (s *selection) javaHome(p string) string {
	dir, ok := strings.CutSuffix(p, "/server/libjvm.so")
	if !ok {
		return ""
	}
	for range 2 {
		home := path.Dir(dir)
		if path.Base(dir) == "lib" && (s.has(path.Join(dir, "modules")) || s.has(path.Join(dir, "rt.jar"))) {
			return home
		}
		dir = home
	}
	return ""
}

// jreLibraries are the libraries in its own directory that classes of a
// runtime load by name (System.loadLibrary), by what they are for, and with
// their sizes in Debian 12's openjdk-17-jre-headless. A recording shows those
// of the classes that it ran.
var jreLibraries = []struct {
	always bool
	names  []string
}{
	// java.base, java.management, java.naming, java.prefs, java.rmi and what
	// of java.security and jdk.* a server may use: 1.0 MB together. They need
	// no library but the C library's and zlib. Those of older runtimes, 0.4 MB:
	// sunec, the elliptic curves of TLS up to Java 15, unpack (to 13), jaas_unix (8).
	{true, []string{
		"extnet", "instrument", "j2gss", "j2pkcs11", "jaas", "jaas_unix", "java", "jimage", "jli", "jsig", "management",
		"management_agent", "management_ext", "net", "nio", "prefs", "rmi", "sctp", "sunec", "syslookup", "unpack", "verify", "zip",
	}},
	// java.desktop: 1.7 MB, and of the system HarfBuzz, FreeType, libjpeg,
	// Little CMS and what these need. A picture needs most of it: they come if
	// one was touched, and, as the first picture may come late, unless at
	// granularity file, as what other languages bring does (ruleStdlib).
	{false, []string{"awt", "awt_headless", "fontmanager", "freetype", "javajpeg", "jpeg", "lcms", "mlib_image"}},
	// Left to the recording: attach, dt_socket, jdwp and saproc, which are for
	// debuggers, jsound, j2pcsc, and jsvml, which is for a module of the
	// incubator and named when the machine starts.
}

// jreFiles are what a runtime reads beside its modules, from its home. The
// classes of Java 8 are in jars, and it reads currencies from a file of their
// own, without which no number is formatted (java.util.Currency).
var jreFiles = []string{
	"release", "lib/modules", "lib/jvm.cfg", "lib/tzdb.dat", "lib/jspawnhelper", "lib/rt.jar", "lib/jce.jar", "lib/jsse.jar",
	"lib/charsets.jar", "lib/resources.jar", "lib/management-agent.jar", "lib/jfr.jar", "lib/currency.data",
}

// addJRE keeps what belongs to a runtime that ran.
func (s *selection) addJRE(home string, r Reason) {
	for _, f := range jreFiles {
		s.addFiles(r, path.Join(home, f))
	}
	s.addTrees(r, nil, path.Join(home, "conf"), path.Join(home, "lib/security"), path.Join(home, "lib/ext"), path.Join(home, "lib/jfr"),
		path.Join(home, "lib/management"), path.Join(home, "lib/cmm")) // of Java 8
	lib := path.Join(home, "lib")
	dirs := []string{lib}
	for _, e := range s.tree.Children(lib) {
		switch {
		case strings.HasSuffix(e.Name(), ".properties") && e.Type != layers.Directory:
			s.add(e.Path, r)
		case s.has(path.Join(e.Path, "server/libjvm.so")) && len(dirs) < maxNamesakes:
			dirs = append(dirs, e.Path)
		}
	}
	for _, dir := range dirs {
		s.addFiles(r, path.Join(dir, "server/libjvm.so"), path.Join(dir, "jvm.cfg"), path.Join(dir, "jspawnhelper"), path.Join(dir, "server/libjsig.so"))
		s.addJRELibraries(dir, r)
	}
}

func (s *selection) addJRELibraries(dir string, r Reason) {
	for _, set := range jreLibraries {
		var files []string
		for _, name := range set.names {
			files = append(files, path.Join(dir, "lib"+name+".so"))
		}
		if set.always || s.options.Granularity != GranularityFile || slices.ContainsFunc(files, func(f string) bool { return s.touched(f) != nil }) {
			s.addFiles(r, files...)
		}
	}
}
