package elfdeps

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
)

// hostTree is this machine's own root.
type hostTree struct{}

func (hostTree) ResolveFile(p string) (string, bool) {
	final, err := filepath.EvalSymlinks(p)
	if err != nil {
		return "", false
	}
	st, err := os.Stat(final)
	return final, err == nil && st.Mode().IsRegular()
}

func (hostTree) ELF(final string) *Info {
	info, err := parseFile(final)
	if err != nil {
		return nil
	}
	return info
}

func (hostTree) ReadFile(p string) []byte { b, _ := os.ReadFile(p); return b }

func (hostTree) ReadDir(p string) []string {
	list, _ := os.ReadDir(p)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// closure follows Deps to the end, as slim's rule does.
func closure(r *Resolver, program string) map[string]string {
	libs := map[string]string{}
	queue := []File{{Path: program, Final: program}}
	for len(queue) > 0 {
		f := queue[0]
		queue = queue[1:]
		for _, d := range r.Deps(f, nil) {
			if d.Via == "hwcaps" || d.Via == "interp" {
				continue
			}
			if _, ok := libs[d.Name]; ok {
				continue
			}
			libs[d.Name] = d.Final
			if d.Final != "" {
				queue = append(queue, File{Path: d.Path, Final: d.Final, Inherited: r.Hands(f)})
			}
		}
	}
	return libs
}

// TestDepsAgreeWithTheLoader asks the machine's own loader what programs load
// (LD_TRACE_LOADED_OBJECTS, as ldd does).
func TestDepsAgreeWithTheLoader(t *testing.T) {
	needTool(t, "ldd")
	r := NewResolver(hostTree{})
	compared, excluded := 0, map[string]int{}
	for _, program := range systemPrograms(t, 250) {
		info, err := parseFile(program)
		if err != nil || info.Interp == "" || len(info.Needed) == 0 {
			excluded["static"]++
			continue
		}
		out, err := exec.Command(info.Interp, "--list", program).CombinedOutput()
		if err != nil {
			excluded["the loader refuses it"]++
			continue
		}
		want := map[string]string{}
		for line := range strings.Lines(string(out)) {
			name, rest, ok := strings.Cut(strings.TrimSpace(line), " => ")
			if !ok {
				continue // the vdso and the loader itself
			}
			file, _, _ := strings.Cut(rest, " (")
			if final, err := filepath.EvalSymlinks(file); err == nil {
				want[name] = final
			}
		}
		got := closure(r, program)
		delete(got, path.Base(info.Interp)) // already loaded, not listed
		for name := range got {
			if strings.HasPrefix(name, "ld-linux") {
				delete(got, name)
			}
		}
		compared++
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-loader +ours):\n%s", program, diff)
		}
	}
	t.Logf("%d programs compared, excluded: %v", compared, excluded)
	if compared == 0 {
		t.Fatal("nothing was compared")
	}
}

// memTree holds files by path; a value that starts with "-> " is a symlink.
type memTree map[string][]byte

func (m memTree) ResolveFile(p string) (string, bool) {
	for range 40 {
		b, ok := m[p]
		if !ok {
			return "", false
		}
		target, link := strings.CutPrefix(string(b), "-> ")
		if !link {
			return p, true
		}
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(p), target)
		}
		p = target
	}
	return "", false
}

func (m memTree) ELF(final string) *Info {
	info, err := Parse(bytes.NewReader(m[final]), int64(len(m[final])))
	if err != nil {
		return nil
	}
	return info
}

func (m memTree) ReadFile(p string) []byte { return m[p] }

