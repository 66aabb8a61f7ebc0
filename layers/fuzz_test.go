package layers

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"path"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/internal/testimage"
)

// FuzzNames: whatever a name is, it is read as below the root, and what a
// whiteout hides is a name of one component in the same directory.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a", "./a//b/", "../..", ".wh.a", "d/.wh..wh..opq", ".wh.", ".wh...", ".wh..wh.plnk/x", "a/../.wh.b", "\xff/.wh.\x00", ".wh.x/y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		p, _, climbs := cleanName(name)
		if !strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.Contains(p+"/", "/../") {
			t.Fatalf("cleanName(%q) = %q", name, p)
		}
		if climbs && !strings.Contains(name, "..") {
			t.Errorf("%q climbs", name)
		}
		kind, target, drop, err := classify(p)
		if err != nil || drop {
			return
		}
		if path.Clean(target) != target || !strings.HasPrefix(target, "/") {
			t.Errorf("classify(%q) = %q", p, target)
		}
		if kind == recordEntry && strings.Contains(p, "/.wh.") {
			t.Errorf("%q is taken for a file", p)
		}
		if kind == recordWhiteout && path.Dir(target) != path.Dir(p) {
			t.Errorf("%q hides %q", p, target)
		}
	})
}

// FuzzLayer: any bytes as a blob give a tree or an error, within small
// limits, and a tree whose contents can all be read.
func FuzzLayer(f *testing.F) {
	raw, err := testimage.Tar([]testimage.Entry{
		{Header: tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o755}},
		{Header: tar.Header{Typeflag: tar.TypeReg, Name: "d/f", Mode: 0o644}, Body: []byte("#!/bin/sh\n")},
		{Header: tar.Header{Typeflag: tar.TypeReg, Name: "e", Mode: 0o644}, Body: elfOf(0)},
		{Header: tar.Header{Typeflag: tar.TypeLink, Name: "l", Linkname: "e"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(sparse(f, 5000))
	for _, c := range []string{"gzip", "zstd"} {
		rc, err := rawLayer(f, raw, c).Compressed()
		if err != nil {
			f.Fatal(err)
		}
		blob, _ := io.ReadAll(rc)
		f.Add(blob)
	}
	limits := Limits{Entries: 100, Unpacked: 1 << 20, PathBytes: 300, PathDepth: 20, XattrBytes: 1000}
	f.Fuzz(func(t *testing.T, blob []byte) {
		diffID := fuzzDiffID(blob)
		l := testimage.Lie(static.NewLayer(blob, types.OCILayer), diffID, nil)
		tree, err := Open(context.Background(), imageOf(t, l), Options{Limits: limits, Scratch: t.TempDir()})
		if err != nil {
			return
		}
		defer tree.Close()
		if tree.Len() > limits.Entries+1 {
			t.Errorf("%d entries", tree.Len())
		}
		dump(t, tree)
	})
}

// fuzzDiffID is the true diffID where there is one, so that the fuzzer gets
// past the verification.
func fuzzDiffID(blob []byte) v1.Hash {
	plain, _, release, err := decompress(bytes.NewReader(blob))
	h, _, _ := v1.SHA256(strings.NewReader(""))
	if err != nil {
		return h
	}
	defer release()
	h, _, _ = v1.SHA256(io.LimitReader(plain, 2<<20))
	return h
}

// BenchmarkScan reads an uncompressed and a gzip layer of 64 MiB in files of
// 16 KiB; bytes are those of the tar.
func BenchmarkScan(b *testing.B) {
	for _, compression := range []string{"none", "gzip", "zstd"} {
		b.Run(compression, func(b *testing.B) {
			raw, err := testimage.Tar(benchEntries())
			if err != nil {
				b.Fatal(err)
			}
			img := rawImage(b, compression, raw)
			scratch := b.TempDir()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				tree, err := Open(context.Background(), img, Options{Scratch: scratch, Want: func(string, *Header) bool { return false }})
				if err != nil {
					b.Fatal(err)
				}
				tree.Close()
			}
		})
	}
}

func benchEntries() []testimage.Entry {
	var entries []testimage.Entry
	state := uint32(1)
	for i := range 4096 {
		body := make([]byte, 16<<10)
		for j := range body { // compresses about as programs do
			state = state*1664525 + 1013904223
			body[j] = "etaoin shrdlu\x00\x48\x89"[state>>28]
		}
		e := file("usr/lib/" + string(rune('a'+i%26)) + "/" + strings.Repeat("x", 1+i/26))
		e.Body = body
		entries = append(entries, e)
	}
	return entries
}
