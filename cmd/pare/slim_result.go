package main

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/slim"
)

// slimDocument is the JSON of pare slim.
type slimDocument struct {
	envelope
	Reference string      `json:"reference"`
	Digest    string      `json:"digest"` // of the manifest or index that was made
	MediaType string      `json:"mediaType"`
	Images    []slimImage `json:"images"`
	LeftOut   []leftOut   `json:"leftOut"`
}

type slimImage struct {
	Platform          string         `json:"platform"`
	Digest            string         `json:"digest"`
	SourceDigest      string         `json:"sourceDigest"`
	ProfileDigest     string         `json:"profileDigest"`
	OptionsDigest     string         `json:"optionsDigest"`
	SourceStoredBytes int64          `json:"sourceStoredBytes"` // of layers, as stored
	StoredBytes       int64          `json:"storedBytes"`
	User              slim.User      `json:"user"`
	Base              *slim.Base     `json:"base,omitempty"` // nil on scratch
	Summary           slim.Summary   `json:"summary"`
	Findings          []slim.Finding `json:"findings"`
	Risks             []slim.Risk    `json:"risks"`
}

// tellSlim prints the result and, for people, what became of the image.
func (a *app) tellSlim(c slimCommand, at reference.Ref, img v1.Image, idx v1.ImageIndex, all []built, left []leftOut) error {
	doc := slimDocument{envelope: newEnvelope("slim"), Reference: at.String(), Images: []slimImage{}, LeftOut: orEmpty(left)}
	for i := range all {
		si, err := all[i].document()
		if err != nil {
			return err
		}
		doc.Images = append(doc.Images, si)
		a.term.note("%s", slimText(&all[i], si, len(all) > 1))
	}
	var err error
	if doc.Digest, doc.MediaType, err = topOf(img, idx); err != nil {
		return err
	}
	a.term.note("%s", slimNext(c, at))
	if c.json {
		return a.term.json(doc)
	}
	return a.term.result("%s", at)
}

// topOf is what the result's digest is of.
func topOf(img v1.Image, idx v1.ImageIndex) (digest, mediaType string, err error) {
	var top interface {
		Digest() (v1.Hash, error)
		MediaType() (types.MediaType, error)
	} = idx
	if idx == nil {
		top = img
	}
	h, err := top.Digest()
	if err != nil {
		return "", "", err
	}
	mt, err := top.MediaType()
	return h.String(), string(mt), err
}

func (b *built) document() (slimImage, error) {
	si := slimImage{
		Platform: b.id.Platform, SourceDigest: b.plan.Source.Digest, ProfileDigest: b.plan.Profile.Digest,
		OptionsDigest: b.plan.OptionsDigest, User: b.plan.User, Base: b.plan.Options.Base, Summary: b.plan.Summary,
		Findings: orEmpty(b.plan.Findings), Risks: orEmpty(b.plan.Risks),
	}
	h, err := b.image.Digest()
	if err != nil {
		return si, err
	}
	si.Digest = h.String()
	if si.SourceStoredBytes, err = storedSize(b.candidate.image); err != nil {
		return si, err
	}
	si.StoredBytes, err = storedSize(b.image)
	return si, err
}

// tellLeftOut says which platforms get no slim image, and why.
func (a *app) tellLeftOut(left []leftOut) {
	for _, l := range left {
		platform := l.Platform
		if platform == "" || platform == "unknown/unknown" {
			platform = "a manifest"
		}
		a.term.note("left out: %s (%s): %s", oneLine(platform), shortDigest(l.Digest), oneLine(l.Reason))
	}
}

// shortDigest is enough of a digest to tell it from others.
func shortDigest(d string) string { return d[:min(len(d), len("sha256:")+12)] }
