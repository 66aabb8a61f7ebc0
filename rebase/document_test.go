package rebase

import (
	"encoding/json"
	"strings"
	"testing"
)

var layouts = map[string]string{
	"one line":     `{"b":1,"a":{"z":"\u0026","y":[1,2]},"c":null}`,
	"three spaces": "{\n   \"b\": 1,\n   \"a\": {\n      \"z\": \"\\u0026\",\n      \"y\": [\n         1,\n         2\n      ]\n   },\n   \"c\": null\n}",
	"a newline":    "{\n  \"b\": 1,\n  \"a\": {\n    \"z\": \"x\"\n  }\n}\n",
	"empty":        "{}",
}

// A document that is read and written is the same bytes; so is one that was
// changed and changed back.
func TestDocumentKeepsItsBytes(t *testing.T) {
	for name, raw := range layouts {
		t.Run(name, func(t *testing.T) {
			d, err := parseDocument([]byte(raw), "")
			if err != nil {
				t.Fatal(err)
			}
			if got := string(d.bytes()); got != raw {
				t.Fatalf("got %q, want %q", got, raw)
			}
			before := d.get("a")
			a, err := d.child("a")
			if err != nil {
				t.Fatal(err)
			}
			if before == nil {
				return
			}
			if err := a.set("z", "other", nil); err != nil {
				t.Fatal(err)
			}
			if err := d.setChild("a", a, nil); err != nil {
				t.Fatal(err)
			}
			changed := string(d.bytes())
			if !json.Valid([]byte(changed)) || !strings.Contains(changed, `"other"`) || strings.Count(changed, "\n") != strings.Count(raw, "\n") {
				t.Errorf("changed: %q", changed)
			}
			var was struct{ Z any }
			if err := json.Unmarshal(before, &was); err != nil {
				t.Fatal(err)
			}
			if err := a.set("z", was.Z, nil); err != nil {
				t.Fatal(err)
			}
			if err := d.setChild("a", a, nil); err != nil {
				t.Fatal(err)
			}
			if got := string(d.bytes()); got != raw {
				t.Errorf("changed back: got %q, want %q", got, raw)
			}
		})
	}
}

func TestDocumentSetInOrder(t *testing.T) {
	d, err := parseDocument([]byte(`{"User":"x","Env":[],"Labels":{}}`), "")
	if err != nil {
		t.Fatal(err)
	}
	d.remove("Env")
	if err := d.set("Env", []string{"A=1"}, []string{"User", "Env", "Labels"}); err != nil {
		t.Fatal(err)
	}
	if got, want := string(d.bytes()), `{"User":"x","Env":["A=1"],"Labels":{}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzDocument(f *testing.F) {
	for _, raw := range layouts {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := parseDocument(raw, "")
		if err != nil {
			return
		}
		if got := d.bytes(); json.Valid(raw) && !json.Valid(got) {
			t.Errorf("%q became %q", raw, got)
		}
	})
}
