package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// firstUnprivilegedPort is what net.ipv4.ip_unprivileged_port_start is under
// the conditions: the kernel's default. Docker sets 0.
const firstUnprivilegedPort = 1024

// Capability is one that the container keeps.
type Capability struct {
	Name   string `json:"name"` // without CAP_
	Reason string `json:"reason"`
}

// identityCaps are what a start as root takes to become another user, and to
// give files to it: a container that begins as that user needs none of them.
var identityCaps = map[string]string{
	"setuid": "SETUID", "setreuid": "SETUID", "setresuid": "SETUID", "setfsuid": "SETUID",
	"setgid": "SETGID", "setregid": "SETGID", "setresgid": "SETGID", "setfsgid": "SETGID", "setgroups": "SETGID",
	"chown": "CHOWN", "fchown": "CHOWN", "lchown": "CHOWN", "fchownat": "CHOWN",
}

// usedCaps are calls that need a capability which runtimes give by default
// (moby's default list); what needs more is named and never given unasked.
var usedCaps = map[string]string{"chroot": "SYS_CHROOT", "mknod": "MKNOD", "mknodat": "MKNOD"}

// caps says which capabilities the workload was proved to need as uid.
func caps(p *profile.Profile, uid int) ([]Capability, []Unmet) {
	reasons := map[string]string{}
	var unmet []Unmet
	if port := lowestPort(p); port < firstUnprivilegedPort {
		reasons["NET_BIND_SERVICE"] = lowPort(port, uid)
	}
	seen := map[profile.Privilege]bool{}
	for _, s := range p.Sessions {
		for _, use := range s.Privileges {
			if seen[use] {
				continue
			}
			seen[use] = true
			if u, ok := judge(use, uid, reasons); !ok {
				unmet = append(unmet, u)
			}
		}
	}
	var out []Capability
	for name, reason := range reasons {
		out = append(out, Capability{name, reason})
	}
	slices.SortFunc(out, func(a, b Capability) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(unmet, func(a, b Unmet) int { return strings.Compare(a.Path+a.Text, b.Path+b.Text) })
	return out, unmet
}

// lowestPort is the lowest that the workload bound, at most the first that is
// free for all.
func lowestPort(p *profile.Profile) int {
	lowest := firstUnprivilegedPort
	for _, port := range p.Ports {
		if port > 0 {
			lowest = min(lowest, port)
		}
	}
	return lowest
}

// lowPort says what a port below the first unprivileged one takes. Runtimes
// make no capability ambient, so that it reaches root alone.
func lowPort(port, uid int) string {
	text := fmt.Sprintf("the workload listens on port %d, below %d", port, firstUnprivilegedPort)
	if uid != 0 {
		text += fmt.Sprintf("; docker and Kubernetes give capabilities to root alone: set net.ipv4.ip_unprivileged_port_start to %d there, as docker does by default, or listen on a higher port", port)
	}
	return text
}

// judge adds what one use of privilege needs to reasons, or says that it will
// not be had.
func judge(use profile.Privilege, uid int, reasons map[string]string) (Unmet, bool) {
	if use.Kind != profile.CapCall {
		return Unmet{
			Path: use.Path, Text: "the workload executed a program with privilege of its own (" + string(use.Kind) + "), which gains nothing under no-new-privileges",
			Next: "have the workload do without it",
		}, use.Denied // denied while recorded too: what was seen was seen without
	}
	call, _, _ := strings.Cut(use.Path, " ")
	if name, ok := identityCaps[call]; ok {
		if uid == 0 && !use.Denied {
			addReason(reasons, name, call)
		}
		return Unmet{}, true
	}
	if name, ok := usedCaps[call]; ok && !use.Denied {
		addReason(reasons, name, call)
		return Unmet{}, true
	}
	if use.Denied || call == "bind" {
		return Unmet{}, true // a low port is known by its number
	}
	return Unmet{
		Text: fmt.Sprintf("the workload called %s, which needs a capability that runtimes do not give by default", Text(use.Path)),
		Next: "if it is needed, name the capability with --cap NAME",
	}, false
}

func addReason(reasons map[string]string, name, call string) {
	if _, ok := reasons[name]; !ok {
		reasons[name] = "the workload called " + call
	}
}
