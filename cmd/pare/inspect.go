package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

type inspectCommand struct {
	image  string
	json   bool
	source sourceFlags
	cache  cacheFlags
}

func newInspectCommand(a *app) *cobra.Command {
	var c inspectCommand
	cmd := &cobra.Command{
		Use:   "inspect IMAGE",
		Short: "say what an image holds",
		Long: `inspect reads an image, verifies every digest, and says what it holds: config,
layers, files, packages, and what was read by a choice of ours rather than by
the letter of the specification (docs/layers.md). Of an index with several
platforms it lists those.`,
		Example: `  pare inspect app:1.4 --platform linux/arm64
  pare inspect docker-archive:app.tar --json | jq '.images[0].layers[].size'`,
		Args: exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.image = args[0]
			return runInspect(cmd.Context(), a, c)
		},
	}
	c.source.bind(cmd)
	c.cache.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

// inspectDocument is the JSON of pare inspect.
type inspectDocument struct {
	envelope
	Reference string         `json:"reference"`
	Digest    string         `json:"digest"`
	MediaType string         `json:"mediaType"`
	Images    []inspectImage `json:"images"`
	Others    []leftOut      `json:"others"` // manifests that are no images
}

type inspectImage struct {
	Platform     string `json:"platform"`
	Digest       string `json:"digest"`
	ConfigDigest string `json:"configDigest"`
	StoredBytes  int64  `json:"storedBytes"`
	// The rest is there when the image was read: when it is the only one.
	Config   *v1.Config       `json:"config,omitempty"`
	Created  string           `json:"created,omitempty"`
	Entries  int              `json:"entries,omitempty"`
	Bytes    int64            `json:"bytes,omitempty"`    // content; hard links once
	Packages int              `json:"packages,omitempty"` // of the OS
	Layers   []inspectLayer   `json:"layers,omitempty"`
	Warnings []inspectWarning `json:"warnings,omitempty"`
}

type inspectLayer struct {
	Digest      string `json:"digest"`
	DiffID      string `json:"diffId"`
	Size        int64  `json:"size"`
	Unpacked    int64  `json:"unpacked"` // bytes of tar
	Compression string `json:"compression"`
	CreatedBy   string `json:"createdBy,omitempty"`
}

type inspectWarning struct {
	Layer int    `json:"layer"`
	Path  string `json:"path"` // quoted when not UTF-8
	Name  string `json:"name"`
	Text  string `json:"text"`
}

func runInspect(ctx context.Context, a *app, c inspectCommand) error {
	places, err := a.places(&c.source)
	if err != nil {
		return err
	}
	src, err := a.open(ctx, c.image, &c.source, places)
	if err != nil {
		return err
	}
	defer src.Close()
	doc := inspectDocument{
		envelope: newEnvelope("inspect"), Reference: src.ref.String(),
		Digest: src.source.Descriptor.Digest.String(), MediaType: string(src.source.Descriptor.MediaType),
		Images: []inspectImage{}, Others: []leftOut{},
	}
	for i := range src.images {
		im := &src.images[i]
		n, err := storedSize(im.image)
		if err != nil {
			return err
		}
		doc.Images = append(doc.Images, inspectImage{
			Platform: im.id.Platform, Digest: im.id.Digest.String(), ConfigDigest: im.id.Config.String(), StoredBytes: n,
		})
	}
	for _, s := range src.skipped {
		doc.Others = append(doc.Others, leftOut{Digest: s.Descriptor.Digest.String(), Reason: s.Skip.Error()})
	}
	if len(src.images) == 1 {
		if err := a.inspectOne(ctx, c, src, &doc.Images[0]); err != nil {
			return err
		}
	}
	if c.json {
		return a.term.json(doc)
	}
	return a.term.result("%s", inspectText(doc))
}

