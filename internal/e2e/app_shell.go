package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// shellOut is where the job leaves its files.
const shellOut = "/out"

func init() {
	register(app{
		name:    "shell",
		context: "testdata/images/shell",
		core:    true,
		args:    []string{"2024-03-29", "2024-03-30", "2099-01-01"},
		single:  []string{"--", "2099-01-01"}, // a day without sales
		volumes: []string{shellOut},
		checks: []check{
			{"the sums of a day: gzip, tr, sed, grep, awk, sort", shellSays("totals 2024-03-29",
				"Chata: 600.00", "Hora: 300.00", "Řeka: 89.91")},
			{"a day with bad rows: a code of its own", shellSays("rejected 2024-03-30",
				"1: 2002;Zima;EUR;twenty", "2: 2004;;EUR;5", "2024-03-30 ended with 3", "2099-01-01 ended with 66")},
			{"the best customers: zcat, cut, uniq, head", shellSays("top", "3 Hora", "2 Chata")},
			{"what changed: diff, comm and process substitution", shellSays("changes",
				"-Chata|600.0000", "-Hora|300.0000", "-Řeka|89.9100", "+Hora|20.0000", "+Řeka|9.0000",
				"diff and grep ended with 1", "Hora,Řeka")},
			{"sort in three locales", shellSays("collation",
				"C: Chata Cihla Hora Unie Zima auto Úvaly Řeka žár",
				"C.UTF-8: Chata Cihla Hora Unie Zima auto Úvaly Řeka žár",
				"cs_CZ.UTF-8: auto Cihla Hora Chata Řeka Unie Úvaly Zima žár")},
			{"characters: wc, sed, grep -P, iconv", shellSays("characters",
				"51 bytes, 47 characters", "ÚVALY ŘEKA ŽÁR", "7", "486f72610a43686174610a4369686c61", "Reka")},
			{"numbers: printf and numfmt by the locale, bc, expr", shellSays("numbers",
				"1\u202f234\u202f567,89", "7\u202f654\u202f321", "3.141592", "25", "2")},
			{"date in several zones and in Czech", shellSays("clock",
				"Europe/Prague 2024-03-31 03:00 CEST", "America/New_York 2024-03-30 21:00 EDT",
				"Asia/Kolkata 2024-03-31 06:30 IST", "Australia/Adelaide 2024-03-31 11:30 ACDT",
				"Pátek 29. března", "14:00", "2024-03-01")},
			{"find, xargs and stat", shellSays("files",
				"customers.txt,rates.txt,2024-03-29.csv.gz,2024-03-30.csv.gz",
				"2024-03-29.csv.gz 1711929600", "2024-03-30.csv.gz 1711929600", "ba dc fe")},
			{"an archive for others", shellArchive},
			{"a file in another character set", shellLatin2},
			{"a letter from a here-document", shellLetter},
			{"traps, pipes, background jobs, codes", shellSays("shell",
				"subshell cleans up", "subshell ended with 7", "through the pipe: hello", "pipefail: 1 0",
				"two three, then ONE", "killed: 143", "3")},
			{"users, services, terminals, perl", shellSays("system",
				"60", "443/tcp", "I have a name", ` 033 [ 3 1 m`, "80", "5 řeka")},
			{"what it remembers", shellSays("state", "2099-01-01+2024-03-30+2024-03-29")},
			{"messages on stderr, the trap's last", shellComplains},
			{"its code depends on the input", shellCodes},
		},
		mutate: []string{
			// The first four are those of the core set.
			"/usr/lib/locale/locale-archive",
			"/usr/lib/x86_64-linux-gnu/gconv/ISO8859-2.so",
			"/usr/lib/terminfo/x/xterm",
			"/usr/bin/bc",
			"/usr/local/bin/nightly",
			"/opt/nightly/bin/day",
			"/opt/nightly/lib/clean.sed",
			"/opt/nightly/lib/totals.awk",
			"/opt/nightly/lib/parts/20-text.sh",
			"/opt/nightly/share/customers.txt",
			"/opt/nightly/share/sales/2024-03-30.csv.gz",
			"/etc/nightly.conf",
			"/etc/passwd",
			"/etc/group",
			"/etc/services",
			"/bin/sh",
			"/usr/bin/env",
			"/usr/bin/bash",
			"/usr/bin/awk",
			"/usr/bin/mawk",
			"/usr/bin/gzip",
			"/usr/bin/xargs",
			"/usr/bin/getent",
			"/usr/lib/locale/C.utf8/LC_CTYPE",
			"/usr/share/zoneinfo/Asia/Kolkata",
			"/usr/share/zoneinfo/Europe/Prague",
			"/usr/lib/x86_64-linux-gnu/libpcre2-8.so.0",
			"/usr/bin/perl",
		},
	})
}

// shellOutput waits for the job's end and returns what it wrote.
func shellOutput(ctx context.Context, c *container) (stdout, stderr string, err error) {
	if _, err := c.exit(ctx); err != nil {
		return "", "", err
	}
	return c.logs(ctx)
}

