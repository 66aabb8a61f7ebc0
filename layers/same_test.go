package layers

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSameBytes(t *testing.T) {
	long := strings.Repeat("x", 64<<10)
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		a, b io.Reader
		same bool
		err  error
	}{
		{"empty", strings.NewReader(""), strings.NewReader(""), true, nil},
		{"a whole piece", strings.NewReader(long), strings.NewReader(long), true, nil},
		{"the last byte", strings.NewReader(long + "a"), strings.NewReader(long + "b"), false, nil},
		{"one is longer", strings.NewReader(long), strings.NewReader(long + "b"), false, nil},
		{"by single bytes", iotest.OneByteReader(strings.NewReader("abc")), strings.NewReader("abc"), true, nil},
		// What could not be read must not pass for a difference.
		{"one breaks off", io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(broken)), strings.NewReader("abc"), false, broken},
		{"the other does", bytes.NewReader([]byte("abc")), iotest.ErrReader(broken), false, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			if same, err := sameBytes(c.a, c.b); same != c.same || !errors.Is(err, c.err) {
				t.Errorf("%v, %v; want %v, %v", same, err, c.same, c.err)
			}
		})
	}
}
