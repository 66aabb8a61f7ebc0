package e2e

import (
	"crypto/md5"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func md5Of(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// A version is true when the bytes are there that its archive has, whatever
// the image itself says of them.
func TestUntrue(t *testing.T) {
	status := "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\nMulti-Arch: same\n\n" +
		"Package: b\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n"
	archive := map[string]sums{"a amd64 2": {"/lib/a": md5Of("two")}}
	for name, c := range map[string]struct {
		bytes, listed string
		want          map[string][]string
	}{
		"true":                {"two", "two", map[string][]string{}},
		"the old bytes":       {"one", "two", map[string][]string{"a:amd64": {"/lib/a"}}},
		"the old list":        {"two", "one", map[string][]string{"a:amd64": {"/var/lib/dpkg/info/a:amd64.md5sums"}}},
		"old bytes, old list": {"one", "one", map[string][]string{"a:amd64": {"/lib/a", "/var/lib/dpkg/info/a:amd64.md5sums"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c0 := newContents()
			for p, text := range map[string]string{
				"/usr/lib/a": c.bytes, "/var/lib/dpkg/status": status,
				"/var/lib/dpkg/info/a:amd64.md5sums": md5Of(c.listed) + "  lib/a\n",
			} {
				if err := c0.file(p, strings.NewReader(text)); err != nil {
					t.Fatal(err)
				}
			}
			c0.nodes["/lib"] = node{mode: 0o120000, link: "usr/lib"}
			c0.nodes["/usr"], c0.nodes["/usr/lib"] = node{mode: 0o040000}, node{mode: 0o040000}
			if diff := cmp.Diff(c.want, c0.untrue(archive)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTrafficOf(t *testing.T) {
	query := func(s string) url.Values { q, _ := url.ParseQuery(s); return q }
	got := trafficOf([]request{
		{method: "GET", path: "/v2/", status: 200},
		{method: "GET", path: "/v2/a/blobs/sha256:layer", status: 200, received: 1000},
		{method: "GET", path: "/v2/a/blobs/sha256:config", status: 200, received: 10},
		{method: "POST", path: "/v2/b/blobs/uploads/", query: query("mount=sha256:layer&from=a"), status: 201},
		{method: "POST", path: "/v2/b/blobs/uploads/", query: query("mount=sha256:other&from=a"), status: 202},
		{method: "PUT", path: "/v2/b/blobs/uploads/1", query: query("digest=sha256:new"), status: 201, sent: 20},
		{method: "GET", path: "/v2/a/manifests/sha256-1", status: 404},
		{method: "PUT", path: "/v2/b/manifests/v1", status: 201, sent: 5},
	}, func(d string) bool { return d == "sha256:layer" })
	want := traffic{
		requests: 7, reads: 1, read: 1000, uploads: map[string]int64{"sha256:new": 20},
		kinds: map[string]int{"ping": 1, "blob GET": 1, "mount": 1, "upload POST": 1, "upload PUT": 1, "referrers": 1, "manifest PUT": 1},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(traffic{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.sent() != 20 {
		t.Errorf("sent %d bytes", got.sent())
	}
}
