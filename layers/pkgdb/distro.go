package pkgdb

import (
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// DistroFiles are the files by which scanners tell the distribution; without
// them they find no OS package at all. Those that an image has must stay.
var DistroFiles = []string{
	"/etc/alpine-release",
	"/etc/apk/repositories",
	"/etc/debian_version",
	"/etc/lsb-release",
	"/etc/os-release",
	"/etc/redhat-release",
	"/etc/system-release",
	"/etc/system-release-cpe",
	"/root/buildinfo/content_manifests",
	"/usr/lib/os-release",
}

// Distribution is the distribution and release, "debian 12", by which scanners
// look up an image's packages (os-release(5): ID, VERSION_ID); "" where one of
// both is not said. Of versions that count the patches of a release only the
// release counts: "alpine 3.19" of 3.19.1, "rhel 9" of 9.4.
func Distribution(t *layers.Tree) string {
	fields := map[string]string{}
	for line := range strings.Lines(string(layers.ELFTree{Tree: t}.ReadFile("/etc/os-release"))) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			fields[k] = strings.Trim(v, `"'`)
		}
	}
	id, version := fields["ID"], fields["VERSION_ID"]
	if id == "" || version == "" {
		return ""
	}
	parts := strings.Split(version, ".")
	switch {
	case id == "alpine" && len(parts) > 2:
		version = strings.Join(parts[:2], ".")
	case slices.Contains(majorReleases, id):
		version = parts[0]
	}
	return id + " " + version
}

// majorReleases are the distributions whose minor versions are patch levels.
var majorReleases = []string{"almalinux", "centos", "ol", "rhel", "rocky"}
