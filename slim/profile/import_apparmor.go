package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// appArmorProfile is an AppArmorProfile of the Security Profiles Operator
// (api/apparmorprofile/v1alpha1/apparmorprofile_types.go, commit 04d00fc; v1
// has the same fields), as `kubectl get -o json` prints it, or a list of them.
type appArmorProfile struct {
	Kind  string            `json:"kind"`
	Items []json.RawMessage `json:"items"`
	Spec  struct {
		Policy   scalar `json:"policy"` // of early versions: AppArmor's own language
		Abstract struct {
			Executable struct {
				Executables []string `json:"allowedExecutables"`
				Libraries   []string `json:"allowedLibraries"`
			} `json:"executable"`
			Filesystem struct {
				ReadOnly  []string `json:"readOnlyPaths"`
				WriteOnly []string `json:"writeOnlyPaths"`
				ReadWrite []string `json:"readWritePaths"`
			} `json:"filesystem"`
		} `json:"abstract"`
	} `json:"spec"`
}

const (
	appArmorKind = "AppArmorProfile"
	skipGlob     = "a pattern, no path"
	// maxCluster bounds an object of Kubernetes; its API server takes 3 MiB.
	maxCluster = 16 << 20
)

// importAppArmor reads a recorded AppArmorProfile. The recorder
// (internal/pkg/daemon/bpfrecorder/apparmor_filters.go, commit 0c32500) leaves out what
// AppArmor's abstractions/base allows, and replaces numbers by patterns.
func importAppArmor(r io.Reader, o ImportOptions) (*Profile, *ImportReport, error) {
	in := newLines(r)
	var a appArmorProfile
	if err := readDocument(in, maxCluster, &a); err != nil {
		return nil, nil, fmt.Errorf("reading AppArmorProfile: %w; want what kubectl get apparmorprofile NAME -o json prints", err)
	}
	if err := a.only(); err != nil {
		return nil, nil, fmt.Errorf("reading AppArmorProfile: %w", err)
	}
	c, s := newCollector(), Session{ID: in.id(), Engine: string(FormatAppArmor)}
	report := &ImportReport{Unit: "path", Lossy: []string{
		"what AppArmor's abstractions/base allows is not in it: libraries in the system's directories that a program loads by name, locales, gconv, /etc/ld.so.cache, /etc/localtime",
		"files whose names hold numbers of processes, users or containers: they are patterns",
		"anything that was not found, stat, order, which program asked, users, ports, HOME",
	}}
	for _, l := range a.lists() {
		for _, text := range l.paths {
			if err := s.allowed(c, report, text, l.kinds); err != nil {
				return nil, nil, err
			}
		}
	}
	p, err := c.profile(o.Image, s)
	return p, report, err
}

// appArmorList are paths that may be used in one way.
type appArmorList struct {
	paths []string
	kinds []Kind
}

func (a *appArmorProfile) lists() []appArmorList {
	executable, files := &a.Spec.Abstract.Executable, &a.Spec.Abstract.Filesystem
	return []appArmorList{
		{executable.Executables, []Kind{Exec}},
		{executable.Libraries, []Kind{Open}},
		{files.ReadOnly, []Kind{Open}},
		{files.WriteOnly, []Kind{Write}},
		{files.ReadWrite, []Kind{Open, Write}},
	}
}

// allowed adds a path of the profile.
func (s *Session) allowed(c *collector, report *ImportReport, text string, kinds []Kind) error {
	report.Lines++
	p, reason := place("", text)
	if strings.ContainsAny(text, `*?[]{}^\`) {
		reason = skipGlob
	}
	if reason != "" {
		report.skip(reason)
		s.Lost++
		return nil
	}
	report.Used++
	return c.add(Access{Path: p, Exists: true, Kinds: kinds})
}

// only takes the one item of a list.
func (a *appArmorProfile) only() error {
	if strings.HasSuffix(a.Kind, "List") && len(a.Items) > 0 {
		if len(a.Items) != 1 {
			return fmt.Errorf("a list of %d; get the one of the container by its name", len(a.Items))
		}
		raw := a.Items[0]
		*a = appArmorProfile{}
		if err := json.Unmarshal(raw, a); err != nil {
			return err
		}
	}
	switch {
	case a.Kind != appArmorKind:
		return fmt.Errorf("it is a %s, not an %s", printable(a.Kind), appArmorKind)
	case a.Spec.Policy != "":
		return errors.New("it holds a policy in AppArmor's own language, which is patterns, no list of paths; record anew with a ProfileRecording of a current operator")
	}
	return nil
}
