package langpkg

import (
	"bytes"
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// target is a value in exports or imports: a text, a list of alternatives, or
// conditions (or subpaths) in the order of the document, which decides.
type target struct {
	text string
	list []target
	keys []string
	vals []target
	set  bool // false for null, and where there is none
}

// maxTargetDepth bounds lists and conditions in each other.
const maxTargetDepth = 32

func parseTarget(b json.RawMessage) target {
	if len(b) == 0 {
		return target{}
	}
	t, ok := readTarget(json.NewDecoder(bytes.NewReader(b)), 0)
	if !ok {
		return target{}
	}
	return t
}

func readTarget(d *json.Decoder, depth int) (target, bool) {
	tok, err := d.Token()
	if err != nil || depth > maxTargetDepth {
		return target{}, false
	}
	t := target{set: tok != nil}
	switch v := tok.(type) {
	case string:
		t.text = v
	case json.Delim:
		for d.More() {
			if v == '{' {
				k, err := d.Token()
				key, isText := k.(string)
				if err != nil || !isText {
					return target{}, false
				}
				t.keys = append(t.keys, key)
			}
			x, ok := readTarget(d, depth+1)
			if !ok {
				return target{}, false
			}
			if v == '{' {
				t.vals = append(t.vals, x)
			} else {
				t.list = append(t.list, x)
			}
		}
		if _, err := d.Token(); err != nil {
			return target{}, false
		}
	}
	return t, true
}

// subpaths says that the keys are subpaths (or names of imports) and no
// conditions.
func (t target) subpaths() bool {
	return len(t.keys) > 0 && (strings.HasPrefix(t.keys[0], ".") || strings.HasPrefix(t.keys[0], "#"))
}

// match finds the target of a subpath, and what "*" stands for
// (PACKAGE_IMPORTS_EXPORTS_RESOLVE).
func (t target) match(key string) (target, string, bool) {
	if !t.subpaths() {
		return t, "", key == "."
	}
	if i := slices.Index(t.keys, key); i >= 0 && !strings.Contains(key, "*") {
		return t.vals[i], "", true
	}
	best, star := -1, ""
	for i, k := range t.keys {
		before, after, ok := strings.Cut(k, "*")
		if !ok || len(key) < len(k) || !strings.HasPrefix(key, before) || !strings.HasSuffix(key, after) {
			continue
		}
		if best < 0 || moreSpecific(k, t.keys[best]) {
			best, star = i, key[len(before):len(key)-len(after)]
		}
	}
	if best < 0 {
		return target{}, "", false
	}
	return t.vals[best], star, true
}

// moreSpecific is PATTERN_KEY_COMPARE.
func moreSpecific(a, b string) bool {
	return cmp.Or(cmp.Compare(strings.IndexByte(a, '*'), strings.IndexByte(b, '*')), cmp.Compare(len(a), len(b))) > 0
}

// pick follows conditions to a text (PACKAGE_TARGET_RESOLVE). It returns
// false to go on with the next condition; a null ends the search with "". Of a
// list, a text that can be no target is passed over; bare says that names of
// packages can.
func (t target) pick(esm, bare bool) (string, bool) {
	switch {
	case !t.set:
		return "", true
	case t.text != "":
		return t.text, true
	}
	for _, x := range t.list {
		if s, ok := x.pick(esm, bare); ok && (strings.HasPrefix(s, "./") || bare && s != "") {
			return s, true
		}
	}
	for i, k := range t.keys {
		if !condition(k, esm) {
			continue
		}
		if s, ok := t.vals[i].pick(esm, bare); ok {
			return s, true
		}
	}
	return "", false
}

// condition says that Node 20 takes a condition without being told to.
func condition(k string, esm bool) bool {
	switch k {
	case "node", "default", "node-addons":
		return true
	case "import":
		return esm
	case "require":
		return !esm
	}
	return false
}

// files calls f with every text under conditions of Node.
func (t target) files(f func(string)) {
	if t.text != "" {
		f(t.text)
	}
	for _, x := range t.list {
		x.files(f)
	}
	for i, k := range t.keys {
		if t.subpaths() || condition(k, true) || condition(k, false) {
			t.vals[i].files(f)
		}
	}
}

// inside joins a target onto its package; false when it leads out of it or
// into another.
func inside(dir, text, star string) (string, bool) {
	text = strings.ReplaceAll(text, "*", star)
	if !strings.HasPrefix(text, "./") {
		return "", false
	}
	for part := range strings.SplitSeq(text[2:], "/") {
		if part == ".." || part == "." || part == "node_modules" {
			return "", false
		}
	}
	return path.Join(dir, text), true
}
