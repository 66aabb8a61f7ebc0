package profile

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// imported is what an import gave, for tables.
type imported struct {
	paths   []string
	skipped map[string]int
	lost    int64
}

func importText(t *testing.T, f Format, in string, o ImportOptions) (*Profile, imported) {
	t.Helper()
	p, report, err := Import(f, strings.NewReader(in), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Lossy) == 0 || report.Unit == "" || report.Lines == 0 {
		t.Errorf("report %+v", report)
	}
	if len(p.Sessions) != 1 || p.Sessions[0].Engine != string(f) {
		t.Errorf("sessions %+v", p.Sessions)
	}
	return p, imported{show(p), report.Skipped, p.Lost()}
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(imported{})); diff != "" {
		t.Error("want -, got +\n" + diff)
	}
}

// order is the paths by first access, with their programs.
func order(p *Profile) []string {
	var out []string
	for _, f := range p.Prefetch() {
		out = append(out, f.Path)
	}
	return out
}

func TestImportSlimToolkit(t *testing.T) {
	b, err := os.ReadFile("testdata/slimtoolkit-creport.json")
	if err != nil {
		t.Fatal(err)
	}
	p, got := importText(t, FormatSlimToolkit, string(b), ImportOptions{})
	same(t, got, imported{paths: []string{
		"/etc/group open", "/etc/ld.so.cache open,stat", "/etc/localtime open,stat",
		"/etc/nginx/conf.d open,stat", "/etc/nginx/mime.types open", "/etc/nginx/nginx.conf open,stat",
		"/etc/nginx/sites-enabled/default open", "/etc/passwd open,stat", "/run/nginx.pid open,write",
		"/usr/lib/nginx/modules/ngx_http_echo_module.so stat", "/usr/sbin/nginx exec,open",
		"/var/log/nginx/access.log open,write", "/var/www/html/index.nginx-debian.html open",
	}})
	same(t, order(p)[:3], []string{"/usr/sbin/nginx", "/etc/ld.so.cache", "/etc/nginx/nginx.conf"})
	s := p.Sessions[0]
	same(t, s.Argv, []string{"nginx", "-g", "daemon off;"})
	same(t, s.Syscalls, []string{"newfstatat", "openat", "setuid"})
	same(t, s.Kernel, "6.18")
	for _, a := range p.Accesses {
		same(t, a.By, []string{"/usr/sbin/nginx"})
	}
}

