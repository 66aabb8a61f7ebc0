package profile

import (
	"cmp"
	"path"
	"strings"
)

// traceeShape says where an event has its path: args is the path that was
// asked for, file the one that the kernel found. The names are those of the
// fields in pkg/events/core.go of aquasecurity/tracee, commit 0011074; of execveat, in its
// docs/docs/events/builtin/syscalls/execveat.md.
type traceeShape struct {
	args, file string
	kinds      []Kind
}

var traceeShapes = map[string]traceeShape{
	// Hooks of the kernel: the file is there, and its path is absolute.
	"security_file_open":     {"syscall_pathname", "pathname", nil},
	"security_bprm_check":    {"", "pathname", []Kind{Exec}},
	"load_elf_phdrs":         {"", "pathname", []Kind{Open}},
	"shared_object_loaded":   {"", "pathname", []Kind{Open}},
	"security_mmap_file":     {"", "pathname", []Kind{Open}},
	"vfs_read":               {"", "pathname", []Kind{Open}},
	"vfs_readv":              {"", "pathname", []Kind{Open}},
	"vfs_write":              {"", "pathname", []Kind{Write}},
	"vfs_writev":             {"", "pathname", []Kind{Write}},
	"file_modification":      {"", "file_path", []Kind{Write}},
	"do_truncate":            {"", "pathname", []Kind{Write}},
	"security_inode_unlink":  {"", "pathname", []Kind{Delete}},
	"security_inode_rename":  {"", "old_path", []Kind{Rename}},
	"security_inode_mknod":   {"", "file_name", []Kind{Create}},
	"security_inode_symlink": {"", "linkpath", []Kind{Create}},
	"security_path_notify":   {"", "pathname", []Kind{Watch}},
	"inotify_watch":          {"", "pathname", []Kind{Watch}},
	"set_fs_pwd":             {"unresolved_path", "resolved_path", []Kind{Chdir}},
	// System calls: the path is as the program wrote it, and may be nowhere.
	// openat2 has its flags behind a pointer, which is not followed.
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
	"access":            {"pathname", "", []Kind{Stat}},
	"faccessat":         {"pathname", "", []Kind{Stat}},
	"faccessat2":        {"path", "", []Kind{Stat}},
	"readlink":          {"pathname", "", []Kind{Readlink}},
	"readlinkat":        {"pathname", "", []Kind{Readlink}},
	"chdir":             {"path", "", []Kind{Chdir}},
	"rename":            {"oldpath", "", []Kind{Rename}},
	"renameat":          {"oldpath", "", []Kind{Rename}},
	"unlink":            {"pathname", "", []Kind{Delete}},
	"unlinkat":          {"pathname", "", []Kind{Delete}},
	"rmdir":             {"pathname", "", []Kind{Delete}},
	"mkdir":             {"pathname", "", []Kind{Create}},
	"mkdirat":           {"pathname", "", []Kind{Create}},
	"inotify_add_watch": {"pathname", "", []Kind{Watch}},
}

// traceeArgs are an event's arguments.
type traceeArgs []traceeArg

func (l traceeArgs) text(name string) string {
	for i := range l {
		if name != "" && l[i].Name == name {
			return string(l[i].text())
		}
	}
	return ""
}

// accesses are what an event shows.
func (s traceeShape) accesses(args traceeArgs, ret scalar) []Access {
	asked, file := args.text(s.args), args.text(s.file)
	a := Access{Path: asked, Resolved: file, Exists: true, Kinds: s.kinds}
	if !path.IsAbs(asked) && file != "" {
		a.Path = file
	}
	if s.file == "" {
		a.Exists = !missingResult(firstOf(ret, scalar(args.text("returnValue"))))
	}
	if a.Kinds == nil {
		flags := args.text("flags")
		if a.Kinds = openKinds(flags); scalar(flags).number() > 0 {
			a.Kinds = flagKinds(scalar(flags).number())
		}
	}
	out := []Access{a}
	if to := cmp.Or(args.text("new_path"), args.text("newpath")); to != "" {
		out = append(out, Access{Path: to, Exists: a.Exists, Kinds: []Kind{Rename}})
	}
	return out
}

// execAccesses are what sched_process_exec shows: cmdpath is what was called,
// pathname what runs, which of a script is its interpreter and no file that
// cmdpath leads to; and the loader of a dynamic program. A relative name of a
// program that runs itself is no loss, as pathname is that file.
func execAccesses(args traceeArgs) (list []Access, dir string) {
	called, runs := args.text("cmdpath"), args.text("pathname")
	if called != "" && (path.IsAbs(called) || args.text("interp") != called) {
		list = append(list, Access{Path: called, Exists: true, Kinds: []Kind{Exec}})
	}
	if runs != "" {
		list = append(list, Access{Path: runs, Resolved: runs, Exists: true, Kinds: []Kind{Exec}})
	}
	if loader := args.text("interpreter_pathname"); path.IsAbs(loader) {
		list = append(list, Access{Path: loader, Exists: true, Kinds: []Kind{Open}})
	}
	return list, args.text("pwd")
}

// missingResult reads what a system call returned.
func missingResult(ret scalar) bool {
	return strings.HasPrefix(string(ret), "-") && missing(string(ret))
}
