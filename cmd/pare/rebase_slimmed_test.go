package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pare-image/pare/slim"
)

// An image that was slimmed onto a base is moved like any other, even where a
// tool has lost the annotations that name the base: to make it anew on scratch
// would take the base away.
func TestMadeOnScratch(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	const scratch = `{"granularity":"auto","layers":"preserve","reach":"report","compression":"gzip"}`
	for options, want := range map[string]bool{
		scratch: true,
		strings.TrimSuffix(scratch, "}") + `,"base":{"digest":"` + digest + `"}}`: false,
	} {
		img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Config: v1.Config{Labels: map[string]string{
			slim.LabelSource: digest, slim.LabelProfile: digest, slim.LabelOptionsText: options,
			slim.LabelOptions: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(options))),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		made, err := madeOnScratch(&candidate{image: img})
		if err != nil || (made != nil) != want {
			t.Errorf("%s: made on scratch: %t, want %t (%v)", options, made != nil, want, err)
		}
	}
}
