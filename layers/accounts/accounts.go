// Package accounts merges the files of users and groups: passwd(5), group(5)
// and their like. [File.Merge] is for an image that moves from one base to
// another, [File.Join] for one that is laid on a base it did not know. Both keep
// what they do not understand, and say what they could not decide.
package accounts

import "strings"

// File is a file of lines about users or groups: fields that colons separate,
// the first is the name.
type File struct {
	Path string
	// fields is how many a line has; 0 for any number.
	fields int
	// id is the field with the number; -1 for none.
	id int
	// list is the field with names that commas separate; -1 for none.
	list int
}

// The files, as passwd(5), group(5), shadow(5), gshadow(5), subuid(5) and
// subgid(5) have them.
var (
	Passwd  = File{"/etc/passwd", 7, 2, -1}
	Group   = File{"/etc/group", 4, 2, 3}
	Shadow  = File{"/etc/shadow", 9, -1, -1}
	GShadow = File{"/etc/gshadow", 4, -1, 3}
	SubUID  = File{"/etc/subuid", 3, -1, -1}
	SubGID  = File{"/etc/subgid", 3, -1, -1}
)

// Files are all of them.
var Files = []File{Passwd, Group, Shadow, GShadow, SubUID, SubGID}

// Number is the number of a name in a file's content; false when it has none.
func (f File) Number(content []byte, name string) (string, bool) {
	if line := byName(content).lines[name]; f.id >= 0 && f.id < len(line) {
		return line[f.id], true
	}
	return "", false
}

// named are a file's lines by name, and its names in order.
type named struct {
	names []string
	lines map[string][]string // fields
}

// byName takes the first line of each name: lookups do.
func byName(content []byte) named {
	a := named{lines: map[string][]string{}}
	for _, text := range texts(content) {
		f := strings.Split(text, ":")
		if _, twice := a.lines[f[0]]; twice || f[0] == "" {
			continue
		}
		a.names = append(a.names, f[0])
		a.lines[f[0]] = f
	}
	return a
}

// texts are the lines without their ends.
func texts(content []byte) []string {
	var out []string
	for line := range strings.Lines(string(content)) {
		out = append(out, strings.TrimSuffix(line, "\n"))
	}
	return out
}

// names are those of a list.
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}
