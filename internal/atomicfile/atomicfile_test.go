package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func write(text string, err error) func(*os.File) error {
	return func(f *os.File) error {
		_, werr := io.WriteString(f, text)
		return errors.Join(werr, err)
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	fault := errors.New("in the middle")
	for _, c := range []struct {
		path, text string
		err        error
		holds      string
	}{
		{file, "one", fault, ""},
		{file, "one", nil, "one"},
		{file, "two", fault, "one"},
		{file, "two", nil, "two"},
		{link, "three", nil, "three"},
	} {
		if err := Replace(c.path, write(c.text, c.err)); !errors.Is(err, c.err) {
			t.Errorf("writing %q: %v", c.text, err)
		}
		if got, err := os.ReadFile(file); string(got) != c.holds || (err == nil) != (c.holds != "") {
			t.Errorf("after %q: the file holds %q, %v; want %q", c.text, got, err, c.holds)
		}
		left, err := filepath.Glob(filepath.Join(dir, ".*"))
		if err != nil || len(left) > 0 {
			t.Errorf("after %q: left %q, %v", c.text, left, err)
		}
	}
	if to, err := os.Readlink(link); err != nil || to != "file" {
		t.Errorf("the link is %q, %v", to, err)
	}
}

// A pipe stands for what must not be replaced: a test that fails must not
// cost the machine its /dev/null.
func TestReplaceSpecial(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Skipf("no pipes with names here: %v", err)
	}
	got := make(chan string, 1)
	go func() {
		b, err := os.ReadFile(pipe)
		got <- string(b) + fmt.Sprint(err)
	}()
	if err := Try(pipe); err != nil {
		t.Error(err)
	}
	if err := Replace(pipe, write("through", nil)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(pipe)
	if err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Fatalf("in its place is %v, %v", info.Mode(), err)
	}
	if text := <-got; text != "through<nil>" {
		t.Errorf("came out: %s", text)
	}
}

func TestTry(t *testing.T) {
	dir := t.TempDir()
	if err := Try(filepath.Join(dir, "x")); err != nil {
		t.Error(err)
	}
	if err := Try(filepath.Join(dir, "none", "x")); err == nil {
		t.Error("a directory that is not there can be written")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
