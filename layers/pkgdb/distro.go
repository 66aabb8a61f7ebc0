package pkgdb

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
