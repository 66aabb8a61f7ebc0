package langpkg

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// jar is a zip file of names and contents, in this order. The jar tool begins
// with a directory, and writes sizes behind what it packs, as zip.Writer does.
func jar(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// jasper is the manifest of tomcat10-jasper.jar in Debian 12.
const jasper = "Manifest-Version: 1.0\r\nCreated-By: 17.0.16 (Debian)\r\nClass-Path: eclipse-jdt-core.jar tomcat10-el-api.jar tomcat10-servlet-ap\r\n i.jar tomcat10-jsp-api.jar\r\nExport-Package: org.apache.jasper\r\n\r\nName: x\r\nClass-Path: not-of-the-jar.jar\r\n"

func TestClassPath(t *testing.T) {
	for _, c := range []struct {
		name string
		jar  []byte
		want string
	}{
		{"as Debian has it", jar(t, "META-INF/", "", "META-INF/MANIFEST.MF", jasper, "A.class", "x"), "/j/eclipse-jdt-core.jar /j/tomcat10-el-api.jar /j/tomcat10-servlet-api.jar /j/tomcat10-jsp-api.jar"},
		{"URLs", jar(t, "META-INF/MANIFEST.MF", "class-path: lib/a%20b.jar file:/opt/c.jar ../d.jar http://x/e.jar classes/ ../../../../etc/f.jar %zz\n"), "/j/lib/a b.jar /opt/c.jar /d.jar /etc/f.jar"},
		{"no manifest", jar(t, "A.class", "x"), ""},
		{"no jar", []byte("PK\x03\x04 but no more"), ""},
		{"nothing", nil, ""},
		{"cut short", jar(t, "META-INF/MANIFEST.MF", jasper)[:60], ""},
		{"a bomb", jar(t, "META-INF/MANIFEST.MF", "Class-Path: a.jar\n"+strings.Repeat("x: "+strings.Repeat("y", 4000)+"\n", 5_000)), "/j/a.jar"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := testimage.Layer([]testimage.Entry{{Header: tar.Header{Typeflag: tar.TypeReg, Name: "j/x.jar"}, Body: c.jar}}, "none")
			if err != nil {
				t.Fatal(err)
			}
			img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, l)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			e, _ := tree.Lookup("/j/x.jar")
			start := time.Now()
			got, err := NewReader(tree).ClassPath(e)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, strings.Join(got, " ")); d != "" {
				t.Errorf("class path (-want +got):\n%s", d)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(jar(f, "META-INF/", "", "META-INF/MANIFEST.MF", jasper))
	f.Add([]byte(localSignature))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := manifest(bytes.NewReader(b)); len(got) > maxManifest {
			t.Errorf("%d bytes", len(got))
		}
		classPath(b, "/j")
	})
}
