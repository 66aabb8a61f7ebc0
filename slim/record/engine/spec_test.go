package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/engine"
)

// accountFiles are those of an Alpine-like image.
const accountFiles = `
dir etc
file etc/passwd "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:www:/srv/www:/sbin/nologin\nbad:x:a:1::/:/\nshort\nhomeless:x:50:50::::\n"
file etc/group "root:x:0:root\nwheel:x:10:root,www\nwww:x:34:\ntape:x:26:root,www\nbad:x:z:www\n"
`

func open(t *testing.T, config, files string) (engine.Spec, error) {
	t.Helper()
	return openWith(t, config, files, engine.SpecOptions{})
}

func openWith(t *testing.T, config, files string, o engine.SpecOptions) (engine.Spec, error) {
	t.Helper()
	img := testimage.New(t, "-- config --\n"+config+"\n-- layer --\n"+files)
	tree, err := layers.Open(t.Context(), img, layers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	s, err := engine.NewSpec(img, tree, o)
	s.Image, s.Tree = nil, nil
	return s, err
}

func TestSpec(t *testing.T) {
	got, err := openWith(t, `{"Entrypoint":["/init","-x"],"Cmd":["serve"],"Env":["A=1","HOME=","junk","A=2"],"User":"www",
		"WorkingDir":"srv","StopSignal":"quit","Volumes":{"/data/":{},"/a/../b":{}}}`, accountFiles,
		engine.SpecOptions{Args: []string{"other", "arg"}, Env: []string{"A=3", "B=4"}, Volumes: []string{"/b", "/v"}})
	want := engine.Spec{
		Argv: []string{"/init", "-x", "other", "arg"},
		Env:  []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=3", "HOME=/srv/www", "B=4"},
		Dir:  "/srv", User: engine.Credential{UID: 33, GID: 34, Groups: []int{10, 26, 34}},
		Network: engine.Loopback, StopSignal: 3, Volumes: []string{"/b", "/data", "/v"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestSpecErrors(t *testing.T) {
	for name, c := range map[string]struct{ config, files, want string }{
		"nothing to start":   {`{}`, "", "no entrypoint"},
		"unknown user":       {`{"Cmd":["/x"],"User":"nobody"}`, accountFiles, `"nobody" has no entry`},
		"unknown group":      {`{"Cmd":["/x"],"User":"33:nogroup"}`, accountFiles, `"nogroup" has no entry`},
		"signal":             {`{"Cmd":["/x"],"StopSignal":"SIGWHAT"}`, "", "SIGWHAT"},
		"root as a volume":   {`{"Cmd":["/x"],"Volumes":{"/":{}}}`, "", "root cannot be a volume"},
		"NUL":                {"{\"Cmd\":[\"/x\\u0000y\"]}", "", "NUL"},
		"passwd is no file":  {`{"Cmd":["/x"]}`, "dir etc/passwd\n", "a directory, not a file"},
		"volume leads above": {`{"Cmd":["/x"],"Volumes":{"/../..":{}}}`, "", "root cannot be a volume"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := open(t, c.config, c.files); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := open(t, `{}`, ""); !errors.Is(err, engine.ErrNoProgram) {
		t.Errorf("got %v", err)
	}
}

// The rules are those of moby/sys/user, GetExecUser, with the group added.
func TestLookupUser(t *testing.T) {
	img := testimage.New(t, "-- layer --\n"+accountFiles)
	tree, err := layers.Open(t.Context(), img, layers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	id := func(uid, gid int, home string, groups ...int) engine.Identity {
		return engine.Identity{Credential: engine.Credential{UID: uid, GID: gid, Groups: groups}, Home: home}
	}
	for user, want := range map[string]engine.Identity{
		"":         id(0, 0, "/root", 0, 10, 26),
		"root":     id(0, 0, "/root", 0, 10, 26),
		"0":        id(0, 0, "/root", 0, 10, 26),
		"0:0":      id(0, 0, "/root", 0),
		"www":      id(33, 34, "/srv/www", 10, 26, 34),
		"33":       id(33, 34, "/srv/www", 10, 26, 34),
		"33:7":     id(33, 7, "/srv/www", 7),
		"www:tape": id(33, 26, "/srv/www", 26),
		"777":      id(777, 0, "/", 0),
		"777:778":  id(777, 778, "/", 778),
		":34":      id(0, 34, "/root", 34),
		"homeless": id(50, 50, "/", 50),
	} {
		got, err := engine.LookupUser(tree, user)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", user, err, diff)
		}
	}
	for _, user := range []string{"bad", "-1", "2147483648", "www:nix", "www:-5"} {
		if got, err := engine.LookupUser(tree, user); err == nil {
			t.Errorf("%q: got %+v", user, got)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]int{
		"": 15, "SIGTERM": 15, "term": 15, "15": 15, "SIGQUIT": 3, "SIGWINCH": 28, "SIGRTMIN": 34, "SIGRTMIN+3": 37, "rtmax-14": 50, "SIGRTMAX": 64,
	} {
		if got, err := engine.ParseSignal(text); got != want || err != nil {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "65", "-1", "SIG", "SIGRTMIN-1", "SIGRTMIN+31", "SIGRTMIN+99999999999", "what"} {
		if got, err := engine.ParseSignal(text); err == nil {
			t.Errorf("%q: got %d", text, got)
		}
	}
	if got := engine.SignalName(6) + engine.SignalName(17) + engine.SignalName(40); got != "SIGABRTSIGCHLDsignal 40" {
		t.Error(got)
	}
}
