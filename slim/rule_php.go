package slim

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// rulePHP keeps what PHP reads whenever it starts, and Composer's autoloader
// whenever code is loaded by it: of a touched configuration, php.ini, the
// directory that is scanned with it, the extensions and files that these
// name, and of php-fpm the pools that it includes
// (php.net/configuration.file, php.net/install.fpm.configuration).
var rulePHP = rule{
	name: "php",
	seed: func(s *selection) {
		for _, p := range s.touchedIn {
			if dir := phpScanDir(p); dir != "" && !s.phpDirs[dir] {
				s.phpDirs[dir] = true
				s.addPHPConfig(dir, Reason{Rule: "php", From: p})
			}
			if isFPM(p) {
				s.addPools(p)
			}
		}
	},
	visit: func(s *selection, e *layers.Entry) {
		if e.Type == layers.Directory || !strings.HasSuffix(e.Name(), ".php") {
			return
		}
		vendor := s.phpEnv().vendorOf(e.Path)
		if vendor == "" || s.phpDirs[vendor] {
			return
		}
		s.phpDirs[vendor] = true
		r := Reason{Rule: "php", From: e.Path}
		s.addFiles(r, path.Join(vendor, "autoload.php"))
		for _, k := range s.tree.Children(path.Join(vendor, "composer")) {
			if k.Type != layers.Directory {
				s.add(k.Path, r)
			}
		}
	},
}

// phpScan matches directories of configuration that PHP scans: those of Debian
// (/etc/php/8.2/fpm/conf.d), of Docker's images (/usr/local/etc/php/conf.d), of
// Alpine (/etc/php82/conf.d) and of Red Hat's (/etc/php.d).
var phpScan = regexp.MustCompile(`^(.*/php[0-9.]*(?:/[0-9.]+/[a-z0-9]+)?/conf\.d|.*/etc/php\.d)(?:/[^/]+\.ini)?$`)

func phpScanDir(p string) string {
	if !strings.Contains(p, "/php") { // what nearly all paths come to
		return ""
	}
	m := phpScan.FindStringSubmatch(p)
	if m == nil {
		return ""
	}
	return m[1]
}

// addPHPConfig keeps what is in a directory that PHP scans, php.ini, and what
// both name.
func (s *selection) addPHPConfig(dir string, r Reason) {
	files := []string{path.Join(path.Dir(dir), "php.ini")}
	for _, e := range s.tree.Children(dir) {
		if strings.HasSuffix(e.Name(), ".ini") && e.Type != layers.Directory {
			files = append(files, e.Path)
		}
	}
	settings, left := map[string][][2]string{}, maxIni
	for _, f := range files {
		if s.has(f) {
			settings[f] = s.iniSettings(f, &left)
		}
	}
	dirs := s.extensionDirs(files, settings)
	for _, f := range files {
		if !s.has(f) {
			continue
		}
		s.add(f, r)
		for _, set := range settings[f] {
			if !s.langs.Spend(phpSettingCost * (1 + len(dirs))) {
				return
			}
			switch set[0] {
			case "extension", "zend_extension":
				s.addExtension(set[1], dirs, Reason{Rule: "php", From: f})
			case "auto_prepend_file", "auto_append_file", "opcache.preload", "browscap":
				if path.IsAbs(set[1]) {
					s.addFiles(Reason{Rule: "php", From: f}, set[1])
				}
			}
		}
	}
}

// Bounds on settings: lines of the files that are read together, and what it
// costs to look in one directory for the extension that one of them names.
const (
	maxIni         = 100_000
	phpSettingCost = 512
)

// iniSettings are the settings of a file in its order: name and value, without
// quotes and comments. left are the lines that may still be read.
func (s *selection) iniSettings(file string, left *int) [][2]string {
	var out [][2]string
	for line := range strings.Lines(string(s.read(file))) {
		if *left--; *left < 0 {
			break
		}
		line, _, _ = strings.Cut(line, ";")
		name, value, ok := strings.Cut(line, "=")
		if value = strings.Trim(strings.TrimSpace(value), `"'`); ok && len(value) < maxName {
			out = append(out, [2]string{strings.TrimSpace(name), value})
		}
	}
	return out
}

// extensionDirs are where PHP looks for extensions: where its configuration
// says (the settings by file); else where the workload loaded some; else where
// distributions put them.
func (s *selection) extensionDirs(files []string, settings map[string][][2]string) []string {
	for _, f := range files {
		for _, set := range settings[f] {
			if set[0] == "extension_dir" && path.IsAbs(set[1]) {
				return []string{set[1]}
			}
		}
	}
	var out []string
	for _, p := range s.touchedIn {
		if dir := path.Dir(p); phpExtension.MatchString(p) && !slices.Contains(out, dir) && len(out) < maxNamesakes {
			out = append(out, dir)
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, root := range s.libraryRoots() {
		for _, sub := range []string{"php", "php/extensions"} {
			for _, e := range s.tree.Children(path.Join(root, sub)) {
				if e.Type == layers.Directory {
					out = append(out, e.Path)
				}
			}
		}
	}
	return out[:min(len(out), maxNamesakes)]
}

// phpExtension matches extensions by the directories that PHP has for them:
// /usr/lib/php/20220829, /usr/local/lib/php/extensions/no-debug-non-zts-20220829,
// /usr/lib/php82/modules.
var phpExtension = regexp.MustCompile(`/php[0-9]*/(?:(?:extensions/[^/]*)?[0-9]{8}|modules)/[^/]+\.so$`)

// addExtension keeps an extension: by path, by file name, or by its name alone
// as PHP takes it since 7.2.
func (s *selection) addExtension(name string, dirs []string, r Reason) {
	if path.IsAbs(name) {
		s.addFiles(r, name)
		return
	}
	for _, dir := range dirs {
		s.addFiles(r, path.Join(dir, path.Base(name)), path.Join(dir, path.Base(name)+".so"))
	}
}

// isFPM says that p is the configuration of php-fpm.
func isFPM(p string) bool {
	name := path.Base(p)
	return strings.HasPrefix(name, "php") && strings.HasSuffix(name, "fpm.conf")
}

// addPools keeps what a configuration of php-fpm includes: files by a pattern
// in the last component; without a leading slash, from the prefix that PHP was
// built for.
func (s *selection) addPools(conf string) {
	left := maxIni
	for _, set := range s.iniSettings(conf, &left) {
		if set[0] != "include" {
			continue
		}
		dir, pattern := path.Split(set[1])
		if !path.IsAbs(dir) {
			prefix, _, _ := strings.Cut(conf, "/etc/")
			dir = path.Join("/", prefix, dir)
		}
		res, err := s.tree.Resolve(dir)
		if err != nil {
			continue
		}
		for _, e := range s.tree.Children(res.Entry.Path) {
			if ok, err := path.Match(pattern, e.Name()); ok && err == nil && e.Type != layers.Directory {
				s.add(e.Path, Reason{Rule: "php", From: conf})
			}
		}
	}
}
