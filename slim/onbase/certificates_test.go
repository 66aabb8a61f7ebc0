package onbase

import (
	"encoding/pem"
	"strings"
	"testing"
)

// cert is a certificate as far as a bundle is concerned.
func cert(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(n)}))
	}
	return b.String()
}

func TestMergeCertificates(t *testing.T) {
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")}))
	for _, c := range []struct{ name, base, source, shipped, want string }{
		{"the same", cert("a", "b"), cert("b", "a"), "", cert("a", "b")},
		{"a company's own", cert("a", "b"), cert("a", "own"), cert("a"), cert("a", "b", "own")},
		{"one that the base no longer trusts", cert("a"), cert("a", "withdrawn", "own"), cert("a", "withdrawn"), cert("a", "own")},
		{"text of the base stays", "# Mozilla\n" + cert("a"), "# ours\n" + cert("own"), "", "# Mozilla\n" + cert("a", "own")},
		{"no newline at the end", strings.TrimSuffix(cert("a"), "\n"), cert("own"), "", cert("a", "own")},
		{"a key is no certificate", cert("a"), key + cert("own"), "", cert("a", "own")},
		{"a base without", "", cert("own"), "", cert("own")},
		{"what is no bundle", cert("a"), "-----BEGIN CERTIFICATE-----\n%%%\n", "", cert("a")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(MergeCertificates([]byte(c.base), []byte(c.source), []byte(c.shipped)))
			if got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
			if again := MergeCertificates([]byte(got), []byte(c.source), []byte(c.shipped)); string(again) != got {
				t.Errorf("merged again:\n%s", again)
			}
		})
	}
}
