package profile

import (
	"strings"
	"testing"
)

func TestImportGadget(t *testing.T) { // from schema
	const proc = `"runtime":{"containerName":"app","containerId":"0123456789abcdef"},"proc":{"comm":"app","pid":7,"mntns_id":5,"creds":{"uid":0,"gid":0}},`
	for name, c := range map[string]struct {
		in   string
		want imported
	}{
		"current: names, errors and flags as text, full paths": {
			`{` + proc + `"timestamp":"2026-01-01T00:00:00.000000000Z","fname":"/etc/a","fpath":"","error":"","error_raw":0,"flags":"O_RDONLY|O_CLOEXEC"}
{` + proc + `"timestamp":"2026-01-01T00:00:00.001000000Z","fname":"/etc/b","error":"No such file or directory","error_raw":2,"flags":"O_RDONLY"}
{` + proc + `"timestamp":"2026-01-01T00:00:00.002000000Z","fname":"conf/c","fpath":"/srv/conf/c","error":"","flags":"O_WRONLY|O_CREAT"}
{` + proc + `"fname":"rel","error":""}
{` + proc + `"fname":"/etc/secret","error":"EACCES"}
{` + proc + `"fname":"/lib/l.so","fpath":"/usr/lib/l.so.1","flags":"O_RDONLY"}
{` + proc + `"fname":"/` + strings.Repeat("x", 253) + `"}`,
			imported{[]string{
				"/etc/a open", "/etc/b open !", "/etc/secret open", "/lib/l.so => /usr/lib/l.so.1 open",
				"/srv/conf/c => /srv/conf/c create,write",
			}, map[string]int{skipRelative: 1, skipCut: 1}, 2},
		},
		"images of 2024, one array: numbers": {
			`[{"mntns_id":5,"pid":7,"comm":"app","uid":0,"gid":0,"ret":3,"flags":577,"fname":"/a"},
 {"mntns_id":5,"pid":7,"comm":"app","uid":0,"gid":0,"ret":-2,"flags":0,"fname":"/b"},
 {"mntns_id":5,"pid":7,"comm":"app","uid":0,"gid":0,"err":13,"flags":0,"fname":"/c"}]`,
			imported{paths: []string{"/a create,write", "/b open !", "/c open"}},
		},
		"built in: path, fullPath, lists": {
			`{"type":"normal","node":"n","namespace":"ns","pod":"p","container":"app","mountnsid":5,"pid":7,"gid":0,"comm":"app","err":2,"flags":["O_RDONLY"],"path":"/a"}
{"type":"info","message":"hello","k8s":{"node":"n"},"runtime":"docker","mountnsid":5,"pid":7}
{"type":"normal","k8s":{"namespace":"ns","pod":"p","container":"app"},"mountnsid":5,"pid":7,"gid":0,"flags":["O_WRONLY","O_CREAT"],"path":"b","fullPath":"/w/b"}
{"type":"normal","k8s":{"namespace":"ns","pod":"p","container":"app"},"mountnsid":5,"pid":7,"gid":0,"args":["/bin/my tool","x"]}`,
			imported{[]string{"/a open !", "/bin/my tool exec", "/w/b => /w/b create,write"}, map[string]int{"a message of the gadget, no event": 1}, 0},
		},
		"exec: a link, a script, a relative name": {
			`{` + proc + `"args":"/bin/sh -c x","cwd":"/","file":"/usr/bin/dash","exepath":"/usr/bin/dash","error":""}
{` + proc + `"args":"./run.py now","cwd":"/app","file":"/app/run.py","exepath":"/usr/bin/python3","error":""}
{` + proc + `"args":"/opt/my tool x","cwd":"/","file":"/opt/my tool","exepath":"/opt/my tool","error":""}
{` + proc + `"args":"/nothing","cwd":"","error":"ENOENT"}`,
			imported{paths: []string{
				"/app/run.py => /app/run.py exec", "/bin/sh => /usr/bin/dash exec", "/nothing exec !",
				"/opt/my tool => /opt/my tool exec", "/usr/bin/dash exec", "/usr/bin/python3 exec",
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := importText(t, FormatGadget, c.in, ImportOptions{})
			same(t, got, c.want)
		})
	}
}

func TestImportGadgetPrograms(t *testing.T) { // from schema
	in := `{"proc":{"pid":7,"mntns_id":5,"creds":{"uid":0,"gid":0}},"args":"/app","exepath":"/app","timestamp":"2026-01-01T00:00:00Z"}
{"proc":{"pid":7,"mntns_id":5,"creds":{"uid":101,"gid":102}},"fname":"/etc/a","timestamp":"2026-01-01T00:00:02.5Z"}`
	p, _ := importText(t, FormatGadget, in, ImportOptions{})
	same(t, p.Users, []User{{101, 102}})
	for _, a := range p.Accesses {
		if a.Path == "/etc/a" {
			same(t, a.By, []string{"/app"})
			same(t, a.FirstMS, int64(2500))
		}
	}
	p, _ = importText(t, FormatGadget, strings.ReplaceAll(in, "101", "100101"), ImportOptions{})
	same(t, p.Users, []User(nil))
}

// Both schemas of Tracee say the same. The first event is from its
// documentation (docs/docs/policies/rules.md), the others from schema.
func TestImportTracee(t *testing.T) {
	var old strings.Builder
	old.WriteString(`{"timestamp":1680182976364916505,"processId":676,"mountNamespace":4026532574,"processName":"systemd-oomd","container":{},"kubernetes":{},"eventId":"730","eventName":"security_file_open","returnValue":0,"contextFlags":{"containerStarted":false,"isCompat":false},"args":[{"name":"pathname","type":"const char*","value":"/proc/meminfo"},{"name":"flags","type":"string","value":"O_RDONLY|O_LARGEFILE"},{"name":"syscall_pathname","type":"const char*","value":"/proc/meminfo"}]}
`)
	const where = `"mountNamespace":5,"container":{"id":"abc","name":"app"},"executable":{"path":"/usr/bin/app"},"contextFlags":{"containerStarted":true},`
	for _, e := range []string{
		`"eventName":"sched_process_exec","args":[{"name":"cmdpath","value":"/bin/app"},{"name":"pathname","value":"/usr/bin/app"},{"name":"interpreter_pathname","value":"/lib64/ld.so"}]`,
		`"eventName":"security_file_open","args":[{"name":"pathname","value":"/usr/lib/l.so.1"},{"name":"flags","value":32768},{"name":"syscall_pathname","value":"/lib/l.so"}]`,
		`"eventName":"security_file_open","args":[{"name":"pathname","value":"/w/x"},{"name":"flags","value":"O_WRONLY|O_CREAT"},{"name":"syscall_pathname","value":"x"}]`,
		`"eventName":"openat","returnValue":-2,"args":[{"name":"dirfd","value":-100},{"name":"pathname","value":"/none"},{"name":"flags","value":0}]`,
		`"eventName":"openat","returnValue":3,"args":[{"name":"pathname","value":"rel"}]`,
		`"eventName":"newfstatat","returnValue":0,"args":[{"name":"pathname","value":"/etc/s"}]`,
		`"eventName":"security_socket_bind","args":[{"name":"local_addr","value":{"sa_family":"AF_INET","sin_port":"8080"}}]`,
		`"eventName":"close","args":[{"name":"fd","value":3}]`,
	} {
		old.WriteString("{" + where + e + "}\n")
	}
	want := imported{[]string{
		"/bin/app exec", "/etc/s stat", "/lib/l.so => /usr/lib/l.so.1 open", "/lib64/ld.so open",
		"/none open !", "/usr/bin/app => /usr/bin/app exec", "/w/x => /w/x create,write",
	}, map[string]int{skipRelative: 1, skipKind: 1, skipOther: 1}, 1}
	p, got := importText(t, FormatTracee, old.String(), ImportOptions{})
	same(t, got, want)
	same(t, p.Ports, []int{8080})
	same(t, p.Accesses[0].By, []string{"/usr/bin/app"})

	const workload = `"timestamp":"2026-01-01T00:00:00Z","workload":{"process":{"executable":{"path":"/usr/bin/app"}},"container":{"id":"abc","name":"app","started":true}},`
	var later strings.Builder
	later.WriteString(`{"timestamp":"2026-01-01T00:00:00Z","name":"security_file_open","workload":{"process":{}},"data":[{"name":"pathname","value":"/proc/meminfo"}]}
`)
	for _, e := range []string{
		`"name":"sched_process_exec","data":[{"name":"cmdpath","str":"/bin/app"},{"name":"pathname","str":"/usr/bin/app"},{"name":"interpreter_pathname","str":"/lib64/ld.so"}]`,
		`"name":"security_file_open","data":[{"name":"pathname","value":"/usr/lib/l.so.1"},{"name":"flags","int32":32768},{"name":"syscall_pathname","value":"/lib/l.so"}]`,
		`"name":"security_file_open","data":[{"name":"pathname","value":"/w/x"},{"name":"flags","value":65},{"name":"syscall_pathname","value":"x"}]`,
		`"name":"openat","data":[{"name":"pathname","value":"/none"},{"name":"returnValue","value":-2}]`,
		`"name":"openat","data":[{"name":"pathname","value":"rel"}]`,
		`"name":"newfstatat","data":[{"name":"pathname","value":"/etc/s"}]`,
		`"name":"security_socket_bind","data":[{"name":"local_addr","sockaddr":{"sa_family":2,"sin_port":8080}}]`,
		`"name":"close","data":[]`,
	} {
		later.WriteString("{" + workload + e + "}\n")
	}
	p, got = importText(t, FormatTracee, later.String(), ImportOptions{})
	same(t, got, want)
	same(t, p.Ports, []int{8080})
}

// What a container's runtime does before its first program is not the image's.
func TestImportTraceeRuntime(t *testing.T) { // from schema
	for _, in := range []string{
		`{"eventName":"security_file_open","container":{"id":"abc"},"contextFlags":{"containerStarted":false},"args":[{"name":"pathname","value":"/runc"}]}
{"eventName":"security_file_open","container":{"id":"abc"},"contextFlags":{"containerStarted":true},"args":[{"name":"pathname","value":"/a"}]}`,
		`{"name":"security_file_open","workload":{"container":{"id":"abc","started":false}},"data":[{"name":"pathname","value":"/runc"}]}
{"name":"security_file_open","workload":{"container":{"id":"abc","started":true}},"data":[{"name":"pathname","value":"/a"}]}`,
	} {
		_, got := importText(t, FormatTracee, in, ImportOptions{})
		same(t, got, imported{[]string{"/a => /a open"}, map[string]int{"of the container's runtime, before its first program": 1}, 0})
	}
}

// Names of arguments are not those of the manual pages everywhere, and a
// script is not its interpreter. From schema: pkg/events/core.go of Tracee.
func TestImportTraceeShapes(t *testing.T) {
	arg := func(name, value string) string { return `{"name":"` + name + `","value":"` + value + `"}` }
	for name, c := range map[string]struct {
		event string
		args  []string
		ret   string
		want  imported
	}{
		"script":                 {"sched_process_exec", []string{arg("cmdpath", "./run"), arg("pathname", "/usr/bin/python3.12"), arg("interp", "/usr/bin/python3"), arg("pwd", "/app")}, "0", imported{paths: []string{"/app/run exec", "/usr/bin/python3.12 => /usr/bin/python3.12 exec"}}},
		"script, no directory":   {"sched_process_exec", []string{arg("cmdpath", "./run"), arg("pathname", "/usr/bin/python3"), arg("interp", "/usr/bin/python3")}, "0", imported{[]string{"/usr/bin/python3 => /usr/bin/python3 exec"}, nil, 1}},
		"relative program":       {"sched_process_exec", []string{arg("cmdpath", "./app"), arg("pathname", "/app/app"), arg("interp", "./app")}, "0", imported{paths: []string{"/app/app => /app/app exec"}}},
		"faccessat2":             {"faccessat2", []string{arg("fd", "-100"), arg("path", "/etc/a")}, "-2", imported{paths: []string{"/etc/a stat !"}}},
		"set_fs_pwd":             {"set_fs_pwd", []string{arg("unresolved_path", "/w"), arg("resolved_path", "/var/w")}, "0", imported{paths: []string{"/w => /var/w chdir"}}},
		"rename":                 {"rename", []string{arg("oldpath", "/a"), arg("newpath", "/b")}, "0", imported{paths: []string{"/a rename", "/b rename"}}},
		"rename that failed":     {"rename", []string{arg("oldpath", "/a"), arg("newpath", "/b")}, "-2", imported{paths: []string{"/a rename !", "/b rename !"}}},
		"security_inode_symlink": {"security_inode_symlink", []string{arg("linkpath", "/l"), arg("target", "x")}, "0", imported{paths: []string{"/l => /l create"}}},
	} {
		t.Run(name, func(t *testing.T) {
			in := `{"eventName":"` + c.event + `","container":{"id":"abc"},"returnValue":` + c.ret + `,"args":[` + strings.Join(c.args, ",") + `]}`
			_, got := importText(t, FormatTracee, in, ImportOptions{})
			same(t, got, c.want)
		})
	}
}
