package instrument

import (
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pare-image/pare/layers/elfdeps"
)

// machines are those that the sensor records on, by Go's and OCI's name.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// checkSensor wants a static program for the image's platform.
func checkSensor(program *io.SectionReader, os, arch string) error {
	want, ok := machines[arch]
	if os != "linux" || !ok {
		return fmt.Errorf("%w: the image is for %q, and the sensor records on linux, %s",
			ErrRefused, os+"/"+arch, strings.Join(slices.Sorted(maps.Keys(machines)), " and "))
	}
	unfit := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s; give the statically linked pare of linux/%s with --sensor FILE", ErrSensor, fmt.Sprintf(format, args...), arch)
	}
	f, err := elfdeps.Parse(program, program.Size())
	switch {
	case err != nil:
		return unfit("no program for Linux (%v)", err)
	case f.Machine != uint16(want) || f.Class != byte(elf.ELFCLASS64) || f.Data != byte(elf.ELFDATA2LSB):
		return unfit("it is for %s, the image for linux/%s", elf.Machine(f.Machine), arch)
	case f.Interp != "" || len(f.Needed) > 0:
		return unfit("it is linked dynamically (%s), and the image need not have what that takes", quoted(f))
	case f.Type != uint16(elf.ET_EXEC) && f.Type != uint16(elf.ET_DYN): // static-pie is a DYN
		return unfit("not a program (%s)", elf.Type(f.Type))
	}
	return nil
}

// quoted is what the program needs, by name.
func quoted(f *elfdeps.Info) string {
	var out []string
	for _, n := range append([]string{f.Interp}, f.Needed...) {
		if n != "" {
			out = append(out, strconv.Quote(n))
		}
	}
	return strings.Join(out, ", ")
}
