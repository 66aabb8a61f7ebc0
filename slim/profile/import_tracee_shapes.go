package profile

import (
	"path"
	"strings"
)

// traceeShape says where an event has its path: args is the path that was
// asked for, file the one that the kernel found. See docs/docs/events/builtin
// of Tracee, commit a399317; system calls have the names of their manual pages.
type traceeShape struct {
	args, file string
	kinds      []Kind
}

var traceeShapes = map[string]traceeShape{
	// Hooks of the kernel: the file is there, and its path is absolute.
	"security_file_open":    {"syscall_pathname", "pathname", nil},
	"security_bprm_check":   {"", "pathname", []Kind{Exec}},
	"sched_process_exec":    {"cmdpath", "pathname", []Kind{Exec}},
	"shared_object_loaded":  {"", "pathname", []Kind{Open}},
	"security_mmap_file":    {"", "pathname", []Kind{Open}},
	"vfs_read":              {"", "pathname", []Kind{Open}},
	"vfs_readv":             {"", "pathname", []Kind{Open}},
	"vfs_write":             {"", "pathname", []Kind{Write}},
	"vfs_writev":            {"", "pathname", []Kind{Write}},
	"file_modification":     {"", "file_path", []Kind{Write}},
	"do_truncate":           {"", "pathname", []Kind{Write}},
	"security_inode_unlink": {"", "pathname", []Kind{Delete}},
	"security_inode_rename": {"", "old_path", []Kind{Rename}},
	"security_inode_mknod":  {"", "file_name", []Kind{Create}},
	"security_path_notify":  {"", "pathname", []Kind{Watch}},
	"set_fs_pwd":            {"unresolved_pathname", "resolved_pathname", []Kind{Chdir}},
	// System calls: the path is as the program wrote it, and may be nowhere.
	"open":              {"pathname", "", nil},
	"openat":            {"pathname", "", nil},
	"openat2":           {"pathname", "", nil},
	"creat":             {"pathname", "", []Kind{Create, Write}},
	"execve":            {"pathname", "", []Kind{Exec}},
	"execveat":          {"pathname", "", []Kind{Exec}},
	"stat":              {"pathname", "", []Kind{Stat}},
	"lstat":             {"pathname", "", []Kind{Stat}},
	"newfstatat":        {"pathname", "", []Kind{Stat}},
	"statx":             {"pathname", "", []Kind{Stat}},
	"statfs":            {"path", "", []Kind{Stat}},
	"access":            {"pathname", "", []Kind{Stat}},
	"faccessat":         {"pathname", "", []Kind{Stat}},
	"faccessat2":        {"pathname", "", []Kind{Stat}},
	"readlink":          {"pathname", "", []Kind{Readlink}},
	"readlinkat":        {"pathname", "", []Kind{Readlink}},
	"chdir":             {"path", "", []Kind{Chdir}},
	"unlink":            {"pathname", "", []Kind{Delete}},
	"unlinkat":          {"pathname", "", []Kind{Delete}},
	"rmdir":             {"pathname", "", []Kind{Delete}},
	"mkdir":             {"pathname", "", []Kind{Create}},
	"mkdirat":           {"pathname", "", []Kind{Create}},
	"inotify_add_watch": {"pathname", "", []Kind{Watch}},
}

// accesses are what an event shows. A program that the kernel chose for a
// script, sched_process_exec's interpreter_pathname, ran too.
func (s traceeShape) accesses(name string, args []traceeArg, ret scalar) []Access {
	find := func(name string) string {
		for i := range args {
			if name != "" && args[i].Name == name {
				return string(args[i].text())
			}
		}
		return ""
	}
	asked, file := find(s.args), find(s.file)
	a := Access{Path: asked, Resolved: file, Exists: true, Kinds: s.kinds}
	if !path.IsAbs(asked) && file != "" {
		a.Path = file
	}
	if s.file == "" {
		a.Exists = !missingResult(firstOf(ret, scalar(find("returnValue"))))
	}
	if a.Kinds == nil {
		flags := find("flags")
		if a.Kinds = openKinds(flags); scalar(flags).number() > 0 {
			a.Kinds = flagKinds(scalar(flags).number())
		}
	}
	out := []Access{a}
	if to := find("new_path"); to != "" {
		out = append(out, Access{Path: to, Exists: true, Kinds: []Kind{Rename}})
	}
	if interpreter := find("interpreter_pathname"); path.IsAbs(interpreter) {
		out = append(out, Access{Path: interpreter, Exists: true, Kinds: []Kind{Open}})
	}
	return out
}

// missingResult reads what a system call returned.
func missingResult(ret scalar) bool {
	return strings.HasPrefix(string(ret), "-") && missing(string(ret))
}
