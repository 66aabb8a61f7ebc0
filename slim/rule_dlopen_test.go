package slim

import (
	"testing"

	"github.com/pare-image/pare/internal/testelf"
)

func TestRuleDlopen(t *testing.T) {
	unwind := library("usr/lib/x86_64-linux-gnu/libgcc_s.so.1", "libc.so.6")
	runRuleCases(t, []ruleCase{
		{
			name:   "glibc unwinds with a library that it opens by name",
			image:  glibc + program("app", "libc.so.6") + unwind,
			opened: "/app",
			want:   glibcKept + "/usr/lib/x86_64-linux-gnu/libgcc_s.so.1 dlopen /usr/lib/x86_64-linux-gnu/libc.so.6\n",
		},
		{
			name: "the first that is there, of the same machine's directories",
			image: glibc + program("app", "libc.so.6") + library("usr/lib/libgcc_s.so.1") +
				library("usr/lib64/libgcc_s.so.1") + library("opt/other/libgcc_s.so.1"),
			opened: "/app",
			want:   glibcKept + "/usr/lib64/libgcc_s.so.1 dlopen /usr/lib/x86_64-linux-gnu/libc.so.6\n",
		},
		{
			name:   "a program without glibc has no use for it",
			image:  glibc + unwind + elfFile("app", testelf.File{}),
			opened: "/app",
			want:   "/app access\n",
		},
	})
}