// inspectOne reads the image and fills in what is in it.
func (a *app) inspectOne(ctx context.Context, c inspectCommand, src *opened, out *inspectImage) error {
	cache, err := c.cache.open(a.term)
	if err != nil {
		return err
	}
	t, err := a.tree(ctx, src, &src.images[0], layers.Options{Cache: cache})
	if err != nil {
		return err
	}
	defer t.Close()
	config := t.Config()
	out.Config = &config.Config
	if !config.Created.IsZero() {
		out.Created = config.Created.UTC().Format("2006-01-02T15:04:05Z")
	}
	seen := map[*layers.Inode]bool{}
	for e := range t.All() {
		if e.Path == "/" && e.Implied {
			continue
		}
		out.Entries++
		if !seen[e.Inode] {
			seen[e.Inode] = true
			out.Bytes += e.Size
		}
	}
	db, err := pkgdb.Read(t)
	if err != nil {
		return err
	}
	out.Packages = len(db.Packages())
	for _, l := range t.Layers() {
		il := inspectLayer{Digest: l.Digest.String(), DiffID: l.DiffID.String(), Size: l.Size, Unpacked: l.Unpacked, Compression: l.Compression}
		if l.History != nil {
			il.CreatedBy = l.History.CreatedBy
		}
		out.Layers = append(out.Layers, il)
	}
	for _, w := range t.Warnings() {
		out.Warnings = append(out.Warnings, inspectWarning{w.Layer, printablePath(w.Path), w.Name, w.Text})
	}
	return nil
}

func inspectText(d inspectDocument) string {
	rows := [][]string{{"reference", d.Reference}, {"digest", d.Digest}, {"media type", d.MediaType}}
	if len(d.Images) != 1 {
		text := columns(rows) + "\n\nimages\n"
		rows = [][]string{}
		for _, i := range d.Images {
			rows = append(rows, []string{i.Platform, i.Digest, size(i.StoredBytes), ""})
		}
		for _, o := range d.Others {
			rows = append(rows, []string{"-", o.Digest, "", o.Reason})
		}
		return text + columns(rows)
	}
	i := d.Images[0]
	rows = append(rows,
		[]string{"image", i.Digest},
		[]string{"config", i.ConfigDigest},
		[]string{"platform", i.Platform},
		[]string{"created", i.Created},
		[]string{"entrypoint", words(i.Config.Entrypoint)},
		[]string{"cmd", words(i.Config.Cmd)},
		[]string{"user", printablePath(i.Config.User)},
		[]string{"content", fmt.Sprintf("%s, layers %s as stored", size(i.Bytes), size(i.StoredBytes))},
		[]string{"entries", fmt.Sprint(i.Entries)},
		[]string{"packages", fmt.Sprint(i.Packages)})
	var b strings.Builder
	b.WriteString(columns(rows) + "\n\nlayers\n")
	rows = [][]string{{"", "digest", "stored", "unpacked", "", ""}}
	for n, l := range i.Layers {
		rows = append(rows, []string{fmt.Sprint(n), shortDigest(l.Digest), size(l.Size), size(l.Unpacked), l.Compression, printablePath(cut(l.CreatedBy, 60))})
	}
	b.WriteString(columns(rows))
	if len(i.Warnings) > 0 {
		b.WriteString("\n\nwarnings\n")
		rows = nil
		for _, w := range i.Warnings[:min(len(i.Warnings), maxWarnings)] {
			rows = append(rows, []string{w.Name, fmt.Sprintf("layer %d", w.Layer), w.Path, w.Text})
		}
		b.WriteString(columns(rows))
		if n := len(i.Warnings) - maxWarnings; n > 0 {
			fmt.Fprintf(&b, "\n  %d more with --json", n)
		}
	}
	return b.String()
}

// maxWarnings are shown to people; machines get all.
const maxWarnings = 50

// words is a command line; what would be taken for several is quoted.
func words(list []string) string {
	var out []string
	for _, w := range list {
		if strings.ContainsRune(w, ' ') {
			out = append(out, strconv.Quote(w))
		} else {
			out = append(out, printable(w))
		}
	}
	return strings.Join(out, " ")
}
