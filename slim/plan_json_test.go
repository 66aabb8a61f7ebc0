package slim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/layers"
)

// odd is an image whose names and times no text holds as they are.
const odd = `
-- layer --
file "a\xff\n\x1b[31m" 0600 "x"
symlink "l\xfe" -> "a\xff\n\x1b[31m"
file "srv/\xfd" "y"
file etc/hosts mtime=300000000000
file etc/hostname mtime=-99999999999
file var/lib/dpkg/status "Package: p\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
file var/lib/dpkg/info/p.list "/srv/\xfd\n"
`

func TestPlanWrittenAndReadAgain(t *testing.T) {
	for _, tree := range []*layers.Tree{open(t, odd), open(t, debian), open(t, stateImage)} {
		var all []string
		for _, p := range paths(tree) {
			if !strings.HasSuffix(p, "passwd") {
				all = append(all, p)
			}
		}
		plan := planned(t, tree, joined(opened(all...), accessed("/l\xfe", "write")), Options{Compression: layers.EStargz, Own: []string{"/"}, Keep: []string{"/a?*"}, Allow: allowable()})
		var b bytes.Buffer
		if err := plan.Write(&b); err != nil {
			t.Fatal(err)
		}
		if s := b.String(); strings.ContainsAny(s, "\x1b") || !json.Valid(b.Bytes()) || strings.Contains(s, "\ufffd") {
			t.Errorf("not clean JSON: %q", s)
		}
		text := b.String()
		again, err := ReadPlan(&b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(plan, again); d != "" {
			t.Errorf("(-written +read):\n%s", d)
		}
		var second bytes.Buffer
		if plan, err = ReadPlan(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if err := plan.Write(&second); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(text, second.String()); d != "" {
			t.Errorf("written twice (-first +second):\n%s", d)
		}
	}
}

// hostile is a plan with one thing changed by somebody else.
func hostile(t *testing.T, plan *Plan, change func(map[string]any)) string {
	t.Helper()
	var b bytes.Buffer
	if err := plan.Write(&b); err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func item(m map[string]any, list string, i int) map[string]any {
	return m[list].([]any)[i].(map[string]any)
}

// A plan that is not what pare wrote is refused when it is read or when it is
// built: with an error, at once, and with nothing left but empty hands.
func TestHostilePlan(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile a \"x\"\nfile srv/b \"y\"\nsymlink out -> ../../../../etc\n")
	plan := planned(t, tree, opened("/a", "/srv/b", "/out"), Options{})
	last := len(plan.Entries) - 1
	for _, c := range []struct {
		name   string
		change func(map[string]any)
	}{
		{"another kind", func(m map[string]any) { m["kind"] = "pare.profile" }},
		{"a version to come", func(m map[string]any) { m["schemaVersion"] = 99 }},
		{"a field that nobody knows", func(m map[string]any) { m["run"] = "rm" }},
		{"another image", func(m map[string]any) { m["source"].(map[string]any)["digest"] = "sha256:0" }},
		{"a path that climbs", func(m map[string]any) { item(m, "entries", last)["path"] = "/srv/../../etc/cron.d/x" }},
		{"a relative path", func(m map[string]any) { item(m, "entries", last)["path"] = "srv" }},
		{"a path not in the image", func(m map[string]any) { item(m, "entries", last)["path"] = "/zzz" }},
		{"a path below a link", func(m map[string]any) { item(m, "entries", last)["path"] = "/out/passwd" }},
		{"a path with a NUL", func(m map[string]any) { item(m, "entries", last)["path"] = "/zz\x00" }},
		{"a path in text and in base64", func(m map[string]any) {
			item(m, "entries", last)["path"], item(m, "entries", last)["path_b64"] = "/", base64.StdEncoding.EncodeToString([]byte(plan.Entries[last].Path[1:]))
		}},
		{"a path in no base64", func(m map[string]any) { item(m, "entries", last)["path_b64"] = "?" }},
		{"another type", func(m map[string]any) { item(m, "entries", last)["type"] = "char" }},
		{"entries out of order", func(m map[string]any) { l := m["entries"].([]any); l[1], l[2] = l[2], l[1] }},
		{"an entry twice", func(m map[string]any) { m["entries"] = append(m["entries"].([]any), m["entries"].([]any)[last]) }},
		{"no reason", func(m map[string]any) { item(m, "entries", last)["reasons"] = nil }},
		{"a layer that is not there", func(m map[string]any) { item(m, "entries", last)["layers"] = []int{7} }},
		{"a negative layer", func(m map[string]any) { item(m, "entries", last)["layers"] = []int{-1} }},
		{"a source layer that is not there", func(m map[string]any) { item(m, "layers", 0)["source"] = 5 }},
		{"a negative source layer", func(m map[string]any) { item(m, "layers", 0)["source"] = -7 }},
		{"a source layer twice", func(m map[string]any) { m["layers"] = append(m["layers"].([]any), m["layers"].([]any)...) }},
		{"very many layers", func(m map[string]any) {
			for range 100_000 {
				m["layers"] = append(m["layers"].([]any), m["layers"].([]any)[0])
			}
		}},
		{"very many layers of a source that claims them", func(m map[string]any) {
			ids := []string{}
			for i := range 20_000 {
				ids = append(ids, fmt.Sprint(i))
				m["layers"] = append(m["layers"].([]any), map[string]any{"source": i})
			}
			m["source"].(map[string]any)["diffIds"] = ids
		}},
		{"a mode that is none", func(m map[string]any) { item(m, "generated", 0)["mode"] = "-7" }},
		{"a mode of a file type", func(m map[string]any) { item(m, "generated", 0)["mode"] = "100644" }},
		{"pare writes a device", func(m map[string]any) { item(m, "generated", 0)["type"] = "char" }},
		{"pare writes for a negative user", func(m map[string]any) { item(m, "generated", 0)["uid"] = -1 }},
		{"pare writes into a layer that is not there", func(m map[string]any) { item(m, "generated", 0)["layer"] = 9 }},
		{"a negative owner", func(m map[string]any) {
			m["ownership"] = []any{map[string]any{"path": "/a", "uid": -5, "gid": 0, "oldUid": 0, "oldGid": 0, "reason": map[string]any{"rule": "own"}}}
		}},
		{"an unknown compression", func(m map[string]any) { m["options"].(map[string]any)["compression"] = "../x" }},
		{"a finding that forbids", func(m map[string]any) {
			m["findings"] = []any{map[string]any{"name": "unsafe-drop", "severity": "error", "text": "x"}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "work")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			read, err := ReadPlan(strings.NewReader(hostile(t, plan, c.change)))
			if err == nil {
				_, err = Build(t.Context(), tree, read, dir)
			} else if !errors.Is(err, ErrPlan) {
				t.Errorf("error %v is no ErrPlan", err)
			}
			if err == nil {
				t.Error("accepted")
			}
			if left, _ := os.ReadDir(parent); len(left) != 1 {
				t.Errorf("left outside of the directory: %v", left)
			}
			if left, _ := os.ReadDir(dir); len(left) > len(plan.Layers) {
				t.Errorf("%d files left", len(left))
			}
		})
	}
	if _, err := ReadPlan(strings.NewReader(hostile(t, plan, func(map[string]any) {}))); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	for _, text := range []string{"", "{", "[]", "null", `{"kind":"pare.plan","schemaVersion":1} x`, strings.Repeat("[", 1<<20)} {
		if _, err := ReadPlan(strings.NewReader(text)); !errors.Is(err, ErrPlan) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}
