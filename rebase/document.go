package rebase

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// document is a JSON object whose members keep their order, and their bytes
// until they are set: a manifest or config that is changed and changed back
// has its old digest again.
type document struct {
	members []member
	style   style
}

type member struct {
	key   string
	value json.RawMessage
}

// style is how an object is laid out: in one line, or indented.
type style struct {
	indent string // of one level; "" is all in one line
	prefix string // of the object's own line
	after  string // what follows the object: a newline, mostly nothing
}

var errDocument = errors.New("not a JSON object")

// parseDocument reads an object. prefix is the indentation of the line that
// it begins on.
func parseDocument(raw []byte, prefix string) (*document, error) {
	d := &document{style: styleOf(raw, prefix)}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w (%v)", errDocument, err)
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: t.(string)}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		d.members = append(d.members, m)
	}
	return d, nil
}

func styleOf(raw []byte, prefix string) style {
	trimmed := bytes.TrimRight(raw, " \t\r\n")
	s := style{prefix: prefix, after: string(raw[len(trimmed):])}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(trimmed, " \t\r\n"), []byte("{\n"))
	if !ok {
		return s
	}
	line := string(rest[:len(rest)-len(bytes.TrimLeft(rest, " \t"))])
	s.indent = strings.TrimPrefix(line, prefix)
	return s
}

func (d *document) index(key string) int {
	for i := len(d.members) - 1; i >= 0; i-- { // of two, the last counts
		if d.members[i].key == key {
			return i
		}
	}
	return -1
}

// get is a member's value; nil when there is none.
func (d *document) get(key string) json.RawMessage {
	if i := d.index(key); i >= 0 {
		return d.members[i].value
	}
	return nil
}

// set gives a member a value. A new one goes where order, a list of keys,
// has it, else to the end.
func (d *document) set(key string, v any, order []string) error {
	compact, err := json.Marshal(v)
	if err != nil {
		return err
	}
	value := d.laidOut(compact)
	if i := d.index(key); i >= 0 {
		d.members[i].value = value
		return nil
	}
	at := len(d.members)
	if mine := slices.Index(order, key); mine >= 0 {
		if i := slices.IndexFunc(d.members, func(m member) bool { return slices.Index(order, m.key) > mine }); i >= 0 {
			at = i
		}
	}
	d.members = slices.Insert(d.members, at, member{key, value})
	return nil
}

// setChild is set for a document that was parsed from a member.
func (d *document) setChild(key string, child *document, order []string) error {
	if i := d.index(key); i >= 0 {
		d.members[i].value = child.bytes()
		return nil
	}
	return d.set(key, json.RawMessage(child.bytes()), order)
}

// child parses a member that is an object; an empty one when there is none.
func (d *document) child(key string) (*document, error) {
	raw := d.get(key)
	if raw == nil || string(raw) == "null" {
		raw = json.RawMessage("{}")
	}
	c, err := parseDocument(raw, d.style.prefix+d.style.indent)
	if err == nil && c.style.indent == "" && len(c.members) == 0 {
		c.style.indent = d.style.indent
	}
	return c, err
}

func (d *document) remove(key string) {
	d.members = slices.DeleteFunc(d.members, func(m member) bool { return m.key == key })
}

// laidOut is a compact value in the document's style.
func (d *document) laidOut(compact []byte) []byte {
	if d.style.indent == "" {
		return compact
	}
	var b bytes.Buffer
	if json.Indent(&b, compact, d.style.prefix+d.style.indent, d.style.indent) != nil {
		return compact
	}
	return b.Bytes()
}

func (d *document) bytes() []byte {
	if len(d.members) == 0 {
		return []byte("{}" + d.style.after)
	}
	between, colon, end := ",", ":", ""
	begin := ""
	if d.style.indent != "" {
		line := "\n" + d.style.prefix + d.style.indent
		begin, between, colon, end = line, ","+line, ": ", "\n"+d.style.prefix
	}
	var b bytes.Buffer
	b.WriteString("{" + begin)
	for i, m := range d.members {
		if i > 0 {
			b.WriteString(between)
		}
		key, _ := json.Marshal(m.key) //nolint:errcheck // a string
		b.Write(key)
		b.WriteString(colon)
		b.Write(m.value)
	}
	b.WriteString(end + "}" + d.style.after)
	return b.Bytes()
}

// list splits a member that is an array into its elements; nil when there is
// none.
func (d *document) list(key string) ([]json.RawMessage, error) {
	raw := d.get(key)
	if raw == nil {
		return nil, nil
	}
	var out []json.RawMessage
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	return out, nil
}

// canonical is a value without spaces; "" for those that mean nothing.
func canonical(raw json.RawMessage) string {
	var b bytes.Buffer
	if raw == nil || json.Compact(&b, raw) != nil {
		return ""
	}
	switch s := b.String(); s {
	case "null", "[]", "{}", `""`:
		return ""
	default:
		return s
	}
}
