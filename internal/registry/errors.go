package registry

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// StatusError is a registry's refusal. The first word is the host's name, so
// that it reads well after "reading image: ".
type StatusError struct {
	Host string
	// Registry is where one logs in, when that is known: Host may be that of
	// a token server or of a store of blobs.
	Registry string
	Status   int
	Object   string // "REPOSITORY@sha256:…", "REPOSITORY:TAG", or what else was asked for
	Detail   string // the registry's own words; may be ""
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s answered %d %s for %s", e.Host, e.Status, http.StatusText(e.Status), e.Object)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// explain turns what remote says of a refusal into a StatusError; other
// errors stay.
func explain(err error) error {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return err // not the answer to plain http that was tried after it
	}
	var te *transport.Error
	if !errors.As(err, &te) || te.Request == nil {
		return err
	}
	return &StatusError{Host: te.Request.URL.Host, Status: te.StatusCode, Object: requestObject(te.Request), Detail: detail(te)}
}

// explainFor is explain, where the registry is known.
func explainFor(registry string, err error) error {
	err = explain(err)
	var se *StatusError
	if errors.As(err, &se) {
		se.Registry = registry
	}
	return err
}

// statusError reads a refusal that remote has not seen.
func statusError(resp *http.Response) error {
	if transientStatus(resp.StatusCode) {
		return fmt.Errorf("%s answered %d", resp.Request.URL.Host, resp.StatusCode)
	}
	io.CopyN(io.Discard, resp.Body, 64<<10)
	return &StatusError{Host: resp.Request.URL.Host, Status: resp.StatusCode, Object: requestObject(resp.Request)}
}

func requestObject(req *http.Request) string {
	req = firstRequest(req)
	o := objectOf(req)
	switch {
	case o.kind != "":
		return o.String()
	case strings.HasPrefix(req.URL.Path, "/v2/") && strings.Contains(req.URL.Path, "/blobs/uploads/"):
		repo, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/v2/"), "/blobs/uploads/")
		return "an upload to " + repo
	case strings.HasPrefix(req.URL.Path, "/v2/") && strings.Contains(req.URL.Path, "/referrers/"):
		return "what refers to " + strings.Replace(strings.TrimPrefix(req.URL.Path, "/v2/"), "/referrers/", "@", 1)
	case strings.TrimSuffix(req.URL.Path, "/") == "/v2":
		return "the first request"
	}
	return "a token"
}

// detail is what the registry said, its codes in small letters.
func detail(te *transport.Error) string {
	var out []string
	for _, d := range te.Errors {
		if d.Message != "" {
			out = append(out, d.Message)
		} else {
			out = append(out, strings.ToLower(string(d.Code)))
		}
	}
	return strings.Join(out, "; ")
}
