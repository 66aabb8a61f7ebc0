package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim/profile"
)

func newProfileShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show PROFILE", Short: "say what a profile holds", Args: exactly("PROFILE"),
		Example: "  pare profile show profile.json",
		RunE:    func(_ *cobra.Command, args []string) error { return runProfileShow(a, args[0], asJSON) },
	}
	bindJSON(cmd, &asJSON)
	return cmd
}

// profileDocument is the JSON of pare profile show.
type profileDocument struct {
	envelope
	Digest   string            `json:"digest"`
	Image    profile.Image     `json:"image"`
	Sessions []profile.Session `json:"sessions"`
	Paths    int               `json:"paths"`
	Existing int               `json:"existing"`
	Kinds    map[string]int    `json:"kinds"`       // paths by kind of access
	Top      []directoryCount  `json:"directories"` // most paths first
	Ports    []int             `json:"ports"`
	Users    []profile.User    `json:"users"`
	Home     []string          `json:"home"`
	Lost     int64             `json:"lost"`
	// Derived says of which other images accesses were carried over.
	Derived []profile.Derivation `json:"derived"`
}

type directoryCount struct {
	Path  string `json:"path"` // quoted when not UTF-8
	Paths int    `json:"paths"`
}

func runProfileShow(a *app, file string, asJSON bool) error {
	p, err := readProfile(file)
	if err != nil {
		return err
	}
	d, err := describeProfile(p)
	if err != nil {
		return err
	}
	if asJSON {
		return a.term.json(d)
	}
	return a.term.result("%s", profileText(d))
}

func describeProfile(p *profile.Profile) (profileDocument, error) {
	d := profileDocument{
		envelope: newEnvelope("profile.summary"), Image: p.Image, Sessions: orEmpty(p.Sessions), Paths: len(p.Accesses),
		Kinds: map[string]int{}, Ports: orEmpty(p.Ports), Users: orEmpty(p.Users), Home: orEmpty(p.Home), Lost: p.Lost(), Derived: orEmpty(p.Derived),
	}
	dirs := map[string]int{}
	for i := range p.Accesses {
		ac := &p.Accesses[i]
		if ac.Exists {
			d.Existing++
			dirs[topDirectory(ac.Path)]++
		}
		for _, k := range ac.Kinds {
			d.Kinds[string(k)]++
		}
	}
	d.Top = []directoryCount{}
	for dir, n := range dirs {
		d.Top = append(d.Top, directoryCount{printable(dir), n})
	}
	slices.SortFunc(d.Top, func(x, y directoryCount) int {
		return cmp.Or(cmp.Compare(y.Paths, x.Paths), cmp.Compare(x.Path, y.Path))
	})
	var err error
	d.Digest, err = p.Digest()
	return d, err
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// topDirectory is a path's first two components: /usr/lib, /etc.
func topDirectory(p string) string {
	parts := strings.SplitN(p, "/", 4)
	if len(parts) < 4 {
		return p[:max(1, strings.LastIndexByte(p, '/'))]
	}
	return "/" + parts[1] + "/" + parts[2]
}

func profileText(d profileDocument) string {
	unknown := func(s string) string {
		if s == "" {
			return "(not said: fits any)"
		}
		return printable(s)
	}
	rows := [][]string{
		{"profile", d.Digest},
		{"image", unknown(d.Image.Digest)},
		{"config", unknown(d.Image.Config)},
		{"platform", unknown(d.Image.Platform)},
		{"paths", fmt.Sprintf("%d, of which %d existed", d.Paths, d.Existing)},
		{"accesses", kindsText(d.Kinds)},
		{"ports", strings.Trim(fmt.Sprint(d.Ports), "[]")},
		{"users", usersText(d.Users)},
		{"lost events", fmt.Sprint(d.Lost)},
	}
	for _, v := range d.Derived {
		state := "; not verified"
		if v.Verified {
			state = "; verified"
		}
		rows = append(rows, []string{"derived", derivationText(v) + state})
	}
	var b strings.Builder
	b.WriteString(columns(rows) + "\n\nrecordings\n")
	rows = nil
	for _, s := range d.Sessions {
		rows = append(rows, []string{shortDigest(s.ID), printablePath(s.Engine), s.Duration.Round(time.Millisecond).String(), cut(words(s.Argv), 80)})
	}
	b.WriteString(columns(rows) + "\n\nwhere the paths are\n")
	rows = nil
	for _, t := range d.Top[:min(len(d.Top), 15)] {
		rows = append(rows, []string{t.Path, fmt.Sprint(t.Paths), ""})
	}
	return b.String() + columns(rows)
}

func kindsText(kinds map[string]int) string {
	var out []string
	for k, n := range kinds {
		out = append(out, fmt.Sprintf("%s %d", k, n))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func usersText(us []profile.User) string {
	var out []string
	for _, u := range us {
		out = append(out, fmt.Sprintf("%d:%d", u.UID, u.GID))
	}
	return strings.Join(out, ", ")
}
