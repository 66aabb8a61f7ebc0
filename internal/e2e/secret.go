package e2e

import (
	"bytes"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// findSecret names the blobs of an image that hold the secret, layers as
// stored and unpacked.
func findSecret(img v1.Image, secret []byte) (in []string, err error) {
	secret = bytes.TrimSpace(secret)
	look := func(what string, open func() (io.ReadCloser, error)) {
		if err != nil {
			return
		}
		var rc io.ReadCloser
		if rc, err = open(); err != nil {
			return
		}
		defer rc.Close()
		var found bool
		if found, err = contains(rc, secret); found {
			in = append(in, what)
		}
	}
	blob := func(get func() ([]byte, error)) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) {
			b, err := get()
			return io.NopCloser(bytes.NewReader(b)), err
		}
	}
	look("manifest", blob(img.RawManifest))
	look("config", blob(img.RawConfigFile))
	layers, lerr := img.Layers()
	if lerr != nil {
		return nil, lerr
	}
	for i, l := range layers {
		look(fmt.Sprintf("layer %d as stored", i), l.Compressed)
		look(fmt.Sprintf("layer %d", i), l.Uncompressed)
	}
	return in, err
}

// contains searches a stream; what spans two reads is found too.
func contains(r io.Reader, what []byte) (bool, error) {
	buf := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := io.ReadFull(r, buf[kept:])
		if bytes.Contains(buf[:kept+n], what) {
			return true, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(buf, buf[len(buf)-len(what)+1:])
	}
}

// checkSecret wants the secret in the source (else this test shows nothing)
// and nowhere in the result.
func checkSecret(source, result v1.Image, secret []byte) error {
	before, err := findSecret(source, secret)
	if err != nil {
		return err
	}
	if len(before) == 0 {
		return fmt.Errorf("the source image holds no secret: its Dockerfile must add and delete the file")
	}
	after, err := findSecret(result, secret)
	if err == nil && len(after) > 0 {
		err = fmt.Errorf("the secret is in %v of the result", after)
	}
	return err
}
