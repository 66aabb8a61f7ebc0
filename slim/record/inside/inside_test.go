package inside

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/record/engine"
)

type shouting struct {
	got []string
	log io.ReadCloser
}

func (s *shouting) Exec(_ context.Context, argv []string, stdin io.Reader) (engine.ExecResult, error) {
	s.got = argv
	if argv[0] == "gone" {
		return engine.ExecResult{}, errors.New("the container has ended")
	}
	in, err := io.ReadAll(stdin)
	return engine.ExecResult{ExitCode: 3, Stdout: []byte(strings.ToUpper(string(in))), Stderr: []byte("\xff\x00")}, err
}

func (s *shouting) Logs(context.Context) (io.ReadCloser, error) {
	if s.log == nil {
		return nil, errors.New("no log")
	}
	return s.log, nil
}

// The log comes as it is written, and ends with the container or the listener.
func TestLogs(t *testing.T) {
	r, w := io.Pipe()
	c := &shouting{log: r}
	s, err := Serve(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	socket := strings.TrimPrefix(s.Env(), Variable+"=")
	ctx, cancel := context.WithCancel(t.Context())
	got, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Logs(ctx, socket, out) }()
	for _, word := range []string{"one", "two"} {
		if _, err := io.WriteString(w, word); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 3)
		if _, err := io.ReadFull(got, b); err != nil || string(b) != word {
			t.Fatalf("got %q, %v", b, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	c.log = nil
	if err := Logs(t.Context(), socket, io.Discard); err == nil || err.Error() != "no log" {
		t.Errorf("got %v", err)
	}
}

func TestRun(t *testing.T) {
	c := &shouting{}
	s, err := Serve(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	socket := strings.TrimPrefix(s.Env(), Variable+"=")
	argv := []string{"sh", "-c", "a\n\"b\" \u00fc", ""}
	got, err := Run(t.Context(), socket, argv, strings.NewReader("hello"))
	want := engine.ExecResult{ExitCode: 3, Stdout: []byte("HELLO"), Stderr: []byte("\xff\x00")}
	if err != nil || cmp.Diff(want, got) != "" || cmp.Diff(argv, c.got) != "" {
		t.Errorf("got %+v, %v for %q", got, err, c.got)
	}
	if _, err := Run(t.Context(), socket, []string{"gone"}, nil); err == nil || err.Error() != "the container has ended" {
		t.Errorf("got %v, want the engine's error", err)
	}
	if _, err := Run(t.Context(), socket, nil, nil); err == nil {
		t.Error("no command is no error")
	}
}

func TestCloseRemovesTheSocket(t *testing.T) {
	dir := t.TempDir()
	s, err := Serve(dir, &shouting{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
