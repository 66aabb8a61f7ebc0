// Command gostatic is a small service, built without cgo, that uses what a Go
// program finds in an image: names, users, zones, certificates, types, files.
package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log"
	"mime"
	"net"
	"net/http"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// config is /etc/gostatic/config.json.
type config struct {
	Listen  string `json:"listen"`
	Greeted string `json:"greeted"`
	State   string `json:"state"`
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	var c config
	b, err := os.ReadFile("/etc/gostatic/config.json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	s := &http.Server{Addr: c.Listen, Handler: c.routes(), ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		// What only a shutdown needs.
		bye, err := os.ReadFile("/etc/gostatic/farewell")
		log.Printf("ending: %s", bye)
		ended <- errors.Join(err, s.Shutdown(context.Background()))
	}()
	log.Printf("listening on %s", c.Listen)
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}

// answer is a handler that gives text or an error.
type answer func(r *http.Request) (string, error)

func (f answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, err := f(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, s)
}

func (c config) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/hello", answer(c.hello))
	mux.Handle("/user", answer(lookupUser))
	mux.Handle("/zone", answer(zone))
	mux.Handle("/host", answer(host))
	mux.Handle("/service", answer(service))
	mux.Handle("/fetch", answer(fetch))
	mux.Handle("/roots", answer(roots))
	mux.Handle("/type", answer(typeOf))
	mux.Handle("/note", answer(c.note))
	mux.Handle("/assets/", http.StripPrefix("/assets/", http.FileServer(http.Dir("assets"))))
	return mux
}

func (c config) hello(*http.Request) (string, error) {
	t, err := template.ParseGlob("/usr/share/gostatic/templates/*.html")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.ExecuteTemplate(&b, "hello.html", c)
	return strings.TrimSpace(b.String()), err
}

func lookupUser(r *http.Request) (string, error) {
	u, err := user.Lookup(r.FormValue("name"))
	if err != nil {
		return "", err
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%s:%s:%s", u.Uid, u.Gid, g.Name, u.HomeDir), nil
}

func zone(r *http.Request) (string, error) {
	l, err := time.LoadLocation(r.FormValue("name"))
	if err != nil {
		return "", err
	}
	t, err := time.Parse(time.RFC3339, r.FormValue("at"))
	return t.In(l).Format("2006-01-02 15:04 MST"), err
}

func host(r *http.Request) (string, error) {
	addrs, err := net.DefaultResolver.LookupHost(r.Context(), r.FormValue("name"))
	return strings.Join(addrs, " "), err
}

func service(r *http.Request) (string, error) {
	port, err := net.DefaultResolver.LookupPort(r.Context(), "tcp", r.FormValue("name"))
	return fmt.Sprint(port), err
}

func fetch(r *http.Request) (string, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.FormValue("url"), nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.Status + ": " + string(b), err
}

// roots counts what the system trusts.
func roots(*http.Request) (string, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return "", err
	}
	return fmt.Sprint(!pool.Equal(x509.NewCertPool())), nil
}

func typeOf(r *http.Request) (string, error) {
	return mime.TypeByExtension(r.FormValue("suffix")), nil
}

// note appends to a file of the state directory, and answers with all of it.
func (c config) note(r *http.Request) (string, error) {
	name := filepath.Join(c.State, "notes")
	if line := r.FormValue("add"); line != "" {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return "", err
		}
		if _, err := fmt.Fprintln(f, line); err != nil {
			return "", err
		}
		if err := f.Close(); err != nil {
			return "", err
		}
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(b), err
}
