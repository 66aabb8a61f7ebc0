package profile

import (
	"encoding/json"
	"errors"
	"path"
	"strings"
)

// gadgetEvent is an event of Inspektor Gadget's trace_open or trace_exec.
// Fields by age:
//   - built into kubectl-gadget: pkg/gadgets/trace/open/types/types.go, commit
//     0b11789, and exec's, 18d52d8 (path, fullPath, err; args as a list; k8s
//     and runtime as pkg/types/types.go, 00a194c, has them);
//   - gadgets as images: gadgets/trace_open/program.bpf.c, commits 892e972
//     (fname, ret) and 0152cd5 (error_raw, hence error; proc, as
//     pkg/operators/ebpf/types/types.go, 0224a91, has it), and trace_exec's;
//   - newer ones with --paths: fpath of an open; file, exepath and cwd of an exec.
type gadgetEvent struct {
	Type    string          `json:"type"` // of the built-in ones: "normal", "err", ...
	K8s     gadgetK8s       `json:"k8s"`
	Runtime json.RawMessage `json:"runtime"`
	gadgetK8s
	ContainerName scalar `json:"containerName"`
	ContainerID   scalar `json:"containerId"`
	MountID       scalar `json:"mntns_id"`
	OldMountID    scalar `json:"mountnsid"`

	Timestamp    scalar `json:"timestamp"`
	TimestampRaw scalar `json:"timestamp_raw"`
	Proc         *struct {
		PID     scalar `json:"pid"`
		MountID scalar `json:"mntns_id"`
		Creds   struct {
			UID scalar `json:"uid"`
			GID scalar `json:"gid"`
		} `json:"creds"`
	} `json:"proc"`
	PID scalar `json:"pid"`
	UID scalar `json:"uid"`
	GID scalar `json:"gid"`

	Error    scalar `json:"error"`
	ErrorRaw scalar `json:"error_raw"`
	Err      scalar `json:"err"`
	Ret      scalar `json:"ret"`
	Retval   scalar `json:"retval"`

	FName       scalar          `json:"fname"`
	FPath       scalar          `json:"fpath"`
	Path        scalar          `json:"path"`
	FullPath    scalar          `json:"fullPath"`
	Flags       json.RawMessage `json:"flags"`
	FlagsRaw    scalar          `json:"flags_raw"`
	OldFlagsRaw scalar          `json:"flagsRaw"`

	Args    json.RawMessage `json:"args"`
	Cwd     scalar          `json:"cwd"`
	File    scalar          `json:"file"`
	ExePath scalar          `json:"exepath"`
}

type gadgetK8s struct {
	Namespace     scalar `json:"namespace"`
	Pod           scalar `json:"pod"`
	PodName       scalar `json:"podName"`
	Container     scalar `json:"container"`
	K8sContainer  scalar `json:"containerName"`
	NodeOfCluster scalar `json:"node"`
}

type gadgetRuntime struct {
	ContainerID   scalar `json:"containerId"`
	Container     scalar `json:"container"`
	ContainerName scalar `json:"containerName"`
}

// Lengths at which the recorder's programs cut strings: NAME_MAX of fname,
// ARGSIZE of an argument (128, then 256), each with its NUL.
const (
	gadgetName = 254
	gadgetArg  = 127
)

// gadget reads events of Inspektor Gadget. Files of opens are attributed to
// programs where trace_exec's events are in the same stream.
func gadget() stream {
	exes := map[string]string{} // by process
	return stream{
		engine: string(FormatGadget),
		read: func(raw []byte) (recorded, error) {
			var e gadgetEvent
			if err := json.Unmarshal(raw, &e); err != nil {
				return recorded{}, err
			}
			return e.record(exes)
		},
		lossy: []string{
			"trace_open shows opens alone: no stat, no readlink, no directory that was only looked through",
			"ports, HOME, and groups beyond the first",
			"openat2, and what was opened before the gadget ran; events that the kernel dropped are not in the stream",
		},
		hint: "record with: ig run trace_open --paths -o json --containername NAME (and trace_exec --paths)",
	}
}

