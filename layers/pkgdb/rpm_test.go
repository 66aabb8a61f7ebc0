package pkgdb

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
)

// needPrograms skips where a program is missing; in CI that is a failure.
func needPrograms(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing; run testdata/run install-deps", name)
		}
		t.Skipf("%s is missing", name)
	}
}

func run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("running %s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// realRPMs installs packages of our own making with the machine's rpm, and
// returns their database.
func realRPMs(t testing.TB) []byte {
	t.Helper()
	needPrograms(t, "rpm", "rpmbuild")
	dir := t.TempDir()
	for _, p := range []struct{ name, more, files string }{
		{"libx", "Epoch: 2\nProvides: libx.so.1()(64bit)\n", "/usr/lib64/libx.so.1 /usr/share/doc/libx/README"},
		{"tool", "Requires: libx.so.1()(64bit), /bin/shell\n", "/usr/bin/tool"},
		{"shell", "", "/bin/shell"},
	} {
		var install, list strings.Builder
		for f := range strings.FieldsSeq(p.files) {
			fmt.Fprintf(&install, "mkdir -p %%{buildroot}%s\necho %s >%%{buildroot}%s\n", filepath.Dir(f), f, f)
			list.WriteString(f + "\n")
		}
		for i := range 400 { // such that the header goes over several pages
			fmt.Fprintf(&install, "mkdir -p %%{buildroot}/usr/share/%s\n>%%{buildroot}/usr/share/%s/%d\n", p.name, p.name, i)
		}
		list.WriteString("/usr/share/" + p.name + "\n")
		spec := fmt.Sprintf("Name: %s\nVersion: 1.0\nRelease: 3.el9\nSummary: x\nLicense: MIT\nAutoReqProv: no\n%s%%description\nx\n%%install\n%s%%files\n%s",
			p.name, p.more, install.String(), list.String())
		if err := os.WriteFile(filepath.Join(dir, p.name+".spec"), []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, dir, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, "--define", "_buildhost test", "--target", "x86_64", p.name+".spec")
	}
	files, err := filepath.Glob(filepath.Join(dir, "RPMS/x86_64/*.rpm"))
	if err != nil || len(files) != 3 {
		t.Fatalf("packages %q, %v", files, err)
	}
	db := filepath.Join(dir, "db")
	run(t, dir, "rpm", append([]string{"--dbpath", db, "--define", "_db_backend sqlite", "-i", "--justdb", "--nodeps", "--ignorearch", "--ignoreos", "--noscripts"}, files...)...)
	b, err := os.ReadFile(filepath.Join(db, "rpmdb.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rpmImage(t *testing.T, db []byte) *DB {
	t.Helper()
	return apkOf(t, `
-- layer --
file bin/shell 0755 "s"
file usr/bin/tool 0755 "t"
file usr/lib64/libx.so.1 "x"
file usr/share/doc/libx/README "r"
symlink var/lib/rpm -> ../../usr/lib/sysimage/rpm
file usr/lib/sysimage/rpm/rpmdb.sqlite-shm "shm"
file usr/lib/sysimage/rpm/rpmdb.sqlite @db
-- content db --
`+string(db))
}

// What rpm itself wrote is read, filtered, and read by rpm.
func TestRPM(t *testing.T) {
	d := rpmImage(t, realRPMs(t))
	var got []string
	for _, p := range d.Packages() {
		var deps []string
		for _, q := range d.Depends(p, nil) {
			deps = append(deps, q.ID())
		}
		got = append(got, p.ID()+" "+p.Version+" "+p.Arch+" "+p.Source+" <- "+strings.Join(deps, " "))
	}
	want := []string{"libx 2:1.0-3.el9 x86_64 libx <- ", "shell 1.0-3.el9 x86_64 shell <- ", "tool 1.0-3.el9 x86_64 tool <- libx shell"}
	if diff := cmp.Diff(want, got); diff != "" || d.Format != "rpm" || d.Unsupported != nil {
		t.Errorf("%s %q %s", d.Format, d.Unsupported, diff)
	}
	if o, ok := d.Owner("/usr/lib64/libx.so.1"); !ok || o.Name != "libx" {
		t.Errorf("owner %v", o)
	}
	if got := d.DatabasePaths(); !slices.Equal(got, []string{"/usr/lib/sysimage/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite-shm"}) {
		t.Errorf("database paths %q", got)
	}
	f := d.Filter(func(p string) bool { return p == "/usr/bin/tool" || p == "/usr/lib64/libx.so.1" })
	if len(f.Files) != 1 || f.Files[0].Path != "/var/lib/rpm/rpmdb.sqlite" || len(f.Packages) != 2 || len(f.Half) != 1 {
		t.Fatalf("%d files, packages %v, half %v", len(f.Files), f.Packages, f.Half)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rpmdb.sqlite"), f.Files[0].Content, 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, dir, "rpm", "--dbpath", dir, "--define", "_db_backend sqlite", "-qa", "--qf", "%{NAME} %{EPOCH} %{VERSION}-%{RELEASE} %{SHA256HEADER}\n")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines)
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "libx 2 1.0-3.el9 ") || !strings.HasPrefix(lines[1], "tool (none) 1.0-3.el9 ") {
		t.Errorf("rpm -qa says %q", out)
	}
	run(t, dir, "rpm", "--dbpath", dir, "--define", "_db_backend sqlite", "--rebuilddb")
	if out := run(t, dir, "rpm", "--dbpath", dir, "--define", "_db_backend sqlite", "-qf", "/usr/bin/tool"); !strings.HasPrefix(out, "tool-1.0-3.el9") {
		t.Errorf("after --rebuilddb: %q", out)
	}
}

// A log beside the database may hold what the database does not yet.
func TestRPMWithLog(t *testing.T) {
	d := apkOf(t, "\n-- layer --\nfile var/lib/rpm/rpmdb.sqlite \"x\"\nfile var/lib/rpm/rpmdb.sqlite-wal \"w\"\n")
	if !slices.Equal(d.Unsupported, []string{"/var/lib/rpm/rpmdb.sqlite"}) {
		t.Errorf("unsupported %q", d.Unsupported)
	}
}

func TestRPMErrors(t *testing.T) {
	for content, want := range map[string]string{
		"SQLite": "not a sound SQLite database",
		sqliteMagic + "\x00" + strings.Repeat("\x00", 200):                                                         "pages of 0 bytes",
		string(writeSQLite([]sqliteObject{{kind: "table", name: "Other"}})):                                        "no table Packages",
		string(writeSQLite([]sqliteObject{{kind: "table", name: "Packages", rows: []blob{{1, []byte("short")}}}})): "package 1: not a sound rpm header",
	} {
		_, err := read(t, testimage.New(t, "\n-- layer --\nfile var/lib/rpm/rpmdb.sqlite @db\n-- content db --\n"+content))
		if err == nil || !strings.Contains(err.Error(), "reading package database: /var/lib/rpm/rpmdb.sqlite: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// objects are a table of blobs among n others, which are empty and have
// indexes.
func objects(rows []blob, n int) []sqliteObject {
	var out []sqliteObject
	for i := range min(n, 300) {
		name := fmt.Sprintf("other%d", i)
		out = append(out, sqliteObject{kind: "table", name: name, table: name, sql: "CREATE TABLE " + name + " (key TEXT, hnum INTEGER)"},
			sqliteObject{kind: "index", name: name + "_key", table: name, sql: "CREATE INDEX " + name + "_key ON " + name + "(key ASC)"})
	}
	return append(out, sqliteObject{kind: "table", name: "T", table: "T", sql: "CREATE TABLE T (hnum INTEGER PRIMARY KEY,blob BLOB NOT NULL)", rows: rows})
}

// Tables of many sizes: SQLite finds them sound, and both it and we read them
// as they were written.
func TestSQLite(t *testing.T) {
	needPrograms(t, "python3")
	const script = `
import hashlib, sqlite3, sys
c = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
print(c.execute("PRAGMA integrity_check").fetchall())
for r in c.execute("SELECT hnum, blob FROM T"): print(r[0], hashlib.md5(r[1]).hexdigest())
`
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 2, 50, 272, 273, 274, 3000} {
		rows := make([]blob, n)
		for i := range rows {
			size := []int{0, 1, 100, 3000, 4040, 4060, 4061, 4062, 5000, 20_000, 70_000}[r.IntN(11)]
			if n > 1000 {
				size = r.IntN(5000)
			}
			rows[i] = blob{int64(i*i + 1), bytes.Repeat([]byte{byte(i)}, size)}
		}
		content := writeSQLite(objects(rows, n))
		f, err := openSQLite(content)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.table("T")
		if err != nil || len(got) != n {
			t.Fatalf("%d rows: %d, %v", n, len(got), err)
		}
		var want strings.Builder
		want.WriteString("[('ok',)]\n")
		for i, row := range got {
			if row.id != rows[i].id || !bytes.Equal(row.values[1].b, rows[i].b) {
				t.Fatalf("row %d of %d: %d with %d bytes", i, n, row.id, len(row.values[1].b))
			}
			fmt.Fprintf(&want, "%d %x\n", rows[i].id, md5.Sum(rows[i].b))
		}
		file := filepath.Join(t.TempDir(), "db")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), run(t, t.TempDir(), "python3", "-c", script, file)); diff != "" {
			t.Errorf("%d rows: %s", n, diff)
		}
	}
}

func FuzzRPM(f *testing.F) {
	f.Add(writeSQLite([]sqliteObject{{kind: "table", name: "Packages", sql: "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY,blob BLOB NOT NULL)", rows: []blob{{1, make([]byte, 5000)}, {7, nil}}}}))
	f.Fuzz(func(_ *testing.T, b []byte) {
		file, err := openSQLite(b)
		if err != nil {
			return
		}
		rows, err := file.table("Packages")
		if err != nil {
			return
		}
		for _, r := range rows {
			for _, v := range r.values {
				rpmPackage(v.b) //nolint:errcheck // only that it ends
			}
		}
	})
}

// A page may say that it has very many rows, all of the same bytes.
func TestSQLiteRowsInEachOther(t *testing.T) {
	b := writeSQLite([]sqliteObject{{kind: "table", name: "Packages", rows: []blob{{1, make([]byte, 3000)}}}})
	leaf := b[writtenPage : 2*writtenPage]
	leaf[3], leaf[4] = 0, 100 // rows
	for i := range 100 {
		copy(leaf[8+2*i:], leaf[8:10])
	}
	f, err := openSQLite(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.table("Packages"); err == nil || !strings.Contains(err.Error(), "rows are in each other") {
		t.Errorf("got %v", err)
	}
}
