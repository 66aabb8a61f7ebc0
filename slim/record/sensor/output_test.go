//go:build linux && (amd64 || arm64)

package sensor

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPutGoesNowhereElse: what is not stored is an error, and no error shows
// what a signed URL has.
func TestPutGoesNowhereElse(t *testing.T) {
	d := openDir(t)
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/login" {
			http.Redirect(w, r, "/login", http.StatusFound)
		}
	}))
	defer login.Close()
	unknown := httptest.NewUnstartedServer(nil) // its certificate is
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0)
	unknown.StartTLS()
	defer unknown.Close()
	for server, want := range map[string]string{login.URL: "302", unknown.URL: "nothing was started"} {
		url := strings.Replace(server, "://", "://me:SECRET@", 1) + "/x.json?sig=SECRET"
		o := supervised{cfg: Config{Out: url, Argv: []string{"touch", d + "/started"}}}.run(t)
		if !strings.Contains(o.stderr, want) || strings.Contains(o.stderr, "SECRET") {
			t.Errorf("%s: exit %d, %s", server, o.code, o.stderr)
		}
		_, err := os.Stat(d + "/started")
		if started := err == nil; started != (server == login.URL) {
			t.Errorf("%s: started: %v", server, started)
		}
		_ = os.Remove(d + "/started")
	}
}

// TestHostileOutput: a program that may write where the profile goes can have
// the sensor, which is root, neither write elsewhere nor wait.
func TestHostileOutput(t *testing.T) {
	needRoot(t)
	out, away := openDir(t)+"/out", openDir(t)
	if err := errors.Join(os.Mkdir(out, 0o777), os.Chmod(out, 0o777)); err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `cd ` + out + `; until n=$(ls | grep json$); do sleep 0.02; done
		ln -s ` + victim + ` .$n.tmp; ln -sf ` + victim + ` $n; sleep 0.2; rm -f .$n.tmp; mkfifo .$n.tmp; sleep 0.2
		rm -f .$n.tmp; mv ` + out + ` ` + out + `.gone; ln -s ` + away + ` ` + out + `; sleep 0.2; rm ` + out + `; mv ` + out + `.gone ` + out
	cfg := Config{Out: out, Flush: 20 * time.Millisecond, User: &User{UID: 4711, GID: 4711}, Argv: []string{"sh", "-c", script}}
	if o := (supervised{cfg: cfg}).run(t); o.code != 0 {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
	if raw, err := os.ReadFile(victim); err != nil || string(raw) != "root's" {
		t.Errorf("the program's link was followed: %d bytes, %v", len(raw), err)
	}
	if left, _ := os.ReadDir(away); len(left) != 0 {
		t.Errorf("written into a directory that took the place: %v", left)
	}
}
