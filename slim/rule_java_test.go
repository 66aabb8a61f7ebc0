package slim

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// jreImage is cut from Debian 12's openjdk-17-jre-headless.
const jreImage = `
-- layer --
file usr/lib/jvm/J/bin/java 0755
file usr/lib/jvm/J/bin/keytool 0755
symlink usr/lib/jvm/J/conf/net.properties -> /etc/java-17-openjdk/net.properties
symlink usr/lib/jvm/J/conf/security/java.security -> /etc/java-17-openjdk/security/java.security
symlink usr/lib/jvm/J/lib/jvm.cfg -> /etc/java-17-openjdk/jvm-amd64.cfg
file etc/java-17-openjdk/net.properties
file etc/java-17-openjdk/security/java.security
file etc/java-17-openjdk/jvm-amd64.cfg
file etc/java-17-openjdk/swing.properties
file usr/lib/jvm/J/legal/java.base/LICENSE
file usr/lib/jvm/J/lib/classlist
file usr/lib/jvm/J/lib/ct.sym
file usr/lib/jvm/J/lib/jfr/default.jfc
file usr/lib/jvm/J/lib/jspawnhelper 0755
file usr/lib/jvm/J/lib/jexec 0755
file usr/lib/jvm/J/lib/modules
file usr/lib/jvm/J/lib/tzdb.dat
symlink usr/lib/jvm/J/lib/security/cacerts -> /etc/ssl/certs/java/cacerts
file usr/lib/jvm/J/lib/security/default.policy
file usr/lib/jvm/J/lib/server/libjvm.so
file usr/lib/jvm/J/lib/server/classes.jsa
file usr/lib/jvm/J/lib/libnet.so
file usr/lib/jvm/J/lib/libmanagement.so
file usr/lib/jvm/J/lib/libawt.so
file usr/lib/jvm/J/lib/libfontmanager.so
file usr/lib/jvm/J/lib/libjdwp.so
`

