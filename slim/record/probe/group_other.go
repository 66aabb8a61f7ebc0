//go:build !unix

package probe

import "os/exec"

// ownGroup needs process groups; without them only cmd itself is ended.
func ownGroup(*exec.Cmd) {}
