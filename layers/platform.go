package layers

import v1 "github.com/google/go-containerregistry/pkg/v1"

// SamePlatform says that two images are for the same machine. A variant or
// version that one of both does not say is no difference: old images name none.
// Versions of the operating system matter where both say one (Windows).
func SamePlatform(a, b *v1.ConfigFile) bool {
	same := func(x, y string) bool { return x == y || x == "" || y == "" }
	return a.OS == b.OS && a.Architecture == b.Architecture && same(a.Variant, b.Variant) && same(a.OSVersion, b.OSVersion)
}

// PlatformName is os/arch[/variant][:version], as an image says it.
func PlatformName(c *v1.ConfigFile) string {
	return v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion}.String()
}
