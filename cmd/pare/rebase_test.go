package main

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/internal/testelf"
)

var elfLine = regexp.MustCompile(`(?m)^elf (\S+)(.*)$`)

// elfLines replaces the lines "elf NAME KEY=VALUE..." of an image by files for
// x86-64. The keys: interp; needs, a list of libraries; wants, a list of
// symbols that others have to give, as SYMBOL@VERSION:LIBRARY or SYMBOL; has,
// a list of symbols that the file gives, as SYMBOL@VERSION or SYMBOL.
func elfLines(text string) string {
	return elfLine.ReplaceAllStringFunc(text, func(line string) string {
		m := elfLine.FindStringSubmatch(line)
		f := testelf.File{Class: 2, Machine: 62, Type: 3}
		if base := m[1][strings.LastIndexByte(m[1], '/')+1:]; strings.Contains(base, ".so") {
			f.Soname = base
		}
		for word := range strings.FieldsSeq(m[2]) {
			key, value, _ := strings.Cut(word, "=")
			list := strings.Split(value, ",")
			switch key {
			case "interp":
				f.Interp = value
			case "needs":
				f.Needed = list
			case "wants", "has":
				f.Symbols = append(f.Symbols, elfSymbols(list, key == "wants")...)
			default:
				panic("unknown key " + key + " in " + line)
			}
		}
		for _, s := range f.Symbols {
			if !s.Import && s.Version != "" && !slices.Contains(f.Defines, s.Version) {
				f.Defines = append(f.Defines, s.Version)
			}
		}
		return "file " + m[1] + " 0755 0:0 " + strconv.Quote(string(f.Bytes()))
	})
}

func elfSymbols(list []string, imports bool) []testelf.Symbol {
	var out []testelf.Symbol
	for _, s := range list {
		name, library, _ := strings.Cut(s, ":")
		name, version, _ := strings.Cut(name, "@")
		out = append(out, testelf.Symbol{Name: name, Version: version, Library: library, Import: imports})
	}
	return out
}

// dockerTyped is the same image with Docker's media types throughout.
func dockerTyped(ts *testscript.TestScript, img v1.Image) v1.Image {
	c, err := img.ConfigFile()
	check(ts, err)
	ls, err := img.Layers()
	check(ts, err)
	c = c.DeepCopy()
	c.RootFS = v1.RootFS{Type: "layers"}
	c.History = nil
	out, err := mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.DockerManifestSchema2), types.DockerConfigJSON), c)
	check(ts, err)
	for _, l := range ls {
		out, err = mutate.Append(out, mutate.Addendum{Layer: l, MediaType: types.DockerLayer})
		check(ts, err)
	}
	return out
}

// manifest REF FILE: writes an image's manifest, or an index, to a file.
func cmdManifest(ts *testscript.TestScript, _ bool, args []string) {
	ref, err := reference.Parse(args[0])
	check(ts, err)
	src, err := reference.Open(context.Background(), ref, places(ts))
	check(ts, err)
	defer src.Close()
	var raw []byte
	if src.Index != nil {
		raw, err = src.Index.RawManifest()
	} else {
		raw, err = src.Image.RawManifest()
	}
	check(ts, err)
	check(ts, os.WriteFile(ts.MkAbs(args[1]), raw, 0o644))
}