func TestImportSlimToolkitShapes(t *testing.T) { // from schema
	for name, c := range map[string]struct {
		in   string
		want imported
	}{
		"processed files only where there is nothing better": {
			`{"monitors":{"fan":null,"pt":null},"image":{"files":[{"file_path":"/b","flags":{"X":true,"R":true}},{"file_path":"/a"}]}}`,
			imported{paths: []string{"/a open", "/b exec,open"}},
		},
		"monitors are preferred": {
			`{"image":{"files":[{"file_path":"/b"}]},"monitors":{"pt":{"fs_activity":{"/a":{"syscalls":{"89":{}}},"rel":{}},"arch_name":"amd64"}}}`,
			imported{[]string{"/a readlink"}, map[string]int{skipRelative: 1}, 1},
		},
		"numbers of another architecture": {
			`{"monitors":{"pt":{"arch_name":"arm64","fs_activity":{"/a":{"syscalls":{"79":{}}},"/b":{"syscalls":{"257":{}}}}}}}`,
			imported{paths: []string{"/a stat", "/b open"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := importText(t, FormatSlimToolkit, c.in, ImportOptions{})
			same(t, got, c.want)
		})
	}
}

func TestImportCtrRemote(t *testing.T) { // from schema
	const d = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	in := `{"path":"usr/bin/app","manifestDigest":"` + d + `","layerIndex":1}
{"path":"etc/conf","manifestDigest":"` + d + `","layerIndex":0}
{"path":"","manifestDigest":"` + d + `"}
`
	p, got := importText(t, FormatCtrRemote, in, ImportOptions{})
	same(t, got, imported{[]string{"/etc/conf open", "/usr/bin/app open"}, map[string]int{skipNoPath: 1}, 0}) // "": the root
	same(t, order(p), []string{"/usr/bin/app", "/etc/conf"})
	same(t, p.Image, Image{Digest: d})
	if _, _, err := Import(FormatCtrRemote, strings.NewReader(in), ImportOptions{Image: Image{Digest: "sha256:2"}}); !errors.Is(err, ErrDifferentImage) {
		t.Errorf("another image: %v", err)
	}
	two := in + `{"path":"x","manifestDigest":"sha256:3"}`
	if _, _, err := Import(FormatCtrRemote, strings.NewReader(two), ImportOptions{}); !errors.Is(err, ErrDifferentImage) {
		t.Errorf("two images: %v", err)
	}
}

func TestImportFatrace(t *testing.T) { // from schema
	for name, c := range map[string]struct {
		in, root string
		want     imported
		first    []string
	}{
		"text": {
			in: `nginx(15): RO  /etc/conf
nginx: worker(16): CW  /var/log/a b
rm(17): D   /tmp
sh(18) [0:0]: O   /bin/x exe=/bin/x, parents=(pid=1 comm=init exe=/sbin/init)
cat(19): R   device 8:1 inode 42
cat(19): O   (deleted)
cat(19): O   /gone (deleted)
touch(20):     /t, parents=(pid=1 comm=init)
garbage
`,
			want: imported{
				[]string{"/bin/x exec,open", "/etc/conf open", "/gone open", "/t open", "/tmp write", "/var/log/a b open,write"},
				map[string]int{"the path was gone when fatrace looked": 2, skipForeign: 1},
				2,
			},
		},
		"times, past midnight": {
			in:    "23:59:59.500000 a(1): O   /b\n00:00:00.250000 a(1): O   /a\n",
			want:  imported{paths: []string{"/a open", "/b open"}},
			first: []string{"/b", "/a"},
		},
		"below a root": {
			in:   "1700000000.100000 a(1): O   /var/lib/docker/overlay2/x/merged/etc/a\n1700000000.100000 a(1): O   /etc/host\n",
			root: "/var/lib/docker/overlay2/x/merged/",
			want: imported{[]string{"/etc/a open"}, map[string]int{skipOutside: 1}, 0},
		},
		"JSON": {
			in: `{"timestamp":1700000000.1,"comm":"a","pid":1,"uid":0,"gid":0,"types":"RO","device":{"major":8,"minor":1},"inode":2,"path":"/a\u00e9","exe":"/usr/bin/p"}
{"comm":"a","pid":1,"types":"W","path_raw":[47,255,10]}
{"comm":"a","pid":1,"types":"C"}
`,
			want: imported{[]string{"/a\u00e9 open", "/\xff\n write"}, map[string]int{"the path was gone when fatrace looked": 1}, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, got := importText(t, FormatFatrace, c.in, ImportOptions{Root: c.root})
			same(t, got, c.want)
			if c.first != nil {
				same(t, order(p), c.first)
			}
		})
	}
	for _, root := range []string{
		"/var/lib/docker/overlay2/x/merged", "/var/lib/docker/165536.165536/overlay2/x/diff", "/data/docker/overlay2/x/diff",
		"/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/x/rootfs", "/run/containerd/io.containerd.runtime.v2.task/moby/x/rootfs",
	} {
		_, _, err := Import(FormatFatrace, strings.NewReader("a(1): O   "+root+"/etc/a\n"), ImportOptions{})
		if err == nil || !strings.Contains(err.Error(), `--root DIR:DIR (one is "`+root+`")`) {
			t.Errorf("paths of the host: %s: %v", root, err)
		}
	}
}

// What a terminal or an editor of another system has been through ends its
// lines with a carriage return.
func TestImportLinesOfTerminals(t *testing.T) {
	for format, in := range map[Format]string{
		FormatPaths:   "/bin/app\r\n/etc/a\r\n",
		FormatStrace:  "1 execve(\"/bin/app\", [\"app\"], 0x0 /* 0 vars */) = 0\r\n1 vfork( <unfinished ...>\r\n2 open(\"/etc/a\", O_RDONLY) = 3\r\n1 <... vfork resumed>) = 7\r\n",
		FormatFatrace: "app(1): O   /bin/app exe=/bin/app\r\napp(1): RO  /etc/a exe=/bin/app\r\n",
	} {
		detected, err := Detect([]byte(in))
		if err != nil || detected != format {
			t.Errorf("%s: %s, %v", format, detected, err)
		}
		p, _, err := Import(format, strings.NewReader(in), ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range p.Accesses {
			got = append(got, a.Path)
		}
		same(t, got, []string{"/bin/app", "/etc/a"})
	}
}

// The sample is real: see testdata/README.md.
func TestImportFatraceOverlay(t *testing.T) {
	b, err := os.ReadFile("testdata/fatrace-overlay.txt")
	if err != nil {
		t.Fatal(err)
	}
	const dir = "/tmp/imp/storage/overlay/"
	p, got := importText(t, FormatFatrace, string(b), ImportOptions{Root: dir + "b/diff:" + dir + "a/diff:" + dir + "c/diff"})
	same(t, got, imported{[]string{
		"/ write", // /tmpf made and removed
		"/app open", "/app/hard open", "/app/with space open", "/bin/busybox open", "/etc write",
		"/etc/base open,write", "/etc/passwd open", "/tmpf open,write",
	}, map[string]int{skipOutside: 10}, 0})
	// /app/start ran; its other name is all that fatrace shows.
	same(t, order(p)[:2], []string{"/app/hard", "/bin/busybox"})

	_, got = importText(t, FormatFatrace, strings.ReplaceAll(string(b), dir, "/var/lib/containers/storage/overlay/"),
		ImportOptions{Root: "/var/lib/containers/storage/overlay/b/diff"})
	same(t, got.skipped[skipLayer] > 10, true)
	if _, _, err = Import(FormatFatrace, strings.NewReader(string(b)), ImportOptions{Root: "/elsewhere"}); !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), "below /elsewhere") {
		t.Errorf("another root: %v", err)
	}
}

