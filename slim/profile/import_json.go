package profile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Why a piece of a stream is not used.
var (
	errNoObject = errors.New("no JSON object")
	errBroken   = errors.New("not whole JSON")
)

// objects finds the JSON objects of a stream: one a line, one after the
// other, or all in one array. What else is there (a tool's log lines) is read
// over, a line at a time.
type objects struct {
	br *bufio.Reader
}

func newObjects(r io.Reader) *objects { return &objects{bufio.NewReaderSize(r, 64<<10)} }

// next returns the next object; io.EOF at the end; errLongLine, errNoObject
// or errBroken when there was something else, after which one can go on.
func (o *objects) next() ([]byte, error) {
	for {
		b, err := o.br.ReadByte()
		switch {
		case err != nil:
			return nil, err
		case b == '{':
			return o.object()
		case bytes.IndexByte([]byte(" \t\r\n,[]"), b) >= 0:
			continue
		}
		if _, err := readLine(o.br, '\n'); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLongLine) {
			return nil, err
		}
		return nil, errNoObject
	}
}

// object reads to the brace that closes. A string never holds a raw newline
// (RFC 8259, 7): one that does is a line cut off, and the next one begins.
func (o *objects) object() ([]byte, error) {
	buf, long := []byte{'{'}, false
	depth, quoted, escaped := 1, false, false
	for depth > 0 {
		b, err := o.br.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil, errBroken
		}
		if err != nil {
			return nil, err
		}
		if long = long || len(buf) == maxLine; long {
			buf = nil
		} else {
			buf = append(buf, b)
		}
		switch {
		case quoted && b == '\n':
			return nil, errBroken
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = b == '\\', b != '"'
		case b == '"':
			quoted = true
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			depth--
		}
	}
	if long {
		return nil, errLongLine
	}
	return buf, nil
}

// scalar is a JSON string's text, or a number or boolean as it is written;
// "" for null, lists and objects.
type scalar string

// UnmarshalJSON never fails: tools changed types from one version to another.
func (s *scalar) UnmarshalJSON(b []byte) error {
	*s = ""
	switch b[0] {
	case '"':
		var t string
		if err := json.Unmarshal(b, &t); err != nil {
			return err
		}
		*s = scalar(t)
	case '{', '[', 'n':
	default:
		*s = scalar(b)
	}
	return nil
}

// readDocument reads a whole JSON document of at most max bytes.
func readDocument(r io.Reader, max int64, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return err
	}
	if int64(len(b)) > max {
		return fmt.Errorf("more than %d bytes", max)
	}
	if !utf8.Valid(b) {
		return errors.New("not UTF-8")
	}
	err = json.Unmarshal(b, v)
	var wrong *json.UnmarshalTypeError // its text shows our types
	if errors.As(err, &wrong) {
		return fmt.Errorf("byte %d: %s is of another type (%s)", wrong.Offset, wrong.Field, wrong.Value)
	}
	return err
}

// maxDepth bounds how deep the values are that walks pass over.
const maxDepth = 1000

// walkObject calls use with the name of each member of the object that comes
// next; use must read its value. null has none.
func walkObject(d *json.Decoder, use func(name string) error) error {
	t, err := d.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("byte %d: want an object", d.InputOffset())
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		if err := use(name.(string)); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// walkArray calls use before each element of the array that comes next.
func walkArray(d *json.Decoder, use func() error) error {
	t, err := d.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("byte %d: want an array", d.InputOffset())
	}
	for d.More() {
		if err := use(); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// pass reads over the value that comes next.
func pass(d *json.Decoder) error {
	for depth := 0; ; {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return fmt.Errorf("byte %d: nested more than %d deep", d.InputOffset(), maxDepth)
		}
		if depth == 0 {
			return nil
		}
	}
}
