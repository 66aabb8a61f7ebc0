package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// benchApp is the image of make bench; it is in no set of TestApps.
var benchApp = app{
	name:    "bench",
	context: "testdata/images/bench",
	ports:   []int{8000},
	ready: func(ctx context.Context, c *container) error {
		r, err := httpDo(ctx, "GET", "http://"+c.addr(8000)+"/", nil, nil)
		if err != nil {
			return err
		}
		return r.expect(200, nil, "numbers.txt")
	},
	checks: []check{
		benchServer,
		{"tools", func(ctx context.Context, c *container) error {
			return errors.Join(
				benchTool(ctx, c, "repository", "sh", "-c", "cd /tmp && git init -q r && git -C r status && echo repository"),
				benchTool(ctx, c, "elf64", "objdump", "-f", "/usr/bin/git"),
				benchTool(ctx, c, "[3, 2]", "python3", "-c", "import sqlite3, json, ssl; print(json.loads('[3, 2]'))"),
				benchTool(ctx, c, "GNU C17", "sh", "-c", "echo 'int main(void) { return 0; }' >/tmp/a.c && gcc -v -o /tmp/a /tmp/a.c && /tmp/a"))
		}},
	},
}

// benchServer alone makes the small one of the two profiles: what is kept is
// about the 5 % of the image that the goals are stated for.
var benchServer = check{"a large file", func(ctx context.Context, c *container) error {
	r, err := httpDo(ctx, "GET", "http://"+c.addr(8000)+"/numbers.txt", nil, nil)
	if err != nil {
		return err
	}
	return r.expect(200, nil, "\n2000000\n")
}}

func benchTool(ctx context.Context, c *container, want string, argv ...string) error {
	out, code, err := c.exec(ctx, argv...)
	if err != nil {
		return err
	}
	if code != 0 || !strings.Contains(out, want) {
		return fmt.Errorf("%s: exit code %d, want %q in %q", argv, code, want, out)
	}
	return nil
}

// prepareBench makes and records the image, and says where they are.
func prepareBench(ctx context.Context, b *bed) error {
	s, err := b.makeSource(ctx, &benchApp)
	if err != nil {
		return err
	}
	server := benchApp
	server.checks = []check{benchServer}
	var profiles []any
	for _, a := range []*app{&server, &benchApp} {
		traces, err := b.record(ctx, a, s)
		if err != nil {
			return err
		}
		file, err := b.importProfile(ctx, a, s, traces)
		if err != nil {
			return err
		}
		kept := filepath.Join(b.run, fmt.Sprintf("bench-%d.json", len(profiles)))
		if err := os.Rename(file, kept); err != nil {
			return err
		}
		profiles = append(profiles, kept)
	}
	env := fmt.Sprintf("image=%s\nregistry_image=%s:%s\n", s.ociRef(), s.repo, sourceTag)
	env += fmt.Sprintf("profile_server=%s\nprofile_tools=%s\n", profiles...)
	return os.WriteFile(filepath.Join(b.run, "bench.env"), []byte(env), 0o644)
}
