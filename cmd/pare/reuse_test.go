package main

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pare-image/pare/slim/profile"
)

// unaware PROFILE FILE: writes a profile as recorders write it that do not know
// the image.
func cmdUnaware(ts *testscript.TestScript, _ bool, args []string) {
	p, err := readProfile(ts.MkAbs(args[0]))
	check(ts, err)
	p.Packages, p.Directories = nil, nil
	for i := range p.Accesses {
		p.Accesses[i].Package, p.Accesses[i].Origin = "", profile.Origin("")
	}
	f, err := os.Create(ts.MkAbs(args[1]))
	check(ts, err)
	defer f.Close()
	check(ts, p.Write(f))
}
