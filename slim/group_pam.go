package slim

import (
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// groupPAM is stacks of PAM: the files of services with what they include, the
// modules that they name, and what those modules read (pam.d(5)). libpam opens
// a service's file and modules when a program starts a session of it, so that
// a recording shows the stacks of those who logged in. The services are those
// that were touched, those named as a program that ran, and "other"; by name
// (--group pam) all that are configured. Passwords (/etc/shadow) are not of
// it.
var groupPAM = group{
	name:      "pam",
	triggered: isPAM,
	add: func(s *selection, r Reason) {
		k := &pamKeeper{selection: s, reason: r, modules: s.pamModules(), seen: map[string]bool{}}
		if !k.configured() {
			k.stack("", s.readConfig(pamConf)) // read only where there is no directory
			s.addFiles(r, pamConf)
		}
		for _, name := range s.pamServices() {
			k.service(name)
		}
	},
}

func isPAM(p string) bool {
	return strings.HasPrefix(path.Base(p), "libpam.so") || under(pamDirs...)(p) || p == pamConf || pamModule(p)
}

// pamDirs hold the files of services; the first that has one counts.
var pamDirs = []string{"/etc/pam.d", "/usr/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d"}

const pamConf = "/etc/pam.conf"

// pamReads are files that modules of Linux-PAM open unasked, from their manual
// pages, and programs that they run.
var pamReads = map[string][]string{
	"pam_access.so":    {"/etc/security/access.conf", "/etc/security/access.d"},
	"pam_cap.so":       {"/etc/security/capability.conf"},
	"pam_env.so":       {"/etc/security/pam_env.conf", "/etc/environment"},
	"pam_faillock.so":  {"/etc/security/faillock.conf"},
	"pam_group.so":     {"/etc/security/group.conf"},
	"pam_issue.so":     {"/etc/issue"},
	"pam_limits.so":    {"/etc/security/limits.conf", "/etc/security/limits.d"},
	"pam_mkhomedir.so": {"/sbin/mkhomedir_helper", "/usr/sbin/mkhomedir_helper", "/etc/skel"},
	"pam_motd.so":      {"/etc/motd", "/etc/motd.d", "/usr/lib/motd.d"},
	"pam_namespace.so": {"/etc/security/namespace.conf", "/etc/security/namespace.d", "/etc/security/namespace.init"},
	"pam_pwhistory.so": {"/etc/security/pwhistory.conf", "/sbin/pwhistory_helper", "/usr/sbin/pwhistory_helper"},
	"pam_pwquality.so": {"/etc/security/pwquality.conf", "/etc/security/pwquality.conf.d", "/var/cache/cracklib", "/usr/share/cracklib"},
	"pam_securetty.so": {"/etc/securetty"},
	"pam_sepermit.so":  {"/etc/security/sepermit.conf"},
	"pam_shells.so":    {"/etc/shells"},
	"pam_time.so":      {"/etc/security/time.conf"},
	"pam_unix.so":      {"/etc/login.defs", "/sbin/unix_chkpwd", "/usr/sbin/unix_chkpwd", "/sbin/unix_update", "/usr/sbin/unix_update"},
	"pam_xauth.so":     {"/etc/security/xauth.conf"},
}

// pamModule says that p is a module where libpam looks for one.
func pamModule(p string) bool {
	dir, name := path.Split(p)
	root, last := path.Split(path.Clean(dir))
	return last == "security" && strings.HasPrefix(name, "pam_") && strings.HasSuffix(name, ".so") && libraryDir.MatchString(path.Clean(root))
}

// pamModules are the modules that are installed, by name.
func (s *selection) pamModules() map[string][]*layers.Entry {
	out := map[string][]*layers.Entry{}
	for _, root := range s.libraryRoots() {
		for _, e := range s.tree.Children(path.Join(root, "security")) {
			out[e.Name()] = append(out[e.Name()], e)
		}
	}
	return out
}

// pamServices are the services that the workload may start, sorted.
func (s *selection) pamServices() []string {
	names := map[string]bool{"other": true}
	used := s.firstTouched(isPAM) != ""
	for _, dir := range pamDirs {
		res, err := s.tree.Resolve(dir)
		if err != nil {
			continue
		}
		for _, e := range s.tree.Children(res.Entry.Path) {
			if !used || s.touched(e.Path) != nil {
				names[e.Name()] = true
			}
		}
	}
	for _, p := range s.touchedIn {
		if s.touched(p).Has(profile.Exec) {
			names[path.Base(p)] = true
		}
	}
	return sortedKeys(names)
}

// pamKeeper keeps stacks. A service is read once, and a word looked up once.
type pamKeeper struct {
	*selection
	reason  Reason
	modules map[string][]*layers.Entry
	seen    map[string]bool
}

// configured says that there is a directory of services.
func (k *pamKeeper) configured() bool {
	return slices.ContainsFunc(pamDirs, func(dir string) bool {
		res, err := k.tree.Resolve(dir)
		return err == nil && res.Entry.Type == layers.Directory
	})
}

// service keeps the file of a service, by name or absolute path.
func (k *pamKeeper) service(name string) {
	dirs := pamDirs
	if path.IsAbs(name) {
		dirs = []string{"/"}
	}
	for _, dir := range dirs {
		file := path.Join(dir, name)
		if !k.has(file) || slices.Contains(pamSecrets, file) {
			continue
		}
		if !k.seen[file] {
			k.seen[file] = true
			k.addFiles(k.reason, file)
			k.stack(file, k.readConfig(file))
		}
		return
	}
}

// stack keeps what the lines of a service's file name; without a file they are
// those of pam.conf, which begin with the service.
func (k *pamKeeper) stack(file string, text []byte) {
	joined := strings.ReplaceAll(string(text), "\\\n", " ")
	for line := range strings.Lines(joined) {
		line, _, _ = strings.Cut(line, "#")
		words := pamWords(line)
		if file == "" && len(words) > 0 {
			words = words[1:]
		}
		switch {
		case len(words) == 2 && words[0] == "@include":
			k.service(words[1])
		case len(words) < 3:
		case words[1] == "include" || words[1] == "substack":
			k.service(words[2])
		default:
			k.module(words[2], words[3:])
		}
	}
}

// pamWords splits a line at blanks, but for those in brackets, which hold a
// control or an argument (pam.d(5)).
func pamWords(line string) []string {
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		end := strings.IndexAny(line, " \t")
		if line[0] == '[' {
			if i := strings.IndexByte(line, ']'); i > 0 {
				end = i + 1
			}
		}
		if end < 0 || end > len(line) {
			end = len(line)
		}
		words = append(words, strings.Trim(line[:end], "[]"))
		line = line[end:]
	}
	return words
}

// module keeps a module, what it reads, and the files that its arguments name.
func (k *pamKeeper) module(name string, args []string) {
	if path.IsAbs(name) {
		k.file(name)
	}
	name = path.Base(name)
	if !k.seen[name] {
		k.seen[name] = true
		for _, e := range k.modules[name] {
			k.add(e.Path, k.reason)
		}
		k.addTrees(k.reason, nil, pamReads[name]...)
	}
	for _, a := range args {
		if _, value, ok := strings.Cut(a, "="); ok {
			a = value
		}
		if path.IsAbs(a) {
			k.file(a)
		}
	}
}

// file keeps a file by its absolute name. Directories that arguments name are
// the users' (homes, state), and password files are never of the group.
func (k *pamKeeper) file(name string) {
	if k.seen[name] || !k.spendLookups(1) {
		return
	}
	k.seen[name] = true
	res, err := k.tree.Resolve(name)
	if err != nil || res.Entry.Type != layers.Regular || slices.Contains(pamSecrets, res.Entry.Path) {
		return
	}
	k.addFiles(k.reason, name)
}

var pamSecrets = []string{"/etc/shadow", "/etc/gshadow", "/etc/security/opasswd"}
