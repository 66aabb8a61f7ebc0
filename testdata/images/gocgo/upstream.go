package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	upstreamAddr = "127.0.0.1:8443"
	caBundle     = "/etc/ssl/certs/ca-certificates.crt"
)

// serveUpstream is the server that fetch asks, with a certificate of the
// house's own authority.
func serveUpstream() error {
	cert, err := tls.LoadX509KeyPair("tls/server.crt", "tls/server.key")
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", upstreamAddr)
	if err != nil {
		return err
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s over %s", r.Host, tls.VersionName(r.TLS.Version))
		}),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}},
		ReadHeaderTimeout: 10 * time.Second,
	}
	go s.ServeTLS(l, "", "")
	return nil
}

// fetch asks the upstream by its name, which the C library resolves. It trusts
// the system's authorities as Go finds them, or those of the one bundle file
// that C programs are given.
func fetch(r *http.Request) (any, error) {
	conf := &tls.Config{}
	if r.FormValue("trust") == "bundle" {
		pem, err := os.ReadFile(caBundle)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New(caBundle + " has no certificate")
		}
	}
	t := &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(r.Context(), "GET", "https://"+r.FormValue("host")+":8443/", nil)
	if err != nil {
		return nil, err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}
