// Package inside lets a command of the host, such as a test suite, run
// commands inside the container that it tests, recorded like the rest: over a
// unix socket, whose name it finds in the environment.
package inside

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/pare-image/pare/slim/record/engine"
)

// Variable of the environment that names the socket.
const Variable = "PARE_EXEC"

// Execer runs a command inside and has the log; an [engine.Container] does.
type Execer interface {
	Exec(ctx context.Context, argv []string, stdin io.Reader) (engine.ExecResult, error)
	Logs(ctx context.Context) (io.ReadCloser, error)
}

// Bounds of a request.
const (
	maxArgs  = 1 << 20  // bytes of argv, as JSON
	maxStdin = 64 << 20 // bytes
)

// The request: argv as JSON in this header, stdin as the body. The answer is
// an engine.ExecResult as JSON, or an error's text.
const argvHeader = "Pare-Argv"

// Server runs commands for whoever may open its socket.
type Server struct {
	path   string
	listen net.Listener
	http   *http.Server
}

// Serve listens on a socket in dir, which only its owner may enter.
func Serve(dir string, c Execer) (*Server, error) {
	s := &Server{path: filepath.Join(dir, "exec.sock")}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		return nil, fmt.Errorf("listening for commands to run inside: %w", err)
	}
	s.listen = l
	mux := http.NewServeMux()
	mux.HandleFunc("POST /exec", func(w http.ResponseWriter, r *http.Request) { serve(w, r, c) })
	mux.HandleFunc("GET /logs", func(w http.ResponseWriter, r *http.Request) { serveLogs(w, r, c) })
	s.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: maxArgs,
	}
	go s.http.Serve(l) //nolint:errcheck // ErrServerClosed, after Close
	return s, nil
}

// Env is what a host command needs in its environment.
func (s *Server) Env() string { return Variable + "=" + s.path }

// Close ends what still runs and removes the socket.
func (s *Server) Close() error {
	err := s.http.Close()
	if lerr := s.listen.Close(); !errors.Is(lerr, net.ErrClosed) {
		err = errors.Join(err, lerr) // it had not begun to serve
	}
	return err
}

func serve(w http.ResponseWriter, r *http.Request, c Execer) {
	var argv []string
	if err := json.Unmarshal([]byte(r.Header.Get(argvHeader)), &argv); err != nil || len(argv) == 0 {
		http.Error(w, "no command", http.StatusBadRequest)
		return
	}
	res, err := c.Exec(r.Context(), argv, http.MaxBytesReader(w, r.Body, maxStdin))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	json.NewEncoder(w).Encode(res) //nolint:errcheck // whoever asked has gone
}

// serveLogs follows the log until the container has ended or nobody listens.
func serveLogs(w http.ResponseWriter, r *http.Request, c Execer) {
	log, err := c.Logs(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer log.Close()
	defer context.AfterFunc(r.Context(), func() { log.Close() })()
	flush := http.NewResponseController(w)
	buf := make([]byte, 32<<10)
	for {
		n, err := log.Read(buf)
		if _, werr := w.Write(buf[:n]); err != nil || werr != nil || flush.Flush() != nil {
			return
		}
	}
}

// Run asks the server at socket to run argv. The result has the first MiB of
// each output.
func Run(ctx context.Context, socket string, argv []string, stdin io.Reader) (engine.ExecResult, error) {
	var res engine.ExecResult
	args, err := json.Marshal(argv)
	if err != nil {
		return res, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://inside/exec", stdin)
	if err != nil {
		return res, err
	}
	req.Header.Set(argvHeader, string(args))
	resp, err := client(socket).Do(req)
	if err != nil {
		return res, fmt.Errorf("asking pare to run a command inside: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return res, fmt.Errorf("asking pare to run a command inside: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return res, errors.New(string(bytes.TrimSpace(body)))
	}
	return res, json.Unmarshal(body, &res)
}

// Logs copies what the container writes to stdout and stderr, from its start
// on, to w, until it has ended or ctx is done, which is no error.
func Logs(ctx context.Context, socket string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://inside/logs", nil)
	if err != nil {
		return err
	}
	resp, err := client(socket).Do(req)
	if err != nil {
		return fmt.Errorf("asking pare for the log: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return errors.New(string(bytes.TrimSpace(body)))
	}
	if _, err := io.Copy(w, resp.Body); err != nil && ctx.Err() == nil {
		return fmt.Errorf("asking pare for the log: %w", err)
	}
	return nil
}

func client(socket string) *http.Client {
	var d net.Dialer
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}
}
