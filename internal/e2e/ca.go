package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// authority is a certificate authority for servers of the tests; some images
// trust the one named "company". Its key follows from its name, so that the
// certificate, which is part of build contexts, is the same each time.
type authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

func newAuthority(name string) (*authority, error) {
	seed := sha256.Sum256([]byte("pare e2e authority " + name))
	a := &authority{key: ed25519.NewKeyFromSeed(seed[:])}
	t := certTemplate(name)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

func certTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"pare e2e"}},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// pem is the authority's certificate, for an image to trust.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// server makes a certificate for a host name.
func (a *authority) server(name string) (tls.Certificate, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := certTemplate(name)
	t.DNSNames, t.KeyUsage = []string{name}, x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, pub, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// serveTLS answers HTTPS requests for name on addr, with a certificate of
// authority, until stop is called.
func serveTLS(addr, name, authority string, h http.Handler) (port int, stop func(), err error) {
	a, err := newAuthority(authority)
	if err != nil {
		return 0, nil, err
	}
	cert, err := a.server(name)
	if err != nil {
		return 0, nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		return 0, nil, fmt.Errorf("listening for containers: %w", err)
	}
	s := &http.Server{
		Handler: h, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // that a client refuses the certificate may be the point
	}
	go func() { _ = s.ServeTLS(l, "", "") }()
	return l.Addr().(*net.TCPAddr).Port, func() { _ = s.Close() }, nil
}
