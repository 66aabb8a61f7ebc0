package rebase

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
)

func TestLock(t *testing.T) {
	base := func(name, layers string) Base {
		b, err := DescribeBase(name, v1.Hash{}, testimage.New(t, layers))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b := base("debian:12", "-- layer --\nfile a\n"), base("alpine:3", "-- layer --\nfile b\n-- config --\n{\"Env\":[\"A=1\"]}\n")
	var one, other Lock
	one.Add(a, b)
	other.Add(b)
	other.Add(b, a)
	var x, y bytes.Buffer
	for _, w := range []struct {
		l *Lock
		b *bytes.Buffer
	}{{&one, &x}, {&other, &y}} {
		if err := w.l.Write(w.b); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(x.String(), y.String()); diff != "" {
		t.Errorf("the same bases in another order:\n%s", diff)
	}
	got, err := ReadLock(&x)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Base{b, a}, got.Bases); diff != "" {
		t.Errorf("bases (-want +got):\n%s", diff)
	}
	for _, bad := range []string{
		"", "{}", `{"schemaVersion":2,"kind":"pare.lock"}`, `{"schemaVersion":1,"kind":"pare.plan"}`,
		`{"schemaVersion":1,"kind":"pare.lock","bases":[{"diffIds":[]}]}`, `{"schemaVersion":1,"kind":"pare.lock","bases":[{"diffIds":["x"]}]}`,
	} {
		if _, err := ReadLock(strings.NewReader(bad)); !errors.Is(err, ErrLock) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