func (m memTree) ReadDir(dir string) []string {
	var names []string
	for p := range m {
		if rest, ok := strings.CutPrefix(p, strings.TrimSuffix(dir, "/")+"/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return slices.Compact(names)
}

var _ Tree = memTree{}

func lib(soname string, needed ...string) []byte {
	return testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, Soname: soname, Needed: needed}.Bytes()
}

func prog(f testelf.File) []byte {
	f.Class, f.Machine, f.Type = 2, machineX86_64, typeDyn
	return f.Bytes()
}

func TestSearchOrder(t *testing.T) {
	x := lib("x.so")
	x32 := testelf.File{Class: 1, Machine: machine386, Type: typeDyn}.Bytes()
	for name, c := range map[string]struct {
		tree memTree
		file File
		env  []string
		want []string // via path
	}{
		"rpath before env": {
			memTree{"/app/p": prog(testelf.File{Needed: []string{"x.so"}, RPath: "$ORIGIN/lib"}), "/app/lib/x.so": x, "/env/x.so": x},
			File{Path: "/app/p", Final: "/app/p"},
			[]string{"/env"},
			[]string{"rpath /app/lib/x.so"},
		},
		"env before runpath": {
			memTree{"/app/p": prog(testelf.File{Needed: []string{"x.so"}, RunPath: "${ORIGIN}/lib"}), "/app/lib/x.so": x, "/env/x.so": x},
			File{Path: "/app/p", Final: "/app/p"},
			[]string{"/env"},
			[]string{"env /env/x.so"},
		},
		"a runpath silences inherited rpath": {
			memTree{"/p": prog(testelf.File{Needed: []string{"x.so"}, RunPath: "/none"}), "/in/x.so": x, "/usr/lib/x.so": x},
			File{Path: "/p", Final: "/p", Inherited: []string{"/in"}},
			nil,
			[]string{"default /usr/lib/x.so"},
		},
		"inherited rpath": {
			memTree{"/p": prog(testelf.File{Needed: []string{"x.so"}}), "/in/x.so": x, "/usr/lib/x.so": x},
			File{Path: "/p", Final: "/p", Inherited: []string{"/in"}},
			nil,
			[]string{"rpath /in/x.so"},
		},
		"conf with include before default": {
			memTree{
				"/p": prog(testelf.File{Needed: []string{"x.so"}}), "/etc/ld.so.conf": []byte("# c\ninclude ld.so.conf.d/*.conf\n/last\n"),
				"/etc/ld.so.conf.d/a.conf": []byte("/opt/a # why\n"), "/opt/a/x.so": x, "/last/x.so": x, "/lib/x.so": x,
			},
			File{Path: "/p", Final: "/p"},
			nil,
			[]string{"conf /opt/a/x.so"},
		},
		"another machine's library is passed over": {
			memTree{"/p": prog(testelf.File{Needed: []string{"x.so"}}), "/lib/x86_64-linux-gnu/x.so": x32, "/usr/lib/x.so": x},
			File{Path: "/p", Final: "/p"},
			nil,
			[]string{"default /usr/lib/x.so"},
		},
		"variants and baseline": {
			memTree{
				"/p": prog(testelf.File{Needed: []string{"x.so"}}), "/usr/lib/x.so": x,
				"/usr/lib/glibc-hwcaps/x86-64-v2/x.so": x, "/usr/lib/glibc-hwcaps/x86-64-v3/x.so": x,
			},
			File{Path: "/p", Final: "/p"},
			nil,
			[]string{"hwcaps /usr/lib/glibc-hwcaps/x86-64-v2/x.so", "hwcaps /usr/lib/glibc-hwcaps/x86-64-v3/x.so", "default /usr/lib/x.so"},
		},
		"origin of a link and of its target": {
			memTree{"/bin/p": []byte("-> /opt/p/bin/p"), "/opt/p/bin/p": prog(testelf.File{Needed: []string{"x.so"}, RunPath: "$ORIGIN/../lib"}), "/opt/p/lib/x.so": x},
			File{Path: "/bin/p", Final: "/opt/p/bin/p"},
			nil,
			[]string{"runpath /opt/p/lib/x.so"},
		},
		"a path in DT_NEEDED": {
			memTree{"/p": prog(testelf.File{Needed: []string{"/odd/x.so"}}), "/odd/x.so": x},
			File{Path: "/p", Final: "/p"},
			nil,
			[]string{"path /odd/x.so"},
		},
		"musl": {
			memTree{"/p": prog(testelf.File{Needed: []string{"x.so"}}), "/lib/ld-musl-x86_64.so.1": x, "/etc/ld-musl-x86_64.path": []byte("/m1\n/m2:/m3\n"), "/m3/x.so": x},
			File{Path: "/p", Final: "/p"},
			nil,
			[]string{"default /m3/x.so"},
		},
		"interpreter, and a library that is nowhere": {
			memTree{"/p": prog(testelf.File{Interp: "/lib64/ld.so", Needed: []string{"gone.so"}}), "/lib64/ld.so": []byte("-> /lib/ld.so"), "/lib/ld.so": x},
			File{Path: "/p", Final: "/p"},
			nil,
			[]string{"interp /lib64/ld.so", " gone.so"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range NewResolver(c.tree).Deps(c.file, c.env) {
				if f.Path == "" {
					got = append(got, " "+f.Name)
					continue
				}
				got = append(got, f.Via+" "+f.Path)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfIncludingItselfEnds(t *testing.T) {
	r := NewResolver(memTree{"/etc/ld.so.conf": []byte("include /etc/*.conf\n/a\n")})
	if got := r.ConfigFiles(); !slices.Equal(got, []string{"/etc/ld.so.conf"}) {
		t.Errorf("files: %q", got)
	}
}

func FuzzConf(f *testing.F) {
	f.Add([]byte("include *.conf\n/usr/lib # x\nhwcap 0 nosegneg\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewResolver(memTree{"/etc/ld.so.conf": b, "/etc/x.conf": b})
		if len(r.conf.dirs) > maxConfDirs || len(r.conf.files) > maxConfFiles {
			t.Fatal("over the bounds")
		}
	})
}
