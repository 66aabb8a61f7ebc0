package profile

import (
	"encoding/json"
	"errors"
)

// traceeEvent is an event of Tracee in one of its two schemas:
//   - types/trace/trace.go, commit 03e21f5 (eventName, args); older ones have
//     the container's and pod's fields beside the others;
//   - api/v1beta1/event.proto, commit 0565919 (name, workload, data), as
//     api/v1beta1/event_json.go, commit 381efe1, writes it (value), or as
//     protojson does (str, int32, ...).
type traceeEvent struct {
	EventName     scalar      `json:"eventName"`
	Args          []traceeArg `json:"args"`
	ReturnValue   scalar      `json:"returnValue"`
	MountNS       scalar      `json:"mountNamespace"`
	ContainerID   scalar      `json:"containerId"`
	ContainerName scalar      `json:"containerName"`
	PodName       scalar      `json:"podName"`
	PodNamespace  scalar      `json:"podNamespace"`
	Container     traceeContainer
	Executable    traceeFile
	Kubernetes    struct {
		PodName      scalar `json:"podName"`
		PodNamespace scalar `json:"podNamespace"`
	} `json:"kubernetes"`
	ContextFlags *struct {
		ContainerStarted bool `json:"containerStarted"`
	} `json:"contextFlags"`

	Timestamp json.RawMessage `json:"timestamp"`

	Name     scalar          `json:"name"`
	Data     []traceeArg     `json:"data"`
	Workload *traceeWorkload `json:"workload"`
}

type traceeWorkload struct {
	Process struct {
		Executable traceeFile `json:"executable"`
	} `json:"process"`
	Container traceeContainer `json:"container"`
	K8s       struct {
		Pod       traceeNamed `json:"pod"`
		Namespace traceeNamed `json:"namespace"`
	} `json:"k8s"`
}

type (
	traceeNamed struct {
		Name scalar `json:"name"`
	}
	traceeFile struct {
		Path scalar `json:"path"`
	}
	traceeContainer struct {
		ID      scalar `json:"id"`
		Name    scalar `json:"name"`
		Started *bool  `json:"started"`
	}
)

// traceeArg is one argument; Value in both schemas' own form, the others in
// protojson's.
type traceeArg struct {
	Name     string          `json:"name"`
	Value    json.RawMessage `json:"value"`
	Str      scalar          `json:"str"`
	Int32    scalar          `json:"int32"`
	Int64    scalar          `json:"int64"`
	UInt32   scalar          `json:"u_int32"`
	UInt32pj scalar          `json:"uInt32"`
	Sockaddr json.RawMessage `json:"sockaddr"`
}

func (a *traceeArg) text() scalar {
	var v scalar
	if len(a.Value) > 0 {
		_ = v.UnmarshalJSON(a.Value) // a bad string counts as none
	}
	return firstOf(v, a.Str, a.Int32, a.Int64, a.UInt32, a.UInt32pj)
}

// tracee reads events of Tracee.
func tracee() stream {
	return stream{
		engine: string(FormatTracee),
		read: func(raw []byte) (recorded, error) {
			var e traceeEvent
			if err := json.Unmarshal(raw, &e); err != nil {
				return recorded{}, err
			}
			return e.record()
		},
		lossy: []string{
			"what was not among the traced events: security_file_open and sched_process_exec alone show no stat, no readlink and nothing that was not found",
			"the group of a user, so no users are taken; HOME",
			"events that Tracee dropped are not in the stream: see its own counters",
		},
		hint: "record with: tracee -e security_file_open,sched_process_exec -o json -s container=new",
	}
}

func (e *traceeEvent) record() (recorded, error) {
	name, args := string(e.EventName), e.Args
	if e.EventName == "" {
		name, args = string(e.Name), e.Data
	}
	if name == "" || e.EventName == "" && e.Workload == nil && e.Data == nil {
		return recorded{}, errors.New("no event name")
	}
	r := recorded{origin: e.where(), time: e.when()}
	if !e.started() {
		r.skip = "of the container's runtime, before its first program"
		return r, nil
	}
	if name == "bind" || name == "security_socket_bind" {
		r.port = boundPort(args)
		return r, nil
	}
	shape, ok := traceeShapes[name]
	switch {
	case name == "sched_process_exec":
		r.accesses, r.dir = execAccesses(args)
	case ok:
		r.accesses = shape.accesses(args, e.ReturnValue)
	default:
		r.skip = skipKind
	}
	if exe := string(e.executable()); checkPath(exe) == nil {
		for i := range r.accesses {
			r.accesses[i].By = []string{printable(exe)}
		}
	}
	return r, nil
}

func (e *traceeEvent) where() origin {
	if w := e.Workload; w != nil {
		o := origin{id: string(w.Container.ID), name: string(w.Container.Name)}
		if w.K8s.Pod.Name != "" {
			o.pod = string(w.K8s.Namespace.Name) + "/" + string(w.K8s.Pod.Name)
		}
		return o
	}
	o := origin{
		id:    string(firstOf(e.Container.ID, e.ContainerID)),
		name:  string(firstOf(e.Container.Name, e.ContainerName)),
		mount: string(e.MountNS),
	}
	if pod := firstOf(e.Kubernetes.PodName, e.PodName); pod != "" {
		o.pod = string(firstOf(e.Kubernetes.PodNamespace, e.PodNamespace)) + "/" + string(pod)
	}
	return o
}

// started says whether the container's first program runs, not its runtime:
// trace.Event.Origin of Tracee. Older versions do not tell.
func (e *traceeEvent) started() bool {
	if e.Workload != nil {
		return e.Workload.Container.Started == nil || e.Workload.Container.ID == "" || *e.Workload.Container.Started
	}
	return e.ContextFlags == nil || e.ContextFlags.ContainerStarted || firstOf(e.Container.ID, e.ContainerID) == ""
}

func (e *traceeEvent) executable() scalar {
	if e.Workload != nil {
		return e.Workload.Process.Executable.Path
	}
	return e.Executable.Path
}

// when reads a number of ns, RFC 3339, or seconds and nanos.
func (e *traceeEvent) when() int64 {
	if len(e.Timestamp) == 0 {
		return 0
	}
	var s scalar
	if e.Timestamp[0] != '{' {
		_ = s.UnmarshalJSON(e.Timestamp)
		return nanoseconds(s)
	}
	var t struct{ Seconds, Nanos scalar }
	_ = json.Unmarshal(e.Timestamp, &t)
	if n := t.Seconds.number(); n > 0 && n < 1<<33 {
		return n*1e9 + max(t.Nanos.number(), 0)
	}
	return 0
}

// boundPort is the port of a bind; 0 when it has none.
func boundPort(args []traceeArg) int {
	for _, a := range args {
		if a.Name != "local_addr" && a.Name != "addr" {
			continue
		}
		var addr struct {
			Port  scalar `json:"sin_port"`
			Port6 scalar `json:"sin6_port"`
		}
		for _, raw := range []json.RawMessage{a.Value, a.Sockaddr} {
			if json.Unmarshal(raw, &addr) == nil {
				if n := firstOf(addr.Port, addr.Port6).number(); n > 0 && n < 1<<16 {
					return int(n)
				}
			}
		}
	}
	return 0
}
