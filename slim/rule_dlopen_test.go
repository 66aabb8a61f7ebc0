package slim

import (
	"testing"

	"github.com/pare-image/pare/internal/testelf"
)

func TestRuleDlopen(t *testing.T) {
	unwind := library("usr/lib/x86_64-linux-gnu/libgcc_s.so.1", "libc.so.6")
	lib := "usr/lib/x86_64-linux-gnu/"
	// The last two names lead to no library of the program's kind.
	opener := glibc + elfFile("app", testelf.File{
		Interp: "/lib64/ld-linux-x86-64.so.2", Needed: []string{"libc.so.6"},
		Strings: []string{"libplug.so.2", "/opt/x/far.so", "engines/rel.so", "libgone.so.1", "libother.so.1", "libtext.so.1"},
	}) +
		library(lib+"libplug.so.2.1", "libz.so.1") + "symlink " + lib + "libplug.so.2 -> libplug.so.2.1\n" + library(lib+"libz.so.1") +
		library("opt/x/far.so") + library(lib+"engines/rel.so") +
		elfFile(lib+"libother.so.1", testelf.File{Machine: 183}) + "file " + lib + "libtext.so.1 \"INPUT(libx)\"\n"
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
		{
			name:    "kept by option: what a kept file has the name of, and what that needs",
			image:   opener,
			opened:  "/app",
			options: Options{Reach: ReachKeep},
			want: glibcKept + `
/usr/lib/x86_64-linux-gnu/libplug.so.2 link /usr/lib/x86_64-linux-gnu/libplug.so.2.1
/usr/lib/x86_64-linux-gnu/libplug.so.2.1 dlopen /app
/usr/lib/x86_64-linux-gnu/libz.so.1 elf /usr/lib/x86_64-linux-gnu/libplug.so.2.1
/opt/x/far.so dlopen /app
`,
		},
		{
			name:   "else a risk",
			image:  opener,
			opened: "/app",
			want:   glibcKept,
			risks:  "dlopen /usr/lib/x86_64-linux-gnu/libplug.so.2.1\ndlopen /opt/x/far.so",
		},
		{
			name:   "what was touched is no risk",
			image:  opener,
			opened: "/app /usr/lib/x86_64-linux-gnu/libplug.so.2 /opt/x/far.so",
			want: glibcKept + `
/usr/lib/x86_64-linux-gnu/libplug.so.2 link /usr/lib/x86_64-linux-gnu/libplug.so.2.1
/usr/lib/x86_64-linux-gnu/libplug.so.2.1 access
/usr/lib/x86_64-linux-gnu/libz.so.1 elf /usr/lib/x86_64-linux-gnu/libplug.so.2.1
/opt/x/far.so access
`,
		},
	})
}
