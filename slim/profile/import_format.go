package profile

import (
	"fmt"
	"io"
	"slices"
	"strconv"
)

// Format is a form of recording that can be imported.
type Format string

// The formats.
const (
	FormatStrace      Format = "strace"
	FormatPaths       Format = "paths"
	FormatSlimToolkit Format = "slimtoolkit"      // creport.json
	FormatCtrRemote   Format = "ctr-remote"       // record JSON lines
	FormatGadget      Format = "inspektor-gadget" // trace_open, trace_exec
	FormatTracee      Format = "tracee"
	FormatFatrace     Format = "fatrace"
	FormatAppArmor    Format = "apparmor" // AppArmorProfile of the Security Profiles Operator
)

// Formats are all of them, in the order in which documents name them.
var Formats = []Format{
	FormatStrace, FormatPaths, FormatSlimToolkit, FormatCtrRemote, FormatGadget,
	FormatTracee, FormatFatrace, FormatAppArmor,
}

// ImportOptions say what a recording is of; the zero value is good.
type ImportOptions struct {
	Image Image
	// Container is whose events to take of a stream that holds several
	// containers' (Inspektor Gadget, Tracee): its name, its ID or the first
	// 12 digits or more of it, or NAMESPACE/POD/NAME.
	Container string
	// Root is the container's root as the recorder saw it, when it ran
	// outside (strace, fatrace); for fatrace the directories of all layers,
	// with colons between them.
	Root string
	// Cwd is the first program's working directory (strace).
	Cwd string
}

// Import reads a recording. An input that holds no access at all gives an
// error that wraps [ErrNothing] and says why.
func Import(f Format, r io.Reader, o ImportOptions) (*Profile, *ImportReport, error) {
	switch f {
	case FormatStrace:
		return ImportStrace(r, StraceOptions{Image: o.Image, Root: o.Root, Cwd: o.Cwd})
	case FormatPaths:
		return ImportPaths(r, o.Image)
	case FormatSlimToolkit:
		return importSlimToolkit(r, o)
	case FormatCtrRemote:
		return importCtrRemote(r, o)
	case FormatGadget:
		return importEvents(r, o, gadget())
	case FormatTracee:
		return importEvents(r, o, tracee())
	case FormatFatrace:
		return importFatrace(r, o)
	case FormatAppArmor:
		return importAppArmor(r, o)
	}
	return nil, nil, fmt.Errorf("importing: unknown format %s", strconv.Quote(string(f)))
}

// Streams says whether recordings of this format may hold the events of
// several containers, so that [ImportOptions.Container] means something.
func (f Format) Streams() bool { return slices.Contains([]Format{FormatGadget, FormatTracee}, f) }
