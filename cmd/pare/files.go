package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pare-image/pare/internal/atomicfile"
	"github.com/pare-image/pare/slim/profile"
)

// readFile reads a file of at most max bytes.
func readFile(name string, max int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(b)) > max {
		err = fmt.Errorf("%s has more than %d bytes", printable(name), max)
	}
	return b, err
}

// openInput opens a file, or stdin for "-".
func openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(name)
}

func readProfile(name string) (*profile.Profile, error) {
	f, err := openInput(name)
	if err != nil {
		return nil, fmt.Errorf("reading profile: %w", err)
	}
	defer f.Close()
	p, err := profile.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printable(name), err)
	}
	return p, nil
}

// writeResult writes a file that appears whole or not at all; "-" is stdout.
func (a *app) writeResult(name string, write func(io.Writer) error) error {
	if name == "-" {
		return write(a.term.stdout)
	}
	err := atomicfile.Replace(name, func(f *os.File) error { return write(f) })
	if err != nil {
		return fmt.Errorf("writing %s: %w", printable(name), err)
	}
	return nil
}

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}
