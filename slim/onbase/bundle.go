package onbase

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// certificateDir is where distributions keep the certificates that their
// bundles are made of (update-ca-certificates(8)).
const certificateDir = "/usr/share/ca-certificates"

// bundles are the files in which programs find all trusted certificates, of
// Debian, Alpine, Fedora and SUSE.
var bundles = []string{
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/pki/tls/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", "/etc/ssl/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt",
	"/var/lib/ca-certificates/ca-bundle.pem",
}

// Bounds of what is read of certificates: a distribution has 150 of 2 kB.
const (
	maxBundle  = 16 << 20
	maxShipped = 4096
)

// mergeCertificates makes one of both sides' bundles: what the source was
// given on top of its distribution's goes on top of the base's. A certificate
// that is no longer in it is not trusted by its own file either.
func (s *seater) mergeCertificates(context.Context) error {
	var shipped [][]byte
	var trusted []byte
	for _, x := range s.pairs {
		if !slices.Contains(bundles, x.source.Path) || x.base.Entry == nil || x.content || x.source.Type != layers.Regular || x.base.Type != layers.Regular {
			continue
		}
		ours, err := s.source.Tree.ReadContent(x.source.Inode, maxBundle)
		if err != nil {
			return fmt.Errorf("reading %q: %w", x.source.Path, err)
		}
		theirs, err := s.base.Tree.ReadContent(x.base.Inode, maxBundle)
		if err != nil {
			return fmt.Errorf("reading %q of the base: %w", x.at, err)
		}
		if shipped == nil {
			if shipped, err = s.shipped(); err != nil {
				return err
			}
		}
		x.decided, x.whose = true, ofBase
		all := theirs
		if _, owned := s.source.Packages.Owner(x.source.Path); !owned { // else nothing is on top
			all = MergeCertificates(theirs, ours, shipped...)
		}
		if trusted = append(trusted, all...); !bytes.Equal(all, theirs) {
			s.merged = append(s.merged, Merged{Path: x.at, Source: x.source, Content: all})
		}
	}
	if trusted == nil {
		return nil
	}
	return s.distrust(trusted)
}

// distrust leaves out the certificates of the source's distribution that are
// not in a bundle.
func (s *seater) distrust(bundle []byte) error {
	have := map[string]bool{}
	for _, c := range certificates(bundle) {
		have[string(c)] = true
	}
	for _, x := range s.pairs {
		if !below(x.at, certificateDir) || x.source.Type != layers.Regular || x.base.Entry != nil || x.source.Size > maxBundle {
			continue
		}
		b, err := s.source.Tree.ReadContent(x.source.Inode, maxBundle)
		if err != nil {
			return fmt.Errorf("reading %q: %w", x.source.Path, err)
		}
		if all := certificates(b); len(all) > 0 && !slices.ContainsFunc(all, func(c []byte) bool { return have[string(c)] }) {
			x.decided, x.whose = true, ofNone
		}
	}
	return nil
}

// shipped are the certificates that the source's distribution brought.
func (s *seater) shipped() ([][]byte, error) {
	var nodes []*layers.Inode
	var walk func(dir string)
	walk = func(dir string) {
		for _, e := range s.source.Tree.Children(dir) {
			switch {
			case len(nodes) >= maxShipped:
				return
			case e.Type == layers.Directory:
				walk(e.Path)
			case e.Type == layers.Regular && strings.HasSuffix(e.Path, ".crt"):
				nodes = append(nodes, e.Inode)
			}
		}
	}
	walk(certificateDir)
	out := [][]byte{}
	for _, n := range nodes {
		b, err := s.source.Tree.ReadContent(n, maxBundle)
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", n.Paths()[0], err)
		}
		out = append(out, b)
	}
	return out, nil
}
