package elfdeps

import "io"

// Info is what an ELF file says about what it needs and provides.
type Info struct {
	Class        byte     `json:"class"`   // 1: 32-bit, 2: 64-bit
	Data         byte     `json:"data"`    // 1: little endian, 2: big endian
	Machine      uint16   `json:"machine"` // e_machine
	Type         uint16   `json:"type"`    // e_type: 2 EXEC, 3 DYN
	Interp       string   `json:"interp,omitempty"`
	Soname       string   `json:"soname,omitempty"`
	Needed       []string `json:"needed,omitempty"`
	RPath        []string `json:"rpath,omitempty"` // split at ":", tokens not yet replaced
	RunPath      []string `json:"runpath,omitempty"`
	NoDefaultLib bool     `json:"noDefaultLib,omitempty"` // DF_1_NODEFLIB
}

// Parse reads the program headers and dynamic section of the ELF file in r,
// within fixed bounds. Errors say where ([FormatError]). Files that are not
// ELF give ErrNotELF.
func Parse(r io.ReaderAt, size int64) (*Info, error) { panic("contract") }
