package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pare-image/pare/rebase"
)

// testCases are those of F1 to F13 that can be made of a real Debian and one
// small layer. F1 and F10 are in every application as well.
func (r *rebasing) testCases(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for _, k := range r.constructed(ctx, t) {
		t.Run(k.name, func(t *testing.T) {
			p, exit, err := k.plan(ctx, r.bed)
			if err != nil {
				t.Fatal(err)
			}
			if err := k.judge(p, exit); err != nil {
				t.Error(err)
			}
			r.cases = append(r.cases, caseRow{k.name, exit, k.findings, k.repairs, len(p.Findings)})
		})
	}
}

func (r *rebasing) constructed(ctx context.Context, t *testing.T) []constructed {
	const lzma = "/usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1"
	read := func(img v1.Image, p string) string { return must[string](t, p)(contentAt(ctx, img, p)) }
	image := func(img v1.Image, err error) v1.Image { return must[v1.Image](t, "making an image")(img, err) }
	old, tls, eleven := r.old.image, r.tls.image, r.eleven.image
	thirteen := must[*base](t, "the base of the next release")(r.base(ctx, "trixie")).image
	musl := must[*base](t, "the base of another C library")(r.base(ctx, "bookworm-musl")).image
	withUser := image(onTop(tls, []piece{
		{name: "etc/passwd", content: read(tls, "/etc/passwd") + "svc:x:900:900::/srv:/usr/sbin/nologin\n", mode: 0o644},
		{name: "etc/group", content: read(tls, "/etc/group") + "svc:x:900:\n", mode: 0o644},
	}, nil))
	configured := image(onTop(tls, nil, func(c *v1.Config) {
		c.Env = append(c.Env, "DEBIAN=12 patched")
		c.StopSignal, c.WorkingDir, c.User = "SIGINT", "/srv", "www-data"
		c.Labels = map[string]string{"vendor": "house"}
	}))
	return []constructed{
		{
			name: "F2 a mode was changed of a library of the base", old: old, new: tls,
			layer:   []piece{{name: lzma[1:], content: read(old, lzma), mode: 0o700}},
			repairs: []string{"copied-up " + lzma},
			also: func(p *rebase.Plan) error {
				return fares(p, "liblzma5:amd64", rebase.Delivered)
			},
		},
		{
			name: "F3 a link to the old release's Perl", old: tls, new: thirteen,
			layer: []piece{{name: "app", link: "/usr/bin/perl5.36.0"}}, config: func(c *v1.Config) { c.Entrypoint = []string{"/app"} },
			findings: []string{"dangling-link /app", "program-not-found"},
		},
		{
			name: "F4 a program of Debian 13 on Debian 12", old: thirteen, new: tls,
			layer:    []piece{{name: "app/fetch", content: read(thirteen, "/usr/bin/bash")}},
			findings: []string{"missing-version /app/fetch"},
		},
		{
			name: "F4 a program of Debian 12 on Debian 11", old: tls, new: eleven,
			layer:    []piece{{name: "app/fetch", content: read(tls, "/usr/bin/openssl")}},
			findings: []string{"missing-version /app/fetch"},
		},
		{
			name: "F5 its library is gone", old: tls, new: eleven,
			layer:    []piece{{name: "app/fetch", content: read(tls, "/usr/bin/openssl")}},
			findings: []string{"missing-library /app/fetch"},
		},
		{
			name: "F6 a program of glibc on a base of musl", old: old, new: musl,
			layer:    []piece{{name: "app/sh", content: read(old, "/usr/bin/dash")}},
			findings: []string{"libc /app/sh"},
		},
		{
			name: "F7 /bin of before usr-merge", old: eleven, new: tls,
			layer:    []piece{{name: "bin/"}, {name: "bin/tool", content: "#!/bin/sh\n"}},
			findings: []string{"directory-replaced /bin"},
		},
		{
			name: "F8 a user that only the old base has", old: eleven, new: tls,
			layer: []piece{{name: "app", content: "x"}}, config: func(c *v1.Config) { c.User = "gnats" },
			findings: []string{"user-not-found"},
		},
		{
			name: "F9 the image's own passwd", old: old, new: withUser,
			layer:   []piece{{name: "etc/passwd", content: read(old, "/etc/passwd") + "app:x:500:500::/app:/bin/sh\n", mode: 0o644}},
			repairs: []string{"accounts /etc/passwd"},
		},
		{
			name: "F10 the image's own ld.so.cache", old: old, new: tls,
			layer:   []piece{{name: "etc/ld.so.cache", content: read(old, "/etc/ld.so.cache"), mode: 0o644}, {name: "usr/local/lib/"}},
			repairs: []string{"ld-so-cache /etc/ld.so.cache"},
		},
		{
			name: "F11 the new base has another config", old: old, new: configured,
			layer: []piece{{name: "app", content: "x"}}, config: func(c *v1.Config) { c.Env = append(c.Env, "APP=1") },
			also: func(p *rebase.Plan) error {
				for _, f := range []string{"Env DEBIAN", "Labels vendor", "StopSignal", "User", "WorkingDir"} {
					if !slices.ContainsFunc(p.Config, func(c rebase.ConfigChange) bool { return c.Field == f && c.Was != c.Now && c.Now != "" }) {
						return fmt.Errorf("%s does not change: %v", f, p.Config)
					}
				}
				return nil
			},
		},
		{
			name: "F12 a directory of the base that the image made opaque", old: old, new: tls,
			layer:    []piece{{name: "usr/share/doc/"}, {name: "usr/share/doc/.wh..wh..opq"}, {name: "usr/share/doc/own", content: "x"}},
			findings: []string{"hidden-files /usr/share/doc"},
		},
		{
			name: "F12 one that the image made, as Docker marks it", old: old, new: tls,
			layer:   []piece{{name: "usr/share/ca-certificates/"}, {name: "usr/share/ca-certificates/.wh..wh..opq"}, {name: "usr/share/ca-certificates/own.crt", content: "x"}},
			repairs: []string{"package-files /usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt"},
		},
		{
			name: "F13 a base for another processor", old: old, new: image(forProcessor(tls, "arm64")),
			layer:    []piece{{name: "app", content: "x"}},
			findings: []string{"platform"},
		},
	}
}

// fares wants a package of the plan to fare so.
func fares(p *rebase.Plan, name, want string) error {
	for _, c := range p.Packages {
		if c.Name == name && c.Outcome == want {
			return nil
		}
	}
	return fmt.Errorf("%s is not %s: %v", name, want, p.Packages)
}

// forProcessor is an image that says it is for another one.
func forProcessor(img v1.Image, arch string) (v1.Image, error) {
	c, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	c = c.DeepCopy()
	c.Architecture = arch
	return mutate.ConfigFile(img, c)
}
