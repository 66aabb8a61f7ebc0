package main

import (
	"os"
	"testing"
)

// A run's scratch space stays while it lives, and its own end takes it away.
func TestScratchOfTheLiving(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir, remove, err := tempDir()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := pruneScratch(); n != 0 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	remove()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}