func TestRuleJava(t *testing.T) {
	long := strings.NewReplacer("$J/", "/usr/lib/jvm/J/", "$E/", "/etc/java-17-openjdk/")
	jvm := long.Replace(`
$J/lib/server/libjvm.so access
$J/lib/modules java $J/lib/server/libjvm.so
$J/lib/tzdb.dat java $J/lib/server/libjvm.so
$J/lib/jspawnhelper java $J/lib/server/libjvm.so
$J/lib/jvm.cfg link $E/jvm-amd64.cfg
$E/jvm-amd64.cfg java $J/lib/server/libjvm.so
$J/conf java $J/lib/server/libjvm.so
$J/lib/jfr java $J/lib/server/libjvm.so
$J/lib/security java $J/lib/server/libjvm.so
$J/conf/net.properties java $J/lib/server/libjvm.so
$E/net.properties link $J/conf/net.properties
$J/conf/security java $J/lib/server/libjvm.so
$J/conf/security/java.security java $J/lib/server/libjvm.so
$E/security/java.security link $J/conf/security/java.security
$J/lib/jfr/default.jfc java $J/lib/server/libjvm.so
$J/lib/security/cacerts java $J/lib/server/libjvm.so
$J/lib/security/default.policy java $J/lib/server/libjvm.so
$J/lib/libnet.so java $J/lib/server/libjvm.so
$J/lib/libmanagement.so java $J/lib/server/libjvm.so
`)
	runRuleCases(t, []ruleCase{
		{name: "a runtime that ran, without what draws and debugs", image: jreImage, opened: long.Replace("$J/lib/server/libjvm.so"), want: jvm},
		{
			name: "what draws, all of it, when some of it was used", image: jreImage,
			opened: long.Replace("$J/lib/server/libjvm.so $J/lib/libawt.so"),
			want: jvm + long.Replace(`
$J/lib/libawt.so access
$J/lib/libfontmanager.so java $J/lib/server/libjvm.so
`),
		},
		{
			name: "what draws at auto, though none of it was used", image: jreImage, options: Options{Granularity: GranularityAuto},
			opened: long.Replace("$J/lib/server/libjvm.so"),
			want: jvm + long.Replace(`
$J/lib/libawt.so java $J/lib/server/libjvm.so
$J/lib/libfontmanager.so java $J/lib/server/libjvm.so
`),
		},
		{
			name: "not one that did not run", image: jreImage, opened: long.Replace("$J/lib/jvm.cfg"),
			want: long.Replace(`
$E/jvm-amd64.cfg access
$J/lib/jvm.cfg link $E/jvm-amd64.cfg
`),
		},
		{
			name: "Java 8", image: `
-- layer --
file opt8/jre/lib/rt.jar
file opt8/jre/lib/jsse.jar
file opt8/jre/lib/jfr.jar
file opt8/jre/lib/ext/sunec.jar
file opt8/jre/lib/cmm/sRGB.pf
file opt8/jre/lib/currency.data
file opt8/jre/lib/management/management.properties
file opt8/jre/lib/net.properties
file opt8/jre/lib/amd64/jspawnhelper 0755
file opt8/jre/lib/amd64/jvm.cfg
file opt8/jre/lib/amd64/libjaas_unix.so
file opt8/jre/lib/amd64/libnet.so
file opt8/jre/lib/amd64/libsunec.so
file opt8/jre/lib/amd64/libunpack.so
file opt8/jre/lib/amd64/server/libjvm.so
file usr/lib/modules
file usr/lib/libnet.so
`,
			opened: "/opt8/jre/lib/amd64/server/libjvm.so /usr/lib/modules",
			want: strings.ReplaceAll(`
/opt8/jre/lib/amd64/server/libjvm.so access
/opt8/jre/lib/amd64/jspawnhelper java P
/opt8/jre/lib/amd64/jvm.cfg java P
/opt8/jre/lib/amd64/libjaas_unix.so java P
/opt8/jre/lib/amd64/libnet.so java P
/opt8/jre/lib/amd64/libsunec.so java P
/opt8/jre/lib/amd64/libunpack.so java P
/opt8/jre/lib/cmm java P
/opt8/jre/lib/cmm/sRGB.pf java P
/opt8/jre/lib/currency.data java P
/opt8/jre/lib/jfr.jar java P
/opt8/jre/lib/management java P
/opt8/jre/lib/management/management.properties java P
/opt8/jre/lib/rt.jar java P
/opt8/jre/lib/jsse.jar java P
/opt8/jre/lib/ext java P
/opt8/jre/lib/ext/sunec.jar java P
/opt8/jre/lib/net.properties java P
/usr/lib/modules access
`, " P\n", " /opt8/jre/lib/amd64/server/libjvm.so\n"),
		},
	})
}

// The jars that a jar's manifest names come with it, and theirs; a circle ends.
func TestRuleJavaClassPath(t *testing.T) {
	jar := func(classPath string) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		f, err := w.Create("META-INF/MANIFEST.MF")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(f, "Manifest-Version: 1.0\nClass-Path: "+classPath+"\n")
		if err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
		file("usr/share/java/a-1.jar", 0o644, jar("b.jar gone.jar"))
		link("usr/share/java/b.jar", "b-1.jar")
		file("usr/share/java/b-1.jar", 0o644, jar("a-1.jar c.jar"))
		file("usr/share/java/c.jar", 0o644, []byte("no jar"))
		file("usr/share/java/d.jar", 0o644, jar(""))
	})
	plan, _ := slimmed(t, tree, opened("/usr/share/java/a-1.jar"), Options{Granularity: GranularityFile})
	want := lines(`
/usr/share/java/a-1.jar access
/usr/share/java/b-1.jar java /usr/share/java/a-1.jar
/usr/share/java/b.jar link /usr/share/java/b-1.jar
/usr/share/java/c.jar java /usr/share/java/b-1.jar
`)
	if got := keptLines(plan, ""); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("kept %q, want %q", got, want)
	}
}
