package onbase

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// accountFile says what of a line is its number and how its members are told:
// passwd(5), group(5).
type accountFile struct {
	path    string
	fields  int
	members bool // the last field lists names
}

var (
	passwd = accountFile{path: "/etc/passwd", fields: 7}
	group  = accountFile{path: "/etc/group", fields: 4, members: true}
)

// MergePasswd is /etc/passwd of an image on a base: the base's lines, then
// those of the source that the base does not have. An account of both has the
// base's line. nil is a file that is not there.
func MergePasswd(base, source []byte) ([]byte, []Finding) { return passwd.merge(base, source) }

// MergeGroup is MergePasswd for /etc/group. A group of both has the members
// of both.
func MergeGroup(base, source []byte) ([]byte, []Finding) { return group.merge(base, source) }

// accountLine is one line, split; one that is none of the file's has no
// fields.
type accountLine struct {
	text   string
	fields []string
}

func (l accountLine) name() string { return l.fields[0] }
func (l accountLine) id() string   { return l.fields[2] }

func (f accountFile) lines(b []byte) []accountLine {
	var out []accountLine
	for text := range strings.Lines(string(b)) {
		text = strings.TrimSuffix(text, "\n")
		l := accountLine{text: text}
		if fields := strings.Split(text, ":"); len(fields) == f.fields && !strings.HasPrefix(text, "#") {
			l.fields = fields
		}
		out = append(out, l)
	}
	return out
}

// merge keeps both sides' lines to the letter, comments and lines of no known
// form too, each once.
func (f accountFile) merge(base, source []byte) ([]byte, []Finding) {
	if base == nil && source == nil {
		return nil, nil
	}
	out := f.lines(base)
	names, ids, texts := map[string]int{}, map[string]string{}, map[string]bool{}
	note := func(i int) {
		l := out[i]
		texts[l.text] = true
		if l.fields == nil {
			return
		}
		if _, have := names[l.name()]; !have {
			names[l.name()] = i // lookups take the first
		}
		if _, have := ids[l.id()]; !have {
			ids[l.id()] = l.name()
		}
	}
	for i := range out {
		note(i)
	}
	var findings []Finding
	for _, l := range f.lines(source) {
		if texts[l.text] {
			continue
		}
		if l.fields != nil {
			if i, both := names[l.name()]; both {
				findings = append(findings, f.both(&out[i], l)...)
				continue
			}
			if other, taken := ids[l.id()]; taken {
				findings = append(findings, f.sameNumber(l, other))
			}
		}
		out = append(out, l)
		note(len(out) - 1)
	}
	var b bytes.Buffer
	for _, l := range out {
		b.WriteString(l.text + "\n")
	}
	return b.Bytes(), findings
}

// both joins an account of the source to the base's of the same name.
func (f accountFile) both(base *accountLine, source accountLine) []Finding {
	if base.id() != source.id() {
		return []Finding{{
			Name: FindingAccounts, Severity: SeverityError, Path: f.path,
			Text: fmt.Sprintf("%q is number %q in the base and %q in the source, whose files are the latter's", base.name(), base.id(), source.id()),
			Next: "give the account the base's number when the source is built, or choose another base",
		}}
	}
	if f.members {
		base.addMembers(source.fields[f.fields-1])
	}
	return nil
}

func (l *accountLine) addMembers(list string) {
	have := strings.FieldsFunc(l.fields[len(l.fields)-1], func(r rune) bool { return r == ',' })
	for name := range strings.SplitSeq(list, ",") {
		if name != "" && !slices.Contains(have, name) {
			have = append(have, name)
		}
	}
	l.fields = append(slices.Clone(l.fields[:len(l.fields)-1]), strings.Join(have, ","))
	l.text = strings.Join(l.fields, ":")
}

// sameNumber tells of a number that has two names: whose files these are is
// told by the first, the base's.
func (f accountFile) sameNumber(l accountLine, base string) Finding {
	return Finding{
		Name: FindingAccounts, Severity: SeverityWarning, Path: f.path,
		Text: fmt.Sprintf("number %q is %q in the base and %q in the source; by number the base's name is found", l.id(), base, l.name()),
		Next: "have the source use a number that the base does not",
	}
}
