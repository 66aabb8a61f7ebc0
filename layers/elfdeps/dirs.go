package elfdeps

import (
	"path"
	"strings"
)

// triplets are Debian's multiarch names by machine; 32-bit ones where the
// class decides.
func triplet(i *Info) string {
	switch {
	case i.Machine == machineX86_64 && i.Class == 1:
		return "x86_64-linux-gnux32"
	case i.Machine == machineX86_64:
		return "x86_64-linux-gnu"
	case i.Machine == machine386:
		return "i386-linux-gnu"
	case i.Machine == machineAArch64:
		return "aarch64-linux-gnu"
	case i.Machine == machineARM:
		return "arm-linux-gnueabihf"
	case i.Machine == machinePPC64 && i.Data == 1:
		return "powerpc64le-linux-gnu"
	case i.Machine == machineS390 && i.Class == 2:
		return "s390x-linux-gnu"
	case i.Machine == machineRISCV && i.Class == 2:
		return "riscv64-linux-gnu"
	}
	return ""
}

// defaultDirs are the trusted directories of glibc's loader: those Debian
// configures (multiarch) and those other distributions do (lib64). A machine
// never finds the other's libraries there, as their class or machine differ.
func defaultDirs(i *Info) []string {
	var dirs []string
	if t := triplet(i); t != "" {
		dirs = append(dirs, "/lib/"+t, "/usr/lib/"+t)
	}
	if i.Machine == machineARM {
		dirs = append(dirs, "/lib/arm-linux-gnueabi", "/usr/lib/arm-linux-gnueabi")
	}
	if i.Class == 2 {
		dirs = append(dirs, "/lib64", "/usr/lib64")
	}
	return append(dirs, "/lib", "/usr/lib")
}

// expand replaces the tokens of ld.so(8) in search directories. What $ORIGIN
// is depends on how the file was opened, so both readings are searched.
func expand(dirs []string, f File, i *Info) []string {
	var out []string
	seen := map[string]bool{}
	for _, d := range dirs {
		origins := []string{path.Dir(f.Final)}
		if strings.Contains(d, "ORIGIN") && f.Path != "" && path.Dir(f.Path) != origins[0] {
			origins = append(origins, path.Dir(f.Path))
		}
		for _, o := range origins {
			for _, e := range expandOne(d, o, i) {
				if !seen[e] {
					seen[e] = true
					out = append(out, e)
				}
			}
		}
	}
	return out
}

func expandOne(dir, origin string, i *Info) []string {
	libs := []string{"lib"}
	if strings.Contains(dir, "$LIB") || strings.Contains(dir, "${LIB}") {
		if i.Class == 2 {
			libs = append(libs, "lib64")
		}
		if t := triplet(i); t != "" {
			libs = append(libs, "lib/"+t)
		}
	}
	var out []string
	for _, lib := range libs {
		out = append(out, strings.NewReplacer(
			"${ORIGIN}", origin, "$ORIGIN", origin,
			"${LIB}", lib, "$LIB", lib,
			"${PLATFORM}", platform(i), "$PLATFORM", platform(i),
		).Replace(dir))
	}
	return out
}

// platform is AT_PLATFORM as the kernel gives it.
func platform(i *Info) string {
	switch i.Machine {
	case machineX86_64:
		return "x86_64"
	case machine386:
		return "i686"
	case machineAArch64:
		return "aarch64"
	case machineARM:
		return "v7l"
	}
	return ""
}
