package onbase

import (
	"errors"
	"strings"
	"testing"
)

func TestFit(t *testing.T) {
	const glibcLoader, muslLoader = "/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"
	image := func(config, files string) string { return "-- image --\n" + config + "\n-- layer --\n" + files }
	amd64 := `{"os":"linux","architecture":"amd64"}`
	glibc := library(glibcLoader[1:]) + program("srv/app", glibcLoader)
	for _, c := range []struct{ name, source, base, want string }{
		{"the same", image(amd64, glibc), image(amd64, glibc), ""},
		{"a static base", image(amd64, glibc), image(amd64, "file etc/passwd\n"), ""},
		{"a static program", image(amd64, "file srv/app 0755\n"), image(amd64, library(muslLoader[1:])), ""},
		{"both libraries", image(amd64, glibc), image(amd64, library(muslLoader[1:])+library(glibcLoader[1:])), ""},
		{"a loader that is an application's", image(amd64, glibc), image(amd64, library("opt/ld-musl-x86_64.so.1")), ""},
		{"musl under a program for glibc", image(amd64, glibc), image(amd64, library(muslLoader[1:])), `"/srv/app" is a program for glibc ("/lib64/ld-linux-x86-64.so.2") and the base has musl ("/lib/ld-musl-x86_64.so.1")`},
		{"glibc under a program for musl", image(amd64, program("srv/app", muslLoader)), image(amd64, library(glibcLoader[1:])), `"/srv/app" is a program for musl`},
		{"another architecture", image(amd64, ""), image(`{"os":"linux","architecture":"arm64"}`, ""), `the image is for "linux/amd64" and the base for "linux/arm64"`},
		{"another variant", image(`{"os":"linux","architecture":"arm","variant":"v7"}`, ""), image(`{"os":"linux","architecture":"arm","variant":"v6"}`, ""), `for "linux/arm/v7" and the base for "linux/arm/v6"`},
		{"a variant that one does not say", image(`{"os":"linux","architecture":"arm64","variant":"v8"}`, ""), image(`{"os":"linux","architecture":"arm64"}`, ""), ""},
		{"both wrong", image(amd64, glibc), image(`{"os":"linux","architecture":"arm64"}`, library(muslLoader[1:])), "choose a base for the image's platform\n\"/srv/app\" is a program for glibc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := open(t, c.source)
			err := Fit(src.Tree, open(t, c.base).Tree, everything(src))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v; want %s", err, c.want)
			}
		})
	}
}
