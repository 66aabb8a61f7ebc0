package reference

import (
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const hex64 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestParse(t *testing.T) {
	digest := v1.Hash{Algorithm: "sha256", Hex: hex64}
	for _, c := range []struct {
		text string
		want Ref
	}{
		{"debian", Ref{Kind: Registry, Name: "debian"}},
		{"debian:12", Ref{Kind: Registry, Name: "debian:12"}},
		{"host:5000/a/b:c", Ref{Kind: Registry, Name: "host:5000/a/b:c"}},
		{"host/a@sha256:" + hex64, Ref{Kind: Registry, Name: "host/a@sha256:" + hex64}},
		{"docker://host/a:b", Ref{Kind: Registry, Name: "host/a:b"}},
		{"oci:dir", Ref{Kind: OCI, Path: "dir"}},
		{"oci:/a/b:tag", Ref{Kind: OCI, Path: "/a/b", Name: "tag"}},
		{"oci:dir:host/a:b", Ref{Kind: OCI, Path: "dir", Name: "host/a:b"}},
		{"oci:dir@sha256:" + hex64, Ref{Kind: OCI, Path: "dir", Digest: digest}},
		{"oci:d@r:tag", Ref{Kind: OCI, Path: "d@r", Name: "tag"}},
		{"oci-archive:f.tar:v1", Ref{Kind: OCIArchive, Path: "f.tar", Name: "v1"}},
		{"docker-archive:f.tar", Ref{Kind: DockerArchive, Path: "f.tar"}},
		{"docker-archive:f.tar:app", Ref{Kind: DockerArchive, Path: "f.tar", Name: "app:latest"}},
		{"docker-archive:f.tar:host:5000/a/app:v1", Ref{Kind: DockerArchive, Path: "f.tar", Name: "host:5000/a/app:v1"}},
		{"docker-archive:f.tar:docker.io/library/app:v1", Ref{Kind: DockerArchive, Path: "f.tar", Name: "app:v1"}},
		{"docker-daemon:app:v1", Ref{Kind: DockerDaemon, Name: "app:v1"}},
		{"docker-daemon:team/app", Ref{Kind: DockerDaemon, Name: "team/app:latest"}},
		{"docker-daemon:sha256:" + hex64, Ref{Kind: DockerDaemon, Name: "sha256:" + hex64}},
	} {
		got, err := Parse(c.text)
		if err != nil || got != c.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", c.text, got, err, c.want)
			continue
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%q: %q is read as %+v, %v", c.text, got, again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "invalid reference",
		"docker:host/a:b":            "docker://",
		"oci:":                       "a path is missing",
		"oci::tag":                   "a path is missing",
		"oci:dir:a b":                "a tag of letters",
		"oci:dir:-x":                 "a tag of letters",
		"docker-archive:f:UPPER":     "repository",
		"docker-daemon:":             "invalid reference",
		"docker-daemon:a b":          "invalid reference",
		"./image.tar":                "docker-archive:FILE",
		"/srv/image":                 "oci:DIR",
		"docker-archiv:/srv/a.tar":   "docker-archive:FILE",
		"host/UPPER:x":               "invalid reference",
		"host/a:b\x1b[31m":           "control characters",
		"oci:dir\nx":                 "control characters",
		"host/a@sha256:" + hex64[1:]: "invalid reference",
	} {
		_, err := Parse(text)
		if !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v; want an ErrSyntax with %q", text, err, want)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("Parse(%q): the error holds control characters: %q", text, err)
		}
	}
}
