package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

func plainSpec() engine.Spec {
	return engine.Spec{
		Argv: []string{"/app", "-x"}, Env: []string{"A=1", "PATH=/bin"}, Dir: "/srv",
		User: engine.Credential{UID: 5, GID: 6, Groups: []int{6, 7}}, Volumes: []string{"/data", "/run/app"}, Network: engine.Loopback,
		DNS: []string{"192.0.2.53"}, Hosts: []string{"db:192.0.2.7"},
	}
}

func TestCreation(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*engine.Spec)
		want   string
	}{
		{"plain", func(*engine.Spec) {}, `{"Image":"img","Entrypoint":["/app"],"Cmd":["-x"],"Env":["A=1","PATH=/bin","GONE"],"WorkingDir":"/srv","User":"5:6",
			"Labels":{"io.pare.owner":"me"},"Volumes":{"/data":{},"/run/app":{}},"Healthcheck":{"Test":["NONE"]},"HostConfig":{"NetworkMode":"net","GroupAdd":["7"],
			"Dns":["192.0.2.53"],"ExtraHosts":["db:192.0.2.7"],"LogConfig":{"Type":"json-file","Config":{"max-file":"2","max-size":"256m"}}}}`},
		{"hardened", func(s *engine.Spec) {
			s.Conditions = &engine.Conditions{ReadOnlyRoot: true, Tmpfs: []string{"/run/app/"}, Caps: []string{"CHOWN"}, PortStart: 80}
		}, `{"Image":"img","Entrypoint":["/app"],"Cmd":["-x"],"Env":["A=1","PATH=/bin","GONE"],"WorkingDir":"/srv","User":"5:6",
			"Labels":{"io.pare.owner":"me"},"Volumes":{"/data":{}},"Healthcheck":{"Test":["NONE"]},"HostConfig":{"NetworkMode":"net","ReadonlyRootfs":true,
			"Tmpfs":{"/run/app":"rw,exec,nosuid,nodev,mode=1777,uid=5,gid=6"},"CapAdd":["CHOWN"],"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"],
			"Sysctls":{"net.ipv4.ip_unprivileged_port_start":"80"},"GroupAdd":["7"],
			"Dns":["192.0.2.53"],"ExtraHosts":["db:192.0.2.7"],"LogConfig":{"Type":"json-file","Config":{"max-file":"2","max-size":"256m"}}}}`},
		{"recorded", func(s *engine.Spec) { s.Sensor = &engine.SensorOptions{Caps: []string{"cap_sys_admin", "SYS_PTRACE"}} }, `{"Image":"img",
			"Entrypoint":["/.pare/pare","sensor","/.pare/config.json"],"Cmd":null,"Env":["A=1","PATH=/bin","GONE"],"WorkingDir":"/srv","User":"0:0",
			"Labels":{"io.pare.owner":"me"},"Volumes":{"/.pare":{},"/data":{},"/run/app":{}},"Healthcheck":{"Test":["NONE"]},"HostConfig":{"NetworkMode":"net",
			"CapAdd":["SYS_PTRACE","SYS_ADMIN"],
			"Dns":["192.0.2.53"],"ExtraHosts":["db:192.0.2.7"],"LogConfig":{"Type":"json-file","Config":{"max-file":"2","max-size":"256m"}}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := plainSpec()
			tt.change(&s)
			b, err := json.Marshal(newCreation(s, "img", "net", "me", []string{"GONE=1", "A=0"}, false))
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := errors.Join(json.Unmarshal(b, &got), json.Unmarshal([]byte(tt.want), &want)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// What only the recorder gets, the program does not keep; what is meant for
// the program, it keeps.
func TestRecorderCaps(t *testing.T) {
	s := plainSpec()
	s.Sensor = &engine.SensorOptions{}
	s.Conditions = &engine.Conditions{Caps: []string{"cap_setuid", "NET_BIND_SERVICE"}}
	want := []string{"SYS_PTRACE", "SETGID", "SETPCAP", "KILL", "DAC_OVERRIDE", "CHOWN"}
	if d := cmp.Diff(want, sensorConfigOf(s).Drop); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(append([]string{"cap_setuid", "NET_BIND_SERVICE"}, want...), newCreation(s, "", "", "", nil, false).HostConfig.CapAdd); d != "" {
		t.Error(d)
	}
}

func recorded(t *testing.T, path string, start time.Time) []byte {
	t.Helper()
	p := &profile.Profile{
		Sessions: []profile.Session{{ID: "sha256:" + strings.Repeat("a", 64), Engine: "docker", Start: start}},
		Accesses: []profile.Access{{Path: path, Exists: true, Kinds: []profile.Kind{profile.Open}}},
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadRecordings(t *testing.T) {
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	pack := func(files ...file) []byte {
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		for _, f := range files {
			if err := writeFile(tw, f); err != nil {
				t.Fatal(err)
			}
		}
		tw.Close()
		return b.Bytes()
	}
	got, err := readRecordings(bytes.NewReader(pack(
		file{name: "out/", mode: 0o755},
		file{name: "out/1.json", body: recorded(t, "/later", at.Add(time.Second))},
		file{name: "out/2.json", body: recorded(t, "/first", at)},
		file{name: "out/.3.json.tmp", body: []byte("half")},
	)))
	if err != nil || len(got) != 2 || got[0].Accesses[0].Path != "/first" || got[1].Accesses[0].Path != "/later" {
		t.Errorf("%+v, %v", got, err)
	}
	for name, in := range map[string][]byte{
		"no profile": pack(file{name: "out/1.json", body: []byte("{}")}),
		"no tar":     []byte(strings.Repeat("x", 2048)),
		"cut":        pack(file{name: "out/1.json", body: recorded(t, "/x", at)})[:700],
	} {
		if _, err := readRecordings(bytes.NewReader(in)); err == nil {
			t.Errorf("%s: read without an error", name)
		}
	}
}

func TestCanRecord(t *testing.T) {
	img, err := testimage.Image(&v1.ConfigFile{Architecture: "arm64", OS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	s := engine.Spec{Image: img}
	for _, tt := range []struct {
		d    daemon
		want string
	}{
		{daemon{arch: "arm64"}, ""},
		{daemon{arch: "amd64"}, "emulation"},
		{daemon{arch: "arm64", DefaultRuntime: "runsc-kvm"}, "gVisor"},
	} {
		err := tt.d.canRecord(s)
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrCannotRecord) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v", tt.d, err)
		}
	}
	if got := goArch("aarch64"); got != "arm64" {
		t.Error(got)
	}
	if d := (&daemon{SecurityOptions: []string{"name=seccomp,profile=default", "name=rootless"}}); !d.has("rootless") || !d.has("seccomp") || d.has("userns") {
		t.Error("security options are misread")
	}
}
