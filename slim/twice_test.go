package slim

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// twiceImage is large enough for several blocks of every compression.
func twiceImage(t *testing.T) v1.Image {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	file := func(name string, body []byte) testimage.Entry {
		return testimage.Entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o640, Format: tar.FormatPAX, ModTime: time.Unix(1_600_000_000, 123)}, Body: body}
	}
	big := make([]byte, 2<<20+77)
	for i := range big {
		big[i] = "0123456789abcdef"[r.IntN(16)]
	}
	var ls []v1.Layer
	for i, entries := range [][]testimage.Entry{
		{file("srv/big", big), file("srv/empty", nil), file("etc/hosts", []byte("x")), file("etc/passwd", []byte("root:x:0:0::/root:/bin/sh\n"))},
		{file("srv/n\xff", []byte("text")), file("srv/z", []byte("text")), file("srv/a", big[:1<<20+5]), file("var/lib/app/db", []byte("state"))},
	} {
		l, err := testimage.Layer(entries, []string{"gzip", "zstd"}[i])
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
	}
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64", Created: v1.Time{Time: time.Unix(1_700_000_000, 5).UTC()}}, ls...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func twiceProfile() *profile.Profile {
	p := joined(opened("/srv/z", "/srv/n\xff", "/srv/big", "/srv/a", "/srv/empty", "/etc/hosts"), accessed("/var/lib/app/db", profile.Write))
	return p
}

// digests are of the plan and the image for every compression and form.
func digests(t *testing.T, tree *layers.Tree, dir string) string {
	t.Helper()
	var out []string
	for mode, compressions := range map[string][]layers.Compression{
		LayersPreserve: {layers.Gzip, layers.Zstd, layers.Uncompressed, layers.EStargz}, LayersSquash: {layers.Gzip},
	} {
		for _, c := range compressions {
			o := Options{Layers: mode, Compression: c, User: "5:6", Version: "1", Allow: []string{FindingUnreadable}}
			plan := planned(t, tree, twiceProfile(), o)
			var b bytes.Buffer
			if err := plan.Write(&b); err != nil {
				t.Fatal(err)
			}
			var line strings.Builder
			line.WriteString(fmt.Sprintf("%s %s plan %x", mode, c, sha256.Sum256(b.Bytes())))
			again, err := ReadPlan(&b)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []*Plan{plan, again} {
				img, err := Build(t.Context(), tree, p, dir)
				if err != nil {
					t.Fatal(err)
				}
				d, err := img.Digest()
				if err != nil {
					t.Fatal(err)
				}
				line.WriteString(" " + d.String())
			}
			out = append(out, line.String())
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// twiceEnv names the file that a child process writes its digests to.
const twiceEnv = "PARE_TEST_TWICE"

// The same source, profile and options give the same bytes: whatever the
// number of cores, the time zone, the umask, the directory, the cache, and
// whether the plan was written to a file in between.
func TestBuiltTwice(t *testing.T) {
	img := twiceImage(t)
	if to := os.Getenv(twiceEnv); to != "" {
		mask, err := strconv.ParseInt(os.Getenv(twiceEnv+"_UMASK"), 8, 32)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Umask(int(mask))
		got := digests(t, openImage(t, img), t.TempDir())
		if err := os.WriteFile(to, fmt.Appendf(nil, "%s %d\n%s", time.Now().Format("-07:00"), runtime.GOMAXPROCS(0), got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := digests(t, openImage(t, img), t.TempDir())
	for line := range strings.SplitSeq(want, "\n") {
		if w := strings.Fields(line); w[4] != w[5] {
			t.Errorf("the plan read back builds another image: %s", line)
		}
	}
	for _, c := range []struct{ tz, zone, cores, umask string }{
		{"Asia/Kathmandu", "+05:45", "1", "077"},
		{"UTC", "+00:00", "4", "000"},
	} {
		to := filepath.Join(t.TempDir(), "digests")
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBuiltTwice$", "-test.timeout=120s")
		cmd.Env = append(os.Environ(), twiceEnv+"="+to, twiceEnv+"_UMASK="+c.umask, "TZ="+c.tz, "GOMAXPROCS="+c.cores, "TMPDIR="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		b, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.zone+" "+c.cores+"\n"+want, string(b)); d != "" {
			t.Errorf("%+v (-here +there):\n%s", c, d)
		}
	}
	cache, err := layers.OpenCache(filepath.Join(t.TempDir(), "cache"), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"cold", "warm"} {
		tree, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir(), Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, digests(t, tree, t.TempDir())); d != "" {
			t.Errorf("cache %s (-without +with):\n%s", state, d)
		}
		tree.Close()
	}
}

// A plan can be made again of what was selected.
func TestPlannedTwice(t *testing.T) {
	tree := open(t, debian)
	p, o := opened("/usr/bin/tool"), Options{}
	k, err := Select(t.Context(), tree, p, o)
	if err != nil {
		t.Fatal(err)
	}
	var plans [2]bytes.Buffer
	for i := range plans {
		plan, err := NewPlan(t.Context(), tree, p, k, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := plan.Write(&plans[i]); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(plans[0].String(), plans[1].String()); d != "" {
		t.Errorf("(-first +second):\n%s", d)
	}
}
