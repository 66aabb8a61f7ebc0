package rebase

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckScripts(t *testing.T) {
	const old = "-- layer --\nfile bin/sh 0755\nfile usr/bin/env 0755\nfile usr/bin/perl 0755\nfile usr/bin/python3.11 0755\n"
	const base = "-- layer --\nfile bin/sh 0755\nfile usr/bin/env 0755\nfile usr/bin/python3.13 0755\n"
	for name, c := range map[string]struct {
		upper string
		want  []string
	}{
		"there":                {`file a 0755 0:0 "#!/bin/sh -e\n"`, nil},
		"gone":                 {`file a 0755 0:0 "#! /usr/bin/perl -w\n"`, []string{`missing-script-interpreter /a: its #! line names "/usr/bin/perl", which the new base does not have [layer 1]`}},
		"gone, behind env":     {`file a 0755 0:0 "#!/usr/bin/env -S python3.11 -u\n"`, []string{`missing-script-interpreter /a: its #! line names "python3.11", which the new base does not have [layer 1]`}},
		"gone before":          {`file a 0755 0:0 "#!/usr/bin/ruby\n"`, nil},
		"not to be run":        {`file a 0644 0:0 "#!/usr/bin/perl\n"`, nil},
		"brought by the image": {"file a 0755 0:0 \"#!/usr/bin/perl\\n\"\nfile usr/bin/perl 0755", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, checked(t, checkScripts, openScene(t, old, base, c.upper))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
