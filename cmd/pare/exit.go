package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/internal/registry"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/rebase"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/onbase"
)

// The exit codes; a signal's is 128 and its number.
const (
	exitDone   = 0
	exitFailed = 1 // bad input included
	exitUsage  = 2
	exitCheck  = 3 // a check said no
)

const exitHelp = `Exit codes: 0 done; 1 failed, bad input included; 2 wrong usage; 3 a check
said no (profile of another image, findings that forbid building); 130 or 143
interrupted by SIGINT or SIGTERM, with nothing half-written left.`

// usageError is a command that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// errCheck says that a check of pare's own said no; what was found is already
// printed.
var errCheck = errors.New("a check said no")

func exitCode(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, slim.ErrProfileImage), errors.Is(err, slim.ErrFindings), errors.Is(err, rebase.ErrFindings), errors.Is(err, onbase.ErrUnfit), errors.Is(err, errCheck):
		return exitCheck
	}
	return exitFailed
}

// exit says what went wrong and returns the exit code.
func (a *app) exit(err error, s *signals) int {
	if sig := s.got(); err != nil && sig != 0 {
		a.term.fail(fmt.Errorf("stopped by a signal (%v); nothing was left half-written", sig))
		return 128 + int(sig)
	}
	if err == nil {
		return exitDone
	}
	var inside *insideError
	if errors.As(err, &inside) {
		return inside.code
	}
	a.term.fail(err)
	if hint := nextStep(err); hint != "" {
		a.term.hint(hint)
	}
	return exitCode(err)
}

// nextStep is what to do about an error whose text does not say it.
func nextStep(err error) string {
	var (
		usage  *usageError
		status *registry.StatusError
		plain  *registry.PlainHTTPError
		cert   *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &usage):
		return "see pare --help, or COMMAND --help"
	case errors.As(err, &status):
		return statusHint(status)
	case errors.As(err, &plain):
		return "if that is meant, allow it with --insecure " + plain.Host
	case errors.As(err, &cert):
		return "give the registry's CA with --ca FILE, or trust the host blindly with --insecure HOST"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return "make room, or write elsewhere: -o for the result, TMPDIR for scratch files, --cache-dir for the cache"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "choose a place that this user can write (-o, TMPDIR, --cache-dir) or read"
	case errors.Is(err, layers.ErrMismatch):
		return "the image is damaged: fetch or build it again"
	case errors.Is(err, layers.ErrLimit):
		return "docs/layers.md lists the limits; they are far above any image known to run"
	case errors.Is(err, reference.ErrSyntax):
		return "see pare --help for the kinds of references"
	}
	return ""
}

func statusHint(e *registry.StatusError) string {
	at := cmp.Or(e.Registry, e.Host)
	if at == name.DefaultRegistry {
		at = "" // Docker Hub, to docker login
	}
	switch e.Status {
	case 401:
		return strings.TrimSpace("log in first: docker login " + at)
	case 403:
		return strings.TrimSpace("these credentials do not reach it; log in as someone who may: docker login " + at)
	case 404:
		return "check the name and the tag"
	}
	return ""
}

// signals remembers the first signal. It cancels the context, so that what
// was begun is cleaned up; a second one ends the program at once.
type signals struct {
	first atomic.Int32
	soft  atomic.Pointer[chan struct{}]
}

func (s *signals) got() syscall.Signal { return syscall.Signal(s.first.Load()) }

// softly returns a channel that the next SIGINT closes instead of ending the
// command: the way to say that one has seen enough.
func (s *signals) softly() <-chan struct{} {
	ch := make(chan struct{})
	s.soft.Store(&ch)
	return ch
}

func watchSignals(ctx context.Context) (context.Context, *signals) {
	// A closed pipe is an error like another, not the end without cleaning up.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	s := &signals{}
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for sig := range ch {
			n := sig.(syscall.Signal)
			if n == syscall.SIGINT {
				if soft := s.soft.Swap(nil); soft != nil {
					close(*soft)
					continue
				}
			}
			if !s.first.CompareAndSwap(0, int32(n)) {
				os.Exit(128 + int(n))
			}
			cancel()
		}
	}()
	return ctx, s
}