func TestImportAppArmor(t *testing.T) { // from schema
	const one = `{"apiVersion":"security-profiles-operator.x-k8s.io/v1alpha1","kind":"AppArmorProfile","spec":{"abstract":{
 "executable":{"allowedExecutables":["/usr/sbin/nginx"],"allowedLibraries":["/usr/lib/nginx/m.so"]},
 "filesystem":{"readOnlyPaths":["/etc/nginx/nginx.conf","/proc/@{pid}/stat","/etc/*"],"writeOnlyPaths":["/var/log/a"],"readWritePaths":["/run/nginx.pid"]},
 "capability":{"allowedCapabilities":["setuid"]},"network":{"allowedProtocols":{"allowTcp":true}}}}}`
	want := imported{[]string{
		"/etc/nginx/nginx.conf open", "/run/nginx.pid open,write", "/usr/lib/nginx/m.so open", "/usr/sbin/nginx exec", "/var/log/a write",
	}, map[string]int{skipGlob: 2}, 2}
	for _, in := range []string{one, `{"kind":"List","items":[` + one + `]}`} {
		_, got := importText(t, FormatAppArmor, in, ImportOptions{})
		same(t, got, want)
	}
	for in, message := range map[string]string{
		`{"kind":"List","items":[` + one + `,` + one + `]}`:        "a list of 2",
		`{"kind":"AppArmorProfile","spec":{"policy":"profile x"}}`: "AppArmor's own language",
		`{"kind":"AppArmorProfile","spec":[]}`:                     "byte 34: spec is of another type (array)",
		`{"kind":"SeccompProfile"}`:                                "it is a SeccompProfile",
		"kind: AppArmorProfile":                                    "-o json",
	} {
		if _, _, err := Import(FormatAppArmor, strings.NewReader(in), ImportOptions{}); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v", in, err)
		}
	}
}
