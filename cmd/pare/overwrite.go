package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/pare-image/pare/internal/atomicfile"
	"github.com/pare-image/pare/internal/reference"
)

// refusePlanOver refuses to write the plan over what the run reads, or over
// the image that it writes. It is asked before any work.
func refusePlanOver(out string, sf *slimFlags, srcf *sourceFlags, image, dest string) error {
	if out == "" || out == "-" {
		return nil
	}
	refuse := func(what string) error {
		return usagef("%s is %s; name another file for the plan", printable(out), what)
	}
	for _, p := range sf.profiles {
		if p != "-" && sameFile(out, p) {
			return refuse("the profile")
		}
	}
	if sf.rules != "" && sameFile(out, sf.rules) {
		return refuse("the rules file")
	}
	if srcf.ca != "" && sameFile(out, srcf.ca) {
		return refuse("the file of certificates")
	}
	for _, i := range []struct{ ref, what string }{{image, "the image"}, {dest, "the destination"}, {sf.base.base, "the base"}} {
		r, err := reference.Parse(i.ref)
		switch {
		case err != nil || r.Path == "": // no file, or no reference: others say so
		case sameFile(out, r.Path):
			return refuse(i.what)
		case r.Kind == reference.OCI && inLayout(out, r.Path):
			return refuse("part of " + i.what)
		}
	}
	return nil
}

// sameFile says whether two names, of files that may not exist yet, are of one file.
func sameFile(a, b string) bool {
	x, errx := os.Stat(a)
	y, erry := os.Stat(b)
	if errx == nil && erry == nil && os.SameFile(x, y) {
		return true
	}
	return realName(a) == realName(b)
}

// realName follows symlinks as far as there is something.
func realName(name string) string {
	name = absolute(name)
	if to, err := atomicfile.Resolve(name); err == nil && to != name {
		return to
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(name)); err == nil {
		return filepath.Join(dir, filepath.Base(name))
	}
	return name
}

// inLayout says whether a file is one of those that make the layout at dir;
// others may lie beside them.
func inLayout(file, dir string) bool {
	rel, err := filepath.Rel(realName(dir), realName(file))
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(rel, string(filepath.Separator))
	return first == "index.json" || first == "oci-layout" || first == "blobs"
}