func (e *gadgetEvent) record(exes map[string]string) (recorded, error) {
	r := recorded{origin: e.where(), time: nanoseconds(firstOf(e.Timestamp, e.TimestampRaw)), dir: string(e.Cwd)}
	pid, uid, gid := e.PID, e.UID, e.GID
	if e.Proc != nil {
		pid, uid, gid = e.Proc.PID, firstOf(e.Proc.Creds.UID, "0"), firstOf(e.Proc.Creds.GID, "0")
	}
	if pid == "" && !r.known() && r.mount == "" {
		return r, errors.New("neither a process nor a container")
	}
	if uid == "" && gid != "" { // the built-in gadgets leave out a zero uid
		uid = "0"
	}
	r.user = userOf(uid, gid)
	process := r.mount + " " + string(pid)
	switch {
	case e.Type != "" && e.Type != "normal":
		r.skip = "a message of the gadget, no event"
	case e.FName != "" || e.FPath != "" || e.Path != "" || e.FullPath != "":
		e.open(&r, exes[process])
	case len(e.Args) > 0 || e.ExePath != "" || e.File != "":
		e.exec(&r)
		if exe := string(e.ExePath); checkPath(exe) == nil && pid != "" && len(exes) < maxFDs {
			exes[process] = exe
		}
	}
	return r, nil
}

// where the event happened.
func (e *gadgetEvent) where() origin {
	var rt gadgetRuntime
	_ = json.Unmarshal(e.Runtime, &rt) // older ones: only its name
	k := e.K8s
	if k.name() == "" && k.pod() == "" {
		k = e.gadgetK8s
	}
	o := origin{
		id:    string(firstOf(rt.ContainerID, e.ContainerID)),
		name:  string(firstOf(k.name(), rt.ContainerName, rt.Container, e.ContainerName)),
		mount: string(firstOf(e.MountID, e.OldMountID)),
	}
	if e.Proc != nil && e.Proc.MountID != "" {
		o.mount = string(e.Proc.MountID)
	}
	if k.pod() != "" {
		o.pod = string(k.Namespace) + "/" + string(k.pod())
	}
	return o
}

func (k *gadgetK8s) name() scalar { return firstOf(k.K8sContainer, k.Container) }
func (k *gadgetK8s) pod() scalar  { return firstOf(k.PodName, k.Pod) }

// errno is "" when the call succeeded; the number before the name, whose
// spelling is the recorder's.
func (e *gadgetEvent) errno() string {
	for _, s := range []scalar{e.ErrorRaw, e.Error, e.Err} {
		if s != "" && s != "0" {
			return string(s)
		}
	}
	for _, s := range []scalar{e.Ret, e.Retval} {
		if strings.HasPrefix(string(s), "-") {
			return string(s)
		}
	}
	return ""
}

func (e *gadgetEvent) open(r *recorded, exe string) {
	name, full := string(firstOf(e.FName, e.Path)), string(firstOf(e.FPath, e.FullPath))
	a := Access{Path: name, Resolved: full, Exists: !missing(e.errno()), Kinds: e.openKinds()}
	if exe != "" {
		a.By = []string{printable(exe)}
	}
	if full != "" && (!path.IsAbs(name) || len(name) >= gadgetName) {
		a.Path = full
	} else if len(name) >= gadgetName {
		r.cut = true
	}
	r.accesses = []Access{a}
}

func (e *gadgetEvent) openKinds() []Kind {
	if len(e.Flags) > 0 && (e.Flags[0] == '"' || e.Flags[0] == '[') {
		return openKinds(string(e.Flags)) // names, in one string or several
	}
	var flags scalar
	_ = json.Unmarshal(e.Flags, &flags)
	if n := firstOf(flags, e.FlagsRaw, e.OldFlagsRaw).number(); n > 0 {
		return flagKinds(n)
	}
	return openKinds("")
}

// exec makes accesses of what was called, the file that this is, and the
// program that then runs (a script's interpreter). args begins with the path
// that execve was given, not with argv[0].
func (e *gadgetEvent) exec(r *recorded) {
	called, exact := e.called()
	file := string(e.File)
	a := Access{Path: called, Resolved: file, Exists: !missing(e.errno()), Kinds: []Kind{Exec}}
	switch {
	case !exact && file != "" && strings.ContainsAny(file, " "):
		a.Path = file // where the path ends in args cannot be told
	case len(called) >= gadgetArg && file != "":
		a.Path = file
	case len(called) >= gadgetArg:
		r.cut = true
	}
	r.accesses = append(r.accesses, a)
	if exe := string(e.ExePath); exe != "" && e.errno() == "" {
		r.accesses = append(r.accesses, Access{Path: exe, Exists: true, Kinds: []Kind{Exec}})
	}
}

// called is the first of args; exact when they are a list, not one string.
func (e *gadgetEvent) called() (name string, exact bool) {
	var list []string
	if json.Unmarshal(e.Args, &list) == nil && len(list) > 0 {
		return list[0], true
	}
	var text scalar
	_ = json.Unmarshal(e.Args, &text)
	name, _, _ = strings.Cut(string(text), " ")
	return name, false
}

// firstOf is the first that is not empty.
func firstOf(list ...scalar) scalar {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
