package profile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show is an access as one line: "/p exec,open" with "!" when it never existed.
func show(p *Profile) []string {
	var out []string
	for _, a := range p.Accesses {
		var s strings.Builder
		s.WriteString(a.Path)
		if a.Resolved != "" {
			s.WriteString(" => " + a.Resolved)
		}
		for i, k := range a.Kinds {
			if i == 0 {
				s.WriteString(" ")
			} else {
				s.WriteString(",")
			}
			s.WriteString(string(k))
		}
		if !a.Exists {
			s.WriteString(" !")
		}
		out = append(out, s.String())
	}
	return out
}

const begin = `1 execve("/bin/app", ["app", "-x"], ["HOME=/home/u", "TOKEN=secret"]) = 0
`

func TestImportStraceShapes(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"relative to the working directory, and dirfd": {
			`1 chdir("/srv") = 0
1 openat(AT_FDCWD, "conf/a", O_RDONLY|O_CLOEXEC) = 3
1 openat(AT_FDCWD, "d", O_RDONLY|O_DIRECTORY) = 4
1 getdents64(4, 0x55 /* 3 entries */, 32768) = 80
1 newfstatat(4, "x", {st_mode=S_IFREG|0644, st_size=1}, 0) = 0
1 newfstatat(4, "", {st_mode=S_IFDIR|0755}, AT_EMPTY_PATH) = 0
1 close(4) = 0
1 newfstatat(4, "y", 0x7f, 0) = -1 EBADF (Bad file descriptor)
`,
			[]string{"/bin/app exec", "/srv chdir", "/srv/conf/a open", "/srv/d list,open,stat", "/srv/d/x stat"},
		},
		"descriptors that are copied, closed, or only will be at the next exec": {
			`1 open("/d", O_RDONLY|O_DIRECTORY) = 4
1 fchdir(4) = 0
1 stat("a", 0x1) = 0
1 dup2(4, 9) = 9
1 close_range(3, 8, CLOSE_RANGE_CLOEXEC) = 0
1 newfstatat(4, "b", 0x7f, 0) = 0
1 close_range(3, 8, 0) = 0
1 newfstatat(4, "c", 0x7f, 0) = -1 EBADF (Bad file descriptor)
1 newfstatat(9, "e", 0x7f, 0) = 0
1 fcntl(9, F_DUPFD_CLOEXEC, 20) = 20
1 fcntl(9, F_GETFD) = 0
1 newfstatat(20, "f", 0x7f, 0) = 0
1 getdents(20, 0x55 /* 3 entries */, 32768) = 80
1 close_range(3, 4294967295, CLOSE_RANGE_UNSHARE) = 0
1 newfstatat(20, "g", 0x7f, 0) = -1 EBADF (Bad file descriptor)
1 fchdir(77) = 0
1 stat("lost", 0x1) = 0
`,
			[]string{"/bin/app exec", "/d chdir,list,open", "/d/a stat", "/d/b stat", "/d/e stat", "/d/f stat"},
		},
		"decorated": {
			`1 openat(AT_FDCWD</w>, "a", O_RDONLY) = 3</real/a>
1 readlinkat(5</dir>, "l", "t", 4096) = 1
1 connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/run/s"}, 110) = -1 ENOENT (No such file or directory)
`,
			[]string{"/bin/app exec", "/dir/l readlink", "/run/s open !", "/w/a => /real/a open"},
		},
		"interrupted by another process": {
			`1 vfork( <unfinished ...>
2 chdir("/c") = 0
2 execve("./tool", ["tool"], 0x0 /* 0 vars */ <unfinished ...>
1 <... vfork resumed>) = 7
2 <... execve resumed>) = 0
1 stat("r", 0x1) = -1 ENOENT (No such file or directory)
2 access("s", R_OK) = 0
2 +++ exited with 0 +++
`,
			[]string{"/bin/app exec", "/c chdir", "/c/s stat", "/c/tool exec", "/r stat !"},
		},
		"a program that another thread than the first starts": { // Go's syscall.Exec, by strace 6.1
			`1 clone(child_stack=0x7, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD) = 2
1 openat(AT_FDCWD, "gone", O_RDONLY <unfinished ...>
2 execve("/bin/next", ["next"], 0x0 /* 0 vars */ <unfinished ...>
1 +++ superseded by execve in pid 2 +++
1 <... execve resumed>) = 0
1 stat("/late", 0x1) = 0
`,
			[]string{"/bin/app exec", "/bin/next exec", "/late stat"},
		},
		"a child that speaks before its parent's clone returns": {
			`2 chdir("/early") = 0
2 stat("f", 0x1) = 0
1 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 2
1 stat("g", 0x1) = 0
`,
			[]string{"/bin/app exec", "/early chdir", "/early/f stat", "/g stat"},
		},
		"threads share, processes do not": {
			`1 clone(child_stack=0x7, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD) = 2
2 chdir("/t") = 0
1 stat("a", 0x1) = 0
1 fork() = 3
3 chdir("/p") = 0
1 stat("b", 0x1) = 0
`,
			[]string{"/bin/app exec", "/p chdir", "/t chdir", "/t/a stat", "/t/b stat"},
		},
		"chroot": {
			`1 chroot("/jail") = 0
1 chdir("/") = 0
1 stat("etc/x", 0x1) = 0
1 stat("/../y", 0x1) = 0
`,
			[]string{"/bin/app exec", "/jail chdir", "/jail/etc/x stat", "/jail/y stat"},
		},
		"escapes, cut-off strings, no strings": {
			`1 open("/a\tb\303\251\x41\"\\", O_RDONLY) = 3
1 open("/very/long"..., O_RDONLY) = 3
1 open(NULL, O_RDONLY) = -1 EFAULT (Bad address)
1 open("/no\0012", O_RDONLY) = -1 EACCES (Permission denied)
`,
			[]string{"/a\tb\u00e9A\"\\ open", "/bin/app exec", "/no\x012 open"},
		},
		"kinds": {
			`1 open("/w", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3
1 rename("/o", "/n") = 0
1 unlinkat(AT_FDCWD, "/u", 0) = 0
1 mkdir("/m", 0777) = -1 EEXIST (File exists)
1 symlink("text", "/s") = 0
1 getxattr("/x", "security.capability", 0x1, 20) = -1 ENODATA (No data available)
1 inotify_add_watch(3, "/watch", IN_CREATE) = 1
`,
			[]string{"/bin/app exec", "/m stat", "/n rename", "/o rename", "/s create", "/u delete", "/w create,write", "/watch watch", "/x xattr"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, err := ImportStrace(strings.NewReader(begin+c.in), StraceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, show(p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestImportStraceFacts(t *testing.T) {
	in := `9 openat(AT_FDCWD, "/host/runc", O_RDONLY) = 3
9 chdir("/work") = 0
8 execve("/usr/bin/nosuch", ["x"], 0x0) = -1 ENOENT (No such file or directory)
` + strings.Replace(begin, "1 ", "9 ", 1) + `9 stat("f", 0x1) = 0
9 setgid(33) = 0
9 setresuid(-1, 33, -1) = 0
9 bind(6, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}, 16) = 0
9 bind(7, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0)}, 28) = 0
9 --- SIGTERM {si_signo=SIGTERM} ---
9 <... read resumed>"x", 1) = 1
`
	p, report, err := ImportStrace(strings.NewReader(in), StraceOptions{Image: Image{Digest: "sha256:a"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/bin/app exec", "/work/f stat"}, show(p)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]User{{33, 33}}, p.Users); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(p.Ports, []int{80, 443}) || !slices.Equal(p.Home, []string{"/home/u"}) || p.Lost() != 1 {
		t.Errorf("ports %v, home %v, lost %d", p.Ports, p.Home, p.Lost())
	}
	if got := fmt.Sprintf("%+v", p); strings.Contains(got, "secret") {
		t.Error("an environment value reached the profile")
	}
	if diff := cmp.Diff([]string{"app", "-x"}, p.Sessions[0].Argv); diff != "" {
		t.Error(diff)
	}
	if report.Skipped["no system call"] != 1 || report.Skipped["resumed without a beginning"] != 1 {
		t.Errorf("%+v", report)
	}
}

func TestImportStraceTimesAndPrefixes(t *testing.T) {
	for name, in := range map[string]string{
		"-ttt":      "1 1700000000.000000 execve(\"/a\", [], 0x0) = 0\n1 1700000000.250000 stat(\"/b\", 0x1) = 0 <0.000010>\n",
		"-tt":       "[pid 1] 10:00:00.000000 execve(\"/a\", [], 0x0) = 0\n[pid 1] 10:00:00.250000 stat(\"/b\", 0x1) = 0\n",
		"-r":        "1      0.000000 execve(\"/a\", [], 0x0) = 0\n1      0.250000 stat(\"/b\", 0x1) = 0\n",
		"no number": "10:00:00.000000 execve(\"/a\", [], 0x0) = 0\n10:00:00.250000 stat(\"/b\", 0x1) = 0\n",
	} {
		t.Run(name, func(t *testing.T) {
			p, _, err := ImportStrace(strings.NewReader(in), StraceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Accesses) != 2 || p.Accesses[0].FirstMS != 0 || p.Accesses[1].FirstMS != 250 {
				t.Errorf("%+v", p.Accesses)
			}
		})
	}
}

func FuzzImportStrace(f *testing.F) {
	f.Add(begin + "1 openat(3</x>, \"y\\x0\", O_RDONLY <unfinished ...>\n1 <... openat resumed>) = 3</z>\n1 fork() = 2\n2 chroot(\"/..\") = 0\n")
	f.Add(begin + "1 connect(3<TCP:[1.2.3.4:1->2.3.4.5:2]>, {sun_path=\"/a\"}, 3) = 0\n1 execve(\"\", [\"], 0) = 0\n")
	f.Add(begin + "1 bind(1, {sun_path=, 2) = 0\n")
	f.Fuzz(func(t *testing.T, in string) {
		p, _, err := ImportStrace(strings.NewReader(in), StraceOptions{})
		if err != nil {
			return
		}
		for _, a := range p.Accesses {
			if err := checkPath(a.Path); err != nil {
				t.Fatalf("%q: %v", a.Path, err)
			}
		}
	})
}

// needTool skips on a machine without a tool; in CI that is a failure.
func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
}

// TestImportOfARealTrace runs programs whose accesses are known under strace
// with the flags people use.
func TestImportOfARealTrace(t *testing.T) {
	needTool(t, "strace")
	script := `cd sub && cat ../one > out; (cd deeper && cat two) ; ls deeper >/dev/null; test -e gone || : ; sh -c 'cat deeper/two' & wait; mv out out2; rm out2`
	for _, flags := range []string{"-f", "-f -s 4096 -ttt", "-f -y -tt -v", "-f -yy -T -r", "-f --decode-pids=pidns -y -ttt"} {
		t.Run(flags, func(t *testing.T) {
			dir := t.TempDir()
			for name, body := range map[string]string{"one": "1", "sub/deeper/two": "2"} {
				file := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			trace := filepath.Join(t.TempDir(), "trace")
			cmd := exec.Command("strace", append(strings.Fields(flags), "-o", trace, "sh", "-c", script)...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("strace: %v: %s", err, out)
			}
			f, err := os.Open(trace)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			p, report, err := ImportStrace(f, StraceOptions{Cwd: dir})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", report)
			got := map[string]Access{}
			for _, a := range p.Accesses {
				got[strings.TrimPrefix(a.Path, dir)] = a
			}
			for path, k := range map[string]Kind{
				"/sub": Chdir, "/sub/../one": Open, "/sub/out": Create, "/sub/deeper": List,
				"/sub/deeper/two": Open, "/sub/out2": Delete,
			} {
				if a := got[path]; !a.Has(k) || !a.Exists {
					t.Errorf("%s: %+v, want %s", path, a, k)
				}
			}
			if a := got["/sub/gone"]; a.Exists || !a.Has(Stat) {
				t.Errorf("/sub/gone: %+v", a)
			}
			if by := got["/sub/deeper/two"].By; len(by) != 1 || !strings.HasSuffix(by[0], "/cat") {
				t.Errorf("two was read by %q", by)
			}
		})
	}
}

// With --decode-pids=pidns each clone says which child is its own, whatever
// the order in which parents and children come to be seen.
func TestImportStraceDecodedParents(t *testing.T) {
	const trace = `1 1.0 execve("/bin/app", ["app"], 0x1 /* 1 var */) = 0
1 1.1 clone(child_stack=NULL, flags=SIGCHLD) = 2 /* 102 in strace's PID NS */
102 1.2 chdir("/b") = 0
1 1.3 chdir("/a") = 0
1 1.4 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>
102 1.5 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>
103 1.6 openat(AT_FDCWD, "of-b", O_RDONLY) = 3
104 1.7 openat(AT_FDCWD, "of-a", O_RDONLY) = 3
102 1.8 <... clone resumed>) = 3 /* 103 in strace's PID NS */
1 1.9 <... clone resumed>) = 4 /* 104 in strace's PID NS */
`
	p, report, err := ImportStrace(strings.NewReader(trace), StraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range p.Accesses {
		got = append(got, a.Path)
	}
	if d := cmp.Diff([]string{"/a", "/a/of-a", "/b", "/b/of-b", "/bin/app"}, got); d != "" {
		t.Errorf("paths (-want +got):\n%s", d)
	}
	if len(report.Lossy) > 0 {
		t.Errorf("called lossy: %q", report.Lossy)
	}
}