// shellSays wants a section of the report to be exactly lines.
func shellSays(section string, lines ...string) func(context.Context, *container) error {
	return func(ctx context.Context, c *container) error {
		stdout, stderr, err := shellOutput(ctx, c)
		if err != nil {
			return err
		}
		got, ok := shellSection(stdout, section)
		if !ok {
			return fmt.Errorf("the report has no section %q; stderr: %s", section, stderr)
		}
		if want := strings.Join(lines, "\n"); got != want {
			return fmt.Errorf("section %q is:\n%s\nwant:\n%s\nstderr: %s", section, got, want, stderr)
		}
		return nil
	}
}

// shellSection is what follows the line "== NAME", up to the next such line;
// empty lines do not count.
func shellSection(report, name string) (text string, ok bool) {
	var lines []string
	for line := range strings.Lines(report) {
		line = strings.TrimRight(line, "\r\n")
		switch head, isHead := strings.CutPrefix(line, "== "); {
		case ok && isHead:
			return strings.Join(lines, "\n"), true
		case isHead:
			ok = head == name
		case ok && line != "":
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n"), ok
}

// shellFile is a file that the job left.
func shellFile(ctx context.Context, c *container, name string) ([]byte, error) {
	if _, err := c.exit(ctx); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(c.dir(shellOut), name))
}

func shellArchive(ctx context.Context, c *container) error {
	b, err := shellFile(ctx, c, "archive.tgz")
	if err != nil {
		return err
	}
	files, err := shellUntar(b)
	if err != nil {
		return err
	}
	want := map[string]string{
		"archive/2024-03-29.txt.gz": "Chata       600.0000\nHora        300.0000\nŘeka       89.9100\n",
		"archive/2024-03-30.txt.gz": "Hora        20.0000\nŘeka       9.0000\n",
	}
	for name, text := range want {
		if files[name] != text {
			return fmt.Errorf("%s in the archive is %q, want %q", name, files[name], text)
		}
	}
	return errors.Join(
		shellSays("archive", "3", "checked")(ctx, c),
		shellFileHas(ctx, c, "SHA256SUMS", "  archive.tgz\n"),
	)
}

// shellUntar reads a tar.gz of gzip files.
func shellUntar(b []byte) (map[string]string, error) {
	zr, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		inner, err := gzip.NewReader(tr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		text, err := io.ReadAll(inner)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		files[h.Name] = string(text)
	}
}

func shellLatin2(ctx context.Context, c *container) error {
	return shellFileHas(ctx, c, "customers.latin2", "Cihla\n\xdavaly\nZima\n\xd8eka\nUnie\n\xbe\xe1r\nauto\n")
}

func shellLetter(ctx context.Context, c *container) error {
	return shellFileHas(ctx, c, "letter.txt", "Dear mail,\n3 days were asked for, 2 had sales.\n\tYours, the job\n")
}

func shellFileHas(ctx context.Context, c *container, name, want string) error {
	b, err := shellFile(ctx, c, name)
	if err == nil && !strings.Contains(string(b), want) {
		err = fmt.Errorf("%s is %q, without %q", name, b, want)
	}
	return err
}

// shellComplains wants nothing on stderr but what belongs there.
func shellComplains(ctx context.Context, c *container) error {
	_, stderr, err := shellOutput(ctx, c)
	if want := "day: no sales of 2099-01-01\nTerminated\nnightly: cleaned up\n"; err == nil && stderr != want {
		err = fmt.Errorf("stderr is %q, want %q", stderr, want)
	}
	return err
}

// shellCodes looks at the job's code, and runs it again for other days.
func shellCodes(ctx context.Context, c *container) error {
	code, err := c.exit(ctx)
	if err == nil && code != 66 {
		err = fmt.Errorf("the job ended with %d, want 66", code)
	}
	if err != nil {
		return err
	}
	for _, again := range []struct {
		days []string
		code int
	}{
		{[]string{"2024-03-29"}, 0},
		{[]string{"2024-03-29", "2024-03-30"}, 3},
		{[]string{"2099-01-01"}, 66},
		{nil, 64},
	} {
		code, err := shellAgain(ctx, c, again.days)
		if err == nil && code != again.code {
			err = fmt.Errorf("the job for %v ended with %d, want %d", again.days, code, again.code)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shellAgain runs the same image once more, with other arguments. It needs no
// network, and podman here needs the limits.
func shellAgain(ctx context.Context, c *container, args []string) (code int, err error) {
	image, err := c.engine(ctx, "inspect", "--format", "{{.Config.Image}}", c.name)
	if err != nil {
		return 0, err
	}
	a := *c.app
	a.args = args
	again := c.bed.newContainer(&a, c.cli)
	defer again.remove()
	limits := []string{"--network", "none", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=30000:30000"}
	if err := again.create(ctx, limits, strings.TrimSpace(image)); err != nil {
		return 0, err
	}
	return again.exit(ctx)
}
