package slim

import (
	"time"

	"github.com/pare-image/pare/layers"
)

// Generated is a file, directory or symlink that pare writes itself. It takes the
// place of the source's, if that has one.
type Generated struct {
	Path string
	layers.Header
	Content []byte
	Reason  Reason
	// Like is an entry of the source whose owner, mode and time it takes, ""
	// for none.
	Like string
	// Package is the one whose file list this is, by ID; "" for all else.
	Package string
	// Layers are the source layers whose output a copy goes into; nil is
	// pare's own layer on top.
	Layers []int
}

func generatedText(path string, content []byte, r Reason) Generated {
	return Generated{
		Path: path, Header: layers.Header{Type: layers.Regular, Mode: 0o644}, Content: content, Reason: r, Like: path,
	}
}

// complete fills in what follows from Like and from the time of the image.
// Without a Like the file is root's and as old as the image.
// find gives the entry that a path leads to.
func (g *Generated) complete(find func(p string) (*layers.Entry, error), created time.Time) {
	g.ModTime = created
	if e, err := find(g.Like); g.Like != "" && err == nil && e.Type == g.Type {
		g.Mode, g.UID, g.GID = e.Mode&0o777, e.UID, e.GID
		if at := e.ModTime.UTC(); at.Year() >= 0 && at.Year() <= 9999 { // what the plan's JSON can say
			g.ModTime = at
		}
	}
	g.Size = int64(len(g.Content))
}
