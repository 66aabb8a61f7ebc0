package onbase

import (
	"bytes"
	"encoding/pem"
)

// MergeCertificates is a bundle of trusted certificates (PEM) for an image on
// a base: the base's to the letter, then those of the source that it lacks
// and that were added there. shipped are the bundles or certificates that the
// source's distribution brought (ca-certificates): what of them the base lacks
// it no longer trusts, and must not come back.
func MergeCertificates(base, source []byte, shipped ...[]byte) []byte {
	have := map[string]bool{}
	for _, bundle := range append([][]byte{base}, shipped...) {
		for _, c := range certificates(bundle) {
			have[string(c)] = true
		}
	}
	out := bytes.Clone(base)
	for _, c := range certificates(source) {
		if have[string(c)] {
			continue
		}
		have[string(c)] = true
		if len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, '\n')
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: certificate, Bytes: c})...)
	}
	return out
}

// certificate is the label of RFC 7468, section 5.
const certificate = "CERTIFICATE"

// certificates are the encoded certificates of a bundle; other blocks and text
// between are passed over.
func certificates(b []byte) [][]byte {
	var out [][]byte
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return out
		}
		if block.Type == certificate || block.Type == "TRUSTED "+certificate {
			out = append(out, block.Bytes)
		}
		b = rest
	}
}
