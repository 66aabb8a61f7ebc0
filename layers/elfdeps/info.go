package elfdeps

// Info is what an ELF file says about what it needs and provides.
type Info struct {
	Class        byte     `json:"class"`   // 1: 32-bit, 2: 64-bit
	Data         byte     `json:"data"`    // 1: little endian, 2: big endian
	Machine      uint16   `json:"machine"` // e_machine
	Type         uint16   `json:"type"`    // e_type: 2 EXEC, 3 DYN
	Interp       string   `json:"interp,omitempty"`
	Soname       string   `json:"soname,omitempty"`
	Needed       []string `json:"needed,omitempty"`
	RPath        []string `json:"rpath,omitempty"`   // split at ":", tokens not yet replaced
	RunPath      []string `json:"runpath,omitempty"` // likewise
	NoDefaultLib bool     `json:"noDefaultLib,omitempty"`
	// Dynamic says that the file has a dynamic section.
	Dynamic bool `json:"dynamic,omitempty"`
	// Names are of shared libraries that the file has as strings, besides its
	// soname and needs: what it may open by name. [Parse] leaves it empty, see
	// [LibraryNames].
	Names []string `json:"names,omitempty"`
}

// IsExecutable says that the kernel can start the file: it names an
// interpreter, or it is a static program. Shared libraries that name an
// interpreter (libc.so.6) count too.
func (i *Info) IsExecutable() bool { return i.Interp != "" || i.Type == typeExec }

// e_type.
const (
	typeExec = 2
	typeDyn  = 3
)

// e_machine, of those with a multiarch triplet or a cache flag below.
const (
	machine386     = 3
	machinePPC64   = 21
	machineS390    = 22
	machineARM     = 40
	machineX86_64  = 62
	machineAArch64 = 183
	machineRISCV   = 243
)
