package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ErrFormat says that an input's format cannot be told, or that it is none
// that holds paths; the message says which, and what to do.
var ErrFormat = errors.New("no known recording")

// SniffLen is how much of an input [Detect] wants to see, in bytes.
const SniffLen = 64 << 10

const recordPaths = "record with pare record, strace -f or another recorder of docs/profile.md"

// Detect tells a recording's format by its beginning. It never guesses: what
// fits none or several gives an error that wraps [ErrFormat].
func Detect(head []byte) (Format, error) {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	line, _, _ := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	switch {
	case bytes.HasPrefix(head, []byte("/")):
		return FormatPaths, nil
	case bytes.HasPrefix(head, []byte("{")), isArray(head):
		return detectJSON(head)
	case bytes.HasPrefix(line, []byte("apiVersion:")), bytes.Equal(line, []byte("---")):
		return "", fmt.Errorf("%w: it is YAML; print it as JSON (kubectl get ... -o json)", ErrFormat)
	}
	if bareWord.Match(line) {
		return "", fmt.Errorf("%w: it begins with the word %s alone; a list of system calls holds no paths, and a list of paths wants absolute ones; %s", ErrFormat, line, recordPaths)
	}
	_, fatrace := parseFatrace(append(slices.Clone(line), ' '))
	_, strace := parseLine(string(line))
	if fatrace && strace {
		return "", fmt.Errorf("%w: its first line may be strace's or fatrace's; name it with --format", ErrFormat)
	}
	if fatrace {
		return FormatFatrace, nil
	}
	if len(head) == 0 || bytes.HasPrefix(line, []byte("strace: ")) { // nothing, which strace's reader says; its own messages
		return FormatStrace, nil
	}
	for line := range bytes.Lines(head) {
		if _, ok := parseLine(string(bytes.TrimRight(line, "\r\n"))); ok {
			return FormatStrace, nil
		}
	}
	return "", fmt.Errorf("%w: text of no known form; name the recorder with --format", ErrFormat)
}

func isArray(head []byte) bool {
	rest, ok := bytes.CutPrefix(head, []byte("["))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return ok && len(rest) > 0 && (rest[0] == '{' || rest[0] == '"')
}

// bareWord is a line that a list of system calls has and strace's never.
var bareWord = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// signature is what tells a form of JSON: members of its first object.
type signature struct {
	format Format
	all    []string // all of these
	any    []string // and, unless empty, one of these
}

var signatures = []signature{
	{FormatSlimToolkit, []string{"monitors"}, nil},
	{FormatCtrRemote, []string{"path"}, []string{"manifestDigest", "layerIndex"}},
	{FormatTracee, []string{"eventName", "args"}, nil},
	{FormatTracee, []string{"name", "workload", "timestamp"}, nil},
	{FormatFatrace, []string{"pid", "types"}, nil},
	{FormatGadget, []string{"fname"}, nil},
	{FormatGadget, []string{"proc"}, []string{"args", "exepath", "timestamp_raw"}},
	{FormatGadget, []string{"comm", "args"}, []string{"pcomm", "mntns_id", "mountnsid", "ppid"}},
	{FormatGadget, []string{"mountnsid", "type"}, nil},
}

func detectJSON(head []byte) (Format, error) {
	members := firstMembers(head)
	kind := members["kind"]
	switch {
	case kind == kindName:
		return "", fmt.Errorf("%w: it is a profile already; use it as it is, or pare profile merge", ErrFormat)
	case kind == "SeccompProfile" || members.has("syscalls") && (members.has("defaultAction") || members.has("architectures")):
		return "", fmt.Errorf("%w: a seccomp profile holds system calls, no paths; %s", ErrFormat, recordPaths)
	case kind == "SelinuxProfile" || kind == "RawSelinuxProfile":
		return "", fmt.Errorf("%w: an SELinux profile holds labels, no paths; %s", ErrFormat, recordPaths)
	case kind == appArmorKind || kind == "List" || kind == appArmorKind+"List":
		return FormatAppArmor, nil
	}
	var fit []Format
	for _, s := range signatures {
		if s.fits(members) && !slices.Contains(fit, s.format) {
			fit = append(fit, s.format)
		}
	}
	switch len(fit) {
	case 1:
		return fit[0], nil
	case 0:
		return "", fmt.Errorf("%w: JSON of no known form; name the recorder with --format", ErrFormat)
	}
	var names []string
	for _, f := range fit {
		names = append(names, string(f))
	}
	return "", fmt.Errorf("%w: it may be of %s; name the recorder with --format", ErrFormat, strings.Join(names, " or "))
}

// memberSet are an object's members, with the value of those that are strings.
type memberSet map[string]string

func (m memberSet) has(name string) bool { _, ok := m[name]; return ok }

func (s *signature) fits(m memberSet) bool {
	for _, name := range s.all {
		if !m.has(name) {
			return false
		}
	}
	return len(s.any) == 0 || slices.ContainsFunc(s.any, m.has)
}

// firstMembers reads the first object as far as head shows it.
func firstMembers(head []byte) memberSet {
	m := memberSet{}
	d := json.NewDecoder(bytes.NewReader(bytes.TrimLeft(head, " \t\r\n[")))
	_ = walkObject(d, func(name string) error {
		m[name] = ""
		if name != "kind" {
			return pass(d)
		}
		var kind scalar
		err := d.Decode(&kind)
		m[name] = string(kind)
		return err
	}) // head may end anywhere
	return m
}
