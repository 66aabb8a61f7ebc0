package profile

import (
	"strings"
	"testing"
)

func exported() *Profile {
	return &Profile{Accesses: []Access{
		{Path: "/a\xff", Exists: true, Kinds: []Kind{Open}, FirstMS: 9},
		{Path: "/b ", Exists: true, Kinds: []Kind{Open}, FirstMS: 8},
		{Path: "/lib/l.so", Resolved: "/usr/lib/l.so.1", Exists: true, Kinds: []Kind{Open}, FirstMS: 3},
		{Path: "/missing", Kinds: []Kind{Open}},
		{Path: "/seen", Exists: true, Kinds: []Kind{Stat, List, Write}},
		{Path: "/usr/bin/<app>", Exists: true, Kinds: []Kind{Exec}, FirstMS: 1},
		{Path: "/usr/lib/l.so.1", Exists: true, Kinds: []Kind{Open}, FirstMS: 4},
	}}
}

func TestWritePrefetch(t *testing.T) {
	files := exported().Prefetch()
	same(t, files, []Prefetched{{"/usr/bin/<app>", -1}, {"/usr/lib/l.so.1", -1}, {"/b ", -1}, {"/a\xff", -1}})

	var b strings.Builder
	left, err := WriteSOCI(&b, files)
	if err != nil {
		t.Fatal(err)
	}
	same(t, left, 2)
	same(t, b.String(), "[\n \"/usr/bin/<app>\",\n \"/usr/lib/l.so.1\"\n]\n")

	b.Reset()
	files[1].Layer = 0
	if left, err = WriteCtrRemote(&b, "sha256:1", files); err != nil {
		t.Fatal(err)
	}
	same(t, left, 1)
	same(t, b.String(), `{"path":"usr/bin/<app>","manifestDigest":"sha256:1"}
{"path":"usr/lib/l.so.1","manifestDigest":"sha256:1","layerIndex":0}
{"path":"b ","manifestDigest":"sha256:1"}
`)
	// What is exported can be imported: same files, same order.
	p, _ := importText(t, FormatCtrRemote, b.String(), ImportOptions{})
	same(t, order(p), []string{"/usr/bin/<app>", "/usr/lib/l.so.1", "/b "})
}
