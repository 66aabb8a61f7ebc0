package rebase

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
)

func TestCheckLibc(t *testing.T) {
	program := elfLine("app", testelf.File{Interp: "/lib64/ld-linux-x86-64.so.2"})
	for name, c := range map[string]struct {
		base, upper string
		want        []string
	}{
		"the same": {glibcBase(), program, nil},
		"another": {
			"-- layer --\n" + elfLine("lib/ld-musl-x86_64.so.1", testelf.File{}), program,
			[]string{"libc /app: 1 programs of the image are made for glibc, whose loader /lib64/ld-linux-x86-64.so.2 the new base does not have [layer 1]"},
		},
		// Debian 11, where /lib64 is a directory, under links of Debian 12.
		"the same, hidden": {
			"-- layer --\n" + elfLine("lib64/ld-linux-x86-64.so.2", testelf.File{}), program + "symlink lib64 -> usr/lib64\n",
			[]string{"libc /app: 1 programs of the image are made for glibc, whose loader /lib64/ld-linux-x86-64.so.2 the new base has, and layers of the image hide [layer 1]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, checked(t, checkLibc, openScene(t, glibcBase(), c.base, c.upper))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
