package record

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// CPULevel is this machine's level of the x86-64 psABI, "x86-64-v3" for
// example, as glibc's hwcaps directories are named after it; "" for other
// architectures. Of level 3's features F16C, LZCNT and MOVBE are not looked
// at: no processor has AVX2 and FMA without them.
func CPULevel() string {
	if runtime.GOARCH != "amd64" {
		return ""
	}
	x := &cpu.X86
	switch {
	case !x.HasSSE3 || !x.HasSSSE3 || !x.HasSSE41 || !x.HasSSE42 || !x.HasPOPCNT || !x.HasCX16:
		return "x86-64"
	case !x.HasAVX || !x.HasAVX2 || !x.HasBMI1 || !x.HasBMI2 || !x.HasFMA || !x.HasOSXSAVE:
		return "x86-64-v2"
	case !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512CD || !x.HasAVX512DQ || !x.HasAVX512VL:
		return "x86-64-v3"
	}
	return "x86-64-v4"
}
