//go:build linux && !amd64

package builtin

var deniedHere []uint32
