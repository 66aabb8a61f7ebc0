package reference

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pare-image/pare/internal/testimage"
)

// engineAt is a Docker Engine of one image, behind a socket: what was last
// loaded, or nothing.
type engineAt struct {
	archive []byte
	refuse  string
}

func (e *engineAt) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/images/load":
		b, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(500)
			return
		}
		fmt.Fprintln(w, `{"stream":"reading"}`)
		if e.refuse != "" {
			fmt.Fprintf(w, `{"errorDetail":{"message":%q},"error":%q}`, e.refuse, e.refuse)
			return
		}
		e.archive = b
	case e.archive == nil || !strings.HasPrefix(r.URL.Path, "/images/team/app:v1/"):
		w.WriteHeader(404)
		fmt.Fprintf(w, `{"message":"No such image: %s"}`, strings.Split(r.URL.Path, "/")[2])
	case strings.HasSuffix(r.URL.Path, "/json"):
		fmt.Fprint(w, `{"Id":"sha256:`+hex64+`"}`)
	case strings.HasSuffix(r.URL.Path, "/get"):
		w.Write(e.archive)
	}
}

func listen(t *testing.T, e *engineAt) Docker {
	t.Helper()
	dir, err := os.MkdirTemp("", "pare") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", dir+"/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(e)
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return Docker{Host: "unix://" + dir + "/docker.sock"}
}

func TestDaemon(t *testing.T) {
	scratch := t.TempDir()
	o := Options{Docker: listen(t, &engineAt{}), Scratch: scratch}
	ref := parse(t, "docker-daemon:docker.io/team/app:v1")
	if _, err := Open(t.Context(), ref, o); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "No such image") {
		t.Errorf("an image that is not there: %v", err)
	}
	at, err := Write(t.Context(), ref, testimage.New(t, twoLayers), nil, o)
	if err != nil || at.String() != "docker-daemon:sha256:"+hex64 {
		t.Fatalf("%v, %v", at, err)
	}
	s, err := Open(t.Context(), ref, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := view(t, s.Image); got["/etc/b"] != "three\n" {
		t.Errorf("holds %v", got)
	}
	if left := names(t, scratch); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

func TestDaemonRefuses(t *testing.T) {
	o := Options{Docker: listen(t, &engineAt{refuse: "no space left on device"})}
	_, err := Write(t.Context(), parse(t, "docker-daemon:team/app:v1"), testimage.New(t, twoLayers), nil, o)
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("error %v", err)
	}
}

func TestDaemonUnreachable(t *testing.T) {
	for host, want := range map[string]string{
		"unix:///nonexistent/docker.sock": "Docker Engine at unix:///nonexistent/docker.sock",
		"ssh://host":                      "docker save",
		"tcp://127.0.0.1:1":               "refused",
	} {
		_, err := Open(t.Context(), parse(t, "docker-daemon:app"), Options{Docker: Docker{Host: host}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", host, err, want)
		}
	}
}

// TestDaemonPodman speaks to a real engine: podman serves Docker's API.
func TestDaemonPodman(t *testing.T) {
	o := Options{Docker: servePodman(t)}
	ref := parse(t, "docker-daemon:pare-test/app:v1")
	at, err := Write(t.Context(), ref, testimage.New(t, twoLayers), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Ref{ref, at} {
		s, err := Open(t.Context(), r, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := view(t, s.Image); got["/etc/b"] != "three\n" || got["/etc/c"] != "four\n" {
			t.Errorf("%s holds %v", r, got)
		}
		s.Close()
	}
	if _, err := Open(t.Context(), parse(t, "docker-daemon:pare-test/app:v2"), o); !errors.Is(err, ErrNotFound) {
		t.Errorf("a tag that is not there: %v", err)
	}
	if v, _, err := o.Docker.Version(t.Context()); err != nil || v == "" {
		t.Errorf("version %q, %v", v, err)
	}
}

// servePodman starts a podman of the test's own.
func servePodman(t *testing.T) Docker {
	t.Helper()
	podman, err := exec.LookPath("podman")
	if err == nil && os.Geteuid() != 0 {
		err = errors.New("not root")
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("needs podman as root: %v", err)
	}
	dir, err := os.MkdirTemp("", "pare") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := dir + "/podman.sock"
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), podman, "--root", dir+"/root", "--runroot", dir+"/run", "--storage-driver", "vfs",
		"system", "service", "--time=0", "unix://"+socket)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return Docker{Host: "unix://" + socket}
		} else if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for podman's socket: %v\n%s", err, log.String())
		}
	}
}
