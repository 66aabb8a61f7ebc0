package accounts

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Conflict is what [File.Join] could not decide.
type Conflict struct {
	// Twice says that one account has two numbers; else one number has two
	// names.
	Twice bool
	Text  string
}

// Join is the file of an image that is laid on a base: the base's lines, then
// those of the image that the base does not have, each to the letter, comments
// and lines of no known form too. An account of both has the base's line, a
// group the members of both. nil is a file that is not there.
func (f File) Join(base, image []byte) ([]byte, []Conflict) {
	if base == nil && image == nil {
		return nil, nil
	}
	j := joining{File: f, names: map[string]int{}, ids: map[string]string{}, texts: map[string]bool{}}
	for _, text := range texts(base) {
		j.add(text)
	}
	var conflicts []Conflict
	for _, text := range texts(image) {
		if j.texts[text] {
			continue
		}
		fields := j.split(text)
		if fields == nil {
			j.add(text)
			continue
		}
		if i, both := j.names[fields[0]]; both {
			conflicts = append(conflicts, j.both(i, fields)...)
			continue
		}
		if other, taken := j.ids[j.number(fields)]; taken {
			conflicts = append(conflicts, Conflict{Text: fmt.Sprintf("number %q is %q in the base and %q in the source; by number the base's name is found", j.number(fields), other, fields[0])})
		}
		j.add(text)
	}
	var b bytes.Buffer
	for _, text := range j.out {
		b.WriteString(text + "\n")
	}
	return b.Bytes(), conflicts
}

// joining is one Join, so far.
type joining struct {
	File
	out   []string
	names map[string]int    // to the index of out
	ids   map[string]string // number to name
	texts map[string]bool
}

// split is a line's fields; nil for one that is none of the file's.
func (j *joining) split(text string) []string {
	fields := strings.Split(text, ":")
	if len(fields) != j.fields || strings.HasPrefix(text, "#") {
		return nil
	}
	return fields
}

// number is a line's; its name, where the file has no numbers.
func (j *joining) number(fields []string) string {
	if j.id < 0 {
		return fields[0]
	}
	return fields[j.id]
}

// add puts a line at the end. Of a name or a number the first counts.
func (j *joining) add(text string) {
	j.texts[text] = true
	j.out = append(j.out, text)
	fields := j.split(text)
	if fields == nil {
		return
	}
	if _, have := j.names[fields[0]]; !have {
		j.names[fields[0]] = len(j.out) - 1
	}
	if _, have := j.ids[j.number(fields)]; !have {
		j.ids[j.number(fields)] = fields[0]
	}
}

// both joins an account to the base's line of the same name.
func (j *joining) both(at int, image []string) []Conflict {
	base := j.split(j.out[at])
	if j.number(base) != j.number(image) {
		return []Conflict{{Twice: true, Text: fmt.Sprintf("%q is number %q in the base and %q in the source, whose files are the latter's", base[0], j.number(base), j.number(image))}}
	}
	if j.list < 0 {
		return nil
	}
	members := names(base[j.list])
	for _, name := range names(image[j.list]) {
		if !slices.Contains(members, name) {
			members = append(members, name)
		}
	}
	base[j.list] = strings.Join(members, ",")
	j.out[at] = strings.Join(base, ":")
	return nil
}
