// weather is the service of a test image: it leans on the C library where
// other Go programs do not, because that is where files are needed which no
// one sees in the source.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	dataDir  = "data"
	stateDir = "/var/lib/weather"
	logFile  = "/var/log/weather/access.log"
)

// An answer is what a handler has to say, as JSON.
type answer func(r *http.Request) (any, error)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	access, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer access.Close()
	if err := os.MkdirAll(filepath.Join(stateDir, "notes"), 0o755); err != nil {
		return err
	}
	if err := serveUpstream(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	for path, a := range map[string]answer{
		"GET /host": host, "GET /service": service, "GET /me": me, "GET /user": account,
		"GET /zone": zone, "GET /fetch": fetch, "GET /convert": convert, "GET /german": german,
		"GET /stations": stations, "GET /means": means,
		"GET /notes/{id}": readNote, "PUT /notes/{id}": writeNote,
		"GET /log": func(*http.Request) (any, error) { return tail(logFile) },
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(access, "%s %s\n", r.Method, r.URL)
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			v, err := a(r)
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				v = map[string]string{"error": err.Error()}
			}
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			e.Encode(v)
		})
	}
	s := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, func() { s.Shutdown(context.Background()) })
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func host(r *http.Request) (any, error) {
	return net.DefaultResolver.LookupHost(r.Context(), r.FormValue("name"))
}

func service(r *http.Request) (any, error) {
	return net.DefaultResolver.LookupPort(r.Context(), r.FormValue("proto"), r.FormValue("name"))
}

func me(*http.Request) (any, error) {
	u, err := user.Current()
	if err != nil {
		return nil, err
	}
	byName, err := user.Lookup(u.Username)
	if err != nil {
		return nil, err
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return nil, err
	}
	return map[string]any{"name": u.Username, "uid": byName.Uid, "really": strconv.Itoa(os.Getuid()), "group": g.Name}, nil
}

func account(r *http.Request) (any, error) {
	u, err := user.Lookup(r.FormValue("name"))
	if err != nil {
		return nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, id := range ids {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g.Name)
	}
	return fmt.Sprintf("%s is %s, %s, of %s, at home in %s", u.Username, u.Uid, u.Name, strings.Join(groups, "+"), u.HomeDir), nil
}

// zone says what time it was somewhere; without a name, where TZ puts us.
func zone(r *http.Request) (any, error) {
	unix, err := strconv.ParseInt(r.FormValue("unix"), 10, 64)
	if err != nil {
		return nil, err
	}
	at := time.Local
	if name := r.FormValue("name"); name != "" {
		if at, err = time.LoadLocation(name); err != nil {
			return nil, err
		}
	}
	return time.Unix(unix, 0).In(at).Format("2006-01-02 15:04:05 -0700 MST"), nil
}

func stations(*http.Request) (any, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, "stations.json"))
	return json.RawMessage(b), err
}

func readNote(r *http.Request) (any, error) {
	b, err := os.ReadFile(notePath(r))
	return string(b), err
}

// writeNote never leaves half a note.
func writeNote(r *http.Request) (any, error) {
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil {
		return nil, err
	}
	half := notePath(r) + ".new"
	if err := os.WriteFile(half, text, 0o600); err != nil {
		return nil, err
	}
	return len(text), os.Rename(half, notePath(r))
}

func notePath(r *http.Request) string {
	return filepath.Join(stateDir, "notes", filepath.Base(r.PathValue("id")))
}

func tail(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, max(0, end-4096), 4096))
	return string(b), err
}
