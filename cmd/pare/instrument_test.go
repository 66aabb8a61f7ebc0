package main

import (
	"debug/elf"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pare-image/pare/internal/testelf"
)

// elf FILE amd64|arm64 [dynamic]: makes a program that stands for a pare of
// that platform; this test's own is linked dynamically where Go has cgo.
func cmdELF(ts *testscript.TestScript, _ bool, args []string) {
	f := testelf.File{Class: 2, Type: uint16(elf.ET_EXEC)}
	f.Machine = uint16(map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[args[1]])
	if len(args) > 2 {
		f.Interp = "/lib64/ld-linux-x86-64.so.2"
	}
	check(ts, os.WriteFile(ts.MkAbs(args[0]), f.Bytes(), 0o755))
}
