package reference

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Docker says where the Docker Engine, or what speaks its API, is reached.
type Docker struct {
	// Host is as in DOCKER_HOST: unix:///path or tcp://host:port; "" is
	// unix:///var/run/docker.sock.
	Host string
	// CertPath holds ca.pem, cert.pem and key.pem for tcp with TLS; "" for
	// none (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH).
	CertPath string
}

const (
	defaultDockerHost = "unix:///var/run/docker.sock"
	// dockerWait is for the engine to begin its answer: it may first pack an
	// image of many gigabytes.
	dockerWait      = 10 * time.Minute
	maxDockerAnswer = 1 << 20
)

// engine speaks the Docker Engine API. Paths carry no version: every engine
// then takes its own.
type engine struct {
	client *http.Client
	base   string
	host   string
}

func (d Docker) connect() (*engine, error) {
	host := d.Host
	if host == "" {
		host = defaultDockerHost
	}
	u, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("%w: DOCKER_HOST: %v", ErrSyntax, err)
	}
	t := &http.Transport{ResponseHeaderTimeout: dockerWait, DisableCompression: true}
	e := &engine{client: &http.Client{Transport: t}, base: "http://docker", host: host}
	switch u.Scheme {
	case "unix":
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "unix", u.Path)
		}
	case "tcp":
		e.base = "http://" + u.Host
		if d.CertPath != "" {
			e.base = "https://" + u.Host
			t.TLSClientConfig, err = clientTLS(d.CertPath)
		}
	default:
		err = fmt.Errorf("%w: DOCKER_HOST %q; want unix:// or tcp://, or use docker save and docker-archive:FILE", ErrSyntax, host)
	}
	return e, err
}

func clientTLS(dir string) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading the Docker client's certificate: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading the Docker client's CA: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool}, nil
}

// Version asks the engine who it is: "20.10.24" and where it is reached.
func (d Docker) Version(ctx context.Context) (version, host string, err error) {
	e, err := d.connect()
	if err != nil {
		return "", d.Host, err
	}
	resp, err := e.get(ctx, "/version")
	if err != nil {
		return "", e.host, err
	}
	defer resp.Body.Close()
	var answer struct{ Version string }
	err = json.NewDecoder(io.LimitReader(resp.Body, maxDockerAnswer)).Decode(&answer)
	return answer.Version, e.host, err
}

// do sends a request; answers other than 200 are errors.
func (e *engine) do(req *http.Request) (*http.Response, error) {
	resp, err := e.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the made-up host of a socket
		}
		return nil, fmt.Errorf("asking the Docker Engine at %s: %w", e.host, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var answer struct {
		Message string `json:"message"`
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxDockerAnswer))
	if json.Unmarshal(b, &answer) != nil || answer.Message == "" {
		answer.Message = http.StatusText(resp.StatusCode)
	}
	err = fmt.Errorf("the Docker Engine at %s answered %d: %s", e.host, resp.StatusCode, answer.Message)
	if resp.StatusCode == http.StatusNotFound {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return nil, err
}

func (e *engine) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+path, nil)
	if err != nil {
		return nil, err
	}
	return e.do(req)
}

// id is the image's ID; ErrNotFound when the engine has no such image.
func (e *engine) id(ctx context.Context, image string) (string, error) {
	resp, err := e.get(ctx, "/images/"+image+"/json")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct{ ID string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDockerAnswer)).Decode(&answer); err != nil {
		return "", fmt.Errorf("parsing what the Docker Engine says of %s: %w", image, err)
	}
	return answer.ID, nil
}

// open has the engine pack the image, keeps that in a file without a name and
// reads it as an archive.
func (d Docker) open(ctx context.Context, r Ref, o Options) (*Source, error) {
	e, err := d.connect()
	if err != nil {
		return nil, err
	}
	if _, err := e.id(ctx, r.Name); err != nil {
		return nil, err
	}
	resp, err := e.get(ctx, "/images/"+r.Name+"/get")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	f, size, err := spool(ctx, resp.Body, o.Scratch)
	if err != nil {
		return nil, fmt.Errorf("reading from the Docker Engine: %w", err)
	}
	only := Ref{Kind: DockerArchive}
	return sourceInTar(ctx, f, size, only, dockerSource)
}

// write loads the image into the engine: the name moves when all is there.
func (d Docker) write(ctx context.Context, r Ref, img v1.Image, o Options) (Ref, error) {
	e, err := d.connect()
	if err != nil {
		return Ref{}, err
	}
	f, err := os.CreateTemp(o.Scratch, "pare-load-*")
	if err != nil {
		return Ref{}, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return Ref{}, err
	}
	t := tarFile{f}
	if _, err := fillDockerArchive(ctx, t, r.Name, img); err != nil {
		return Ref{}, err
	}
	if err := t.end(); err != nil {
		return Ref{}, err
	}
	if err := e.load(ctx, f); err != nil {
		return Ref{}, err
	}
	id, err := e.id(ctx, r.Name)
	return Ref{Kind: DockerDaemon, Name: id}, err
}

func (e *engine) load(ctx context.Context, f *os.File) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	body := io.NewSectionReader(f, 0, size)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.base+"/images/load?quiet=1", io.NopCloser(body))
	if err != nil {
		return err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/x-tar")
	resp, err := e.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return loadAnswer(resp.Body)
}

// loadAnswer looks for an error in the stream of JSON that the engine sends
// with status 200.
func loadAnswer(r io.Reader) error {
	in := bufio.NewScanner(io.LimitReader(r, maxDockerAnswer))
	in.Buffer(nil, maxDockerAnswer)
	for in.Scan() {
		var line struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(in.Bytes(), &line) == nil && line.Error != "" {
			return fmt.Errorf("the Docker Engine could not load the image: %s", strings.TrimSpace(line.Error))
		}
	}
	return in.Err()
}
