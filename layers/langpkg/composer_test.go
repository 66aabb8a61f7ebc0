package langpkg

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// composerImage is cut from dokuwiki's vendor directory in Debian 12, with
// what else Composer writes: no path for a metapackage, one outside of vendor.
const composerImage = `
-- content installed --
{
    "packages": [
        {
            "name": "splitbrain/slika",
            "version": "1.0.5",
            "version_normalized": "1.0.5.0",
            "require": {
                "php": ">=7.0",
                "ext-gd": "*",
                "Psr/log-implementation": "^1"
            },
            "require-dev": {
                "phpunit/phpunit": "^7.0"
            },
            "bin": ["bin/slika"],
            "type": "library",
            "install-path": "../splitbrain/slika"
        },
        {
            "name": "monolog/monolog",
            "version": "2.0",
            "provide": {"psr/log-implementation": "1.0.0"},
            "replace": [],
            "require": [],
            "install-path": "../monolog/monolog"
        },
        {"name": "acme/meta", "version": "1", "install-path": null},
        {"name": "acme/linked", "version": "1", "install-path": "../acme/linked"},
        {"name": "evil/root", "version": "1", "install-path": "../../../../.."},
        {"name": "evil/app", "version": "1", "install-path": "../.."},
        "nonsense"
    ],
    "dev": true,
    "dev-package-names": []
}
-- layer --
file app/vendor/composer/installed.json @installed
file app/vendor/splitbrain/slika/src/Slika.php
file app/vendor/monolog/monolog/src/Logger.php
symlink app/vendor/acme/linked -> ../../packages/linked
file app/packages/linked/a.php
file old/vendor/composer/installed.json "[{\"name\":\"a/b\",\"version\":\"1\"},{\"name\":\"../../x\",\"version\":\"1\"}]"
file old/vendor/a/b/c.php
`

func TestComposer(t *testing.T) {
	r := NewReader(open(t, composerImage))
	for vendor, want := range map[string][]*Composer{
		"/app/vendor": {
			{Name: "splitbrain/slika", Version: "1.0.5", Dir: "/app/vendor/splitbrain/slika", Requires: []string{"Psr/log-implementation"}, Bin: []string{"bin/slika"}},
			{Name: "monolog/monolog", Version: "2.0", Dir: "/app/vendor/monolog/monolog", Provides: []string{"psr/log-implementation"}},
			{Name: "acme/meta", Version: "1"},
			{Name: "acme/linked", Version: "1", Dir: "/app/packages/linked"},
			{Name: "evil/root", Version: "1"},
			{Name: "evil/app", Version: "1"},
		},
		"/old/vendor": {{Name: "a/b", Version: "1", Dir: "/old/vendor/a/b"}, {Name: "../../x", Version: "1"}},
		"/none":       nil,
	} {
		got, err := r.Composer(vendor)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", vendor, d)
		}
	}
}

func TestFilterComposer(t *testing.T) {
	for _, c := range []struct{ name, in, gone, want string }{
		{"nothing goes", `{"packages": [ {"name":"a/a"} ], "dev": true}`, "", `{"packages": [ {"name":"a/a"} ], "dev": true}`},
		{"the first", `{"dev": true, "packages": [ {"name":"a/a"}, {"name":"b/b"} ]}`, "a/a", `{"dev": true, "packages": [ {"name":"b/b"} ]}`},
		{"in the middle", "[\n\t{\"name\":\"a/a\"},\n\t{\"name\":\"B/b\"},\n\t{\"name\":\"c/c\"}\n]", "b/b", "[\n\t{\"name\":\"a/a\"},\n\t{\"name\":\"c/c\"}\n]"},
		{"all", `{"packages":[{"name":"a/a"}]}`, "a/a", `{"packages":[]}`},
		{"none of a list", `{"packages": {"a": 1}}`, "a", `{"packages": {"a": 1}}`},
		{"cut short", `{"packages":[{"name":"a/a"}`, "a/a", `{"packages":[{"name":"a/a"}`},
		{"something else", "\x00", "a", "\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := FilterComposer([]byte(c.in), func(name string) bool { return name != c.gone })
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestComposerVendors(t *testing.T) {
	for p, want := range map[string]string{
		"/app/vendor/a/b/c.php":               "/app/vendor",
		"/app/vendor/a/b/vendor/d/e.php":      "/app/vendor /app/vendor/a/b/vendor",
		"/app/lib/composer/ClassLoader.php":   "/app/lib",
		"/app/vendor/composer/installed.json": "/app/vendor /app/vendor",
		"/app/composer/other.php":             "",
		"/app/vendored/x":                     "",
		"/composer/installed.json":            "/",
	} {
		if got := strings.Join(ComposerVendors(p), " "); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
}

func FuzzFilterComposer(f *testing.F) {
	f.Add([]byte(`{"packages":[{"name":"a/a"},{"name":"b/b"}]}`))
	f.Add([]byte(`[{"name":"a/a"} , {"name":"b/b"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		left := FilterComposer(b, func(name string) bool { return name != "a/a" })
		again := FilterComposer(left, func(name string) bool { return name != "a/a" })
		if !slices.Equal(left, again) {
			t.Errorf("%q is filtered to %q, and that to %q", b, left, again)
		}
	})
}
