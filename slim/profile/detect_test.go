package profile

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	report, err := os.ReadFile("testdata/slimtoolkit-creport.json")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]Format{
		"/a\n":         FormatPaths,
		"\n/a\x00/b":   FormatPaths,
		"":             FormatStrace, // which then says that there is nothing
		string(report): FormatSlimToolkit,
		string(report[:200]) + strings.Repeat(" ", 10):                "",
		`1 1.0 execve("/a", ["a"], 0x1 /* 3 vars */) = 0`:             FormatStrace,
		`[pid 7] openat(AT_FDCWD, "/a", O_RDONLY) = 3`:                FormatStrace,
		"strace: Process 7 attached\n":                                FormatStrace,
		"nginx(15): RO  /etc/conf\n":                                  FormatFatrace,
		"12:00:00.123456 sh(1) [0:0]: O   /a\n":                       FormatFatrace,
		`{"comm":"a","pid":1,"types":"O","path":"/a"}`:                FormatFatrace,
		`{"path":"usr/a","manifestDigest":"sha256:1","layerIndex":0}`: FormatCtrRemote,
		`{"path":"usr/a","layerIndex":0}` + "\n{":                     FormatCtrRemote,
		`[ {"runtime":{},"proc":{"pid":1},"fname":"/a"}]`:             FormatGadget,
		`{"proc":{"pid":1},"timestamp_raw":1,"args":"/bin/sh"}`:       FormatGadget,
		`{"node":"n","type":"normal","mountnsid":5,"path":"/a"}`:      FormatGadget,
		`{"timestamp":1,"eventName":"openat","args":[]}`:              FormatTracee,
		`{"timestamp":"2026","id":1,"name":"openat","workload":{}}`:   FormatTracee,
		`{"apiVersion":"x","kind":"AppArmorProfile","spec":{}}`:       FormatAppArmor,
		`{"apiVersion":"v1","kind":"List","items":[]}`:                FormatAppArmor,
		`{"apiVersion":"x","kind":"SeccompProfile","spec":{}}`:        "system calls, no paths",
		`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[]}`:            "system calls, no paths",
		`{"kind":"SelinuxProfile"}`:                                   "labels, no paths",
		`{"schemaVersion":1,"kind":"pare.profile"}`:                   "a profile already",
		"apiVersion: x\nkind: AppArmorProfile\n":                      "-o json",
		"---\nkind: x":                                                "-o json",
		`{"fname":"/a","eventName":"x","args":[]}`:                    "tracee or inspektor-gadget",
		`{"path":"/a"}`:         "no known form",
		`["/a"]`:                "no known form",
		"a log, no recording\n": "no known form",
		"+ exit\n1 execve(\"/a\", [\"a\"], 0x1 /* 3 vars */) = 0\n": FormatStrace,
		"openat\nread\n": "system calls holds no paths",
		`{`:              "no known form",
	} {
		got, err := Detect([]byte(in))
		switch {
		case err == nil && got != want:
			t.Errorf("%.60q is %q, want %q", in, got, want)
		case err != nil && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), string(want))):
			t.Errorf("%.60q: %v, want %q", in, err, want)
		}
	}
}
