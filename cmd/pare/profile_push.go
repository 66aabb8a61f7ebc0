package main

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/pare-image/pare/attest"
	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/slim/profile"
)

type profilePushCommand struct {
	image  string
	files  []string
	json   bool
	source sourceFlags
}

func newProfilePushCommand(a *app) *cobra.Command {
	var c profilePushCommand
	cmd := &cobra.Command{
		Use:   "push IMAGE PROFILE...",
		Short: "attach profiles to the image that they are of",
		Long: `push stores profiles beside IMAGE, in its registry or OCI layout: each as an
artifact whose subject is the manifest of the platform it was recorded on. slim
without -p uses all that are attached. A profile of another image is refused
(exit 3), and so is one that does not say of which image it is.

The artifacts' references by digest are printed on stdout, one a line. A
profile that is attached already stays, once.`,
		Example: `  pare profile push registry.example/app:1.4 profile.json
  pare profile push oci:build:app monday.json tuesday.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("%s wants an image and a profile", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.image, c.files = args[0], args[1:]
			return runProfilePush(cmd.Context(), a, c)
		},
	}
	c.source.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

// profilePushDocument is the JSON of pare profile push.
type profilePushDocument struct {
	envelope
	Reference string          `json:"reference"` // of the image, as it was given
	Profiles  []pushedProfile `json:"profiles"`  // in the order in which they were given
}

type pushedProfile struct {
	Reference     string `json:"reference"` // of the artifact
	Digest        string `json:"digest"`
	ProfileDigest string `json:"profileDigest"`
	Subject       string `json:"subject"` // the digest of the image's manifest
	Platform      string `json:"platform"`
}

// attachment is a profile with its image and the artifact made of the two.
type attachment struct {
	*candidate
	profile  *profile.Profile
	artifact v1.Image
}

func runProfilePush(ctx context.Context, a *app, c profilePushCommand) error {
	ref, err := reference.Parse(c.image)
	if err != nil {
		return err
	}
	if err := reference.CheckAttach(ref); err != nil {
		return fmt.Errorf("attaching to %s: %w", ref, err)
	}
	places, err := a.places(&c.source)
	if err != nil {
		return err
	}
	src, err := a.open(ctx, c.image, &c.source, places)
	if err != nil {
		return err
	}
	defer src.Close()
	all, err := src.attachments(c.files) // all of them, before the first is pushed
	if err != nil {
		return err
	}
	doc := profilePushDocument{envelope: newEnvelope("profile.push"), Reference: ref.String(), Profiles: make([]pushedProfile, len(all))}
	a.term.draw("attaching to " + ref.String())
	err = pushAll(ctx, ref, all, places, doc.Profiles)
	a.term.endProgress()
	if err != nil {
		return err
	}
	return a.tellPushed(doc, c.json)
}

// attachments makes the artifacts of profiles.
func (o *opened) attachments(files []string) ([]attachment, error) {
	var out []attachment
	for _, name := range files {
		p, err := readProfile(name)
		if err != nil {
			return nil, err
		}
		i, err := o.imageOf(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(name), err)
		}
		artifact, err := attest.Profile(o.images[i].image, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(name), err)
		}
		out = append(out, attachment{&o.images[i], p, artifact})
	}
	return out, nil
}

// pushAll attaches image by image, as each has a list of its own, and fills
// in what came of it.
func pushAll(ctx context.Context, ref reference.Ref, all []attachment, places reference.Options, out []pushedProfile) error {
	byImage := map[*candidate][]int{}
	var order []*candidate
	for i, at := range all {
		if byImage[at.candidate] == nil {
			order = append(order, at.candidate)
		}
		byImage[at.candidate] = append(byImage[at.candidate], i)
	}
	for _, c := range order {
		var artifacts []v1.Image
		for _, i := range byImage[c] {
			artifacts = append(artifacts, all[i].artifact)
		}
		refs, err := reference.Attach(ctx, ref, c.id.Digest, artifacts, places)
		if err != nil {
			return err
		}
		for n, i := range byImage[c] {
			digest, err := all[i].profile.Digest()
			if err != nil {
				return err
			}
			out[i] = pushedProfile{
				Reference: refs[n].String(), Digest: artifactDigest(refs[n]), ProfileDigest: digest,
				Subject: c.id.Digest.String(), Platform: c.id.Platform,
			}
		}
	}
	return nil
}

func (a *app) tellPushed(doc profilePushDocument, asJSON bool) error {
	for _, p := range doc.Profiles {
		a.term.note("attached %s to %s (%s)", shortDigest(p.ProfileDigest), shortDigest(p.Subject), oneLine(p.Platform))
	}
	if asJSON {
		return a.term.json(doc)
	}
	for _, p := range doc.Profiles {
		if err := a.term.result("%s", p.Reference); err != nil {
			return err
		}
	}
	return nil
}
