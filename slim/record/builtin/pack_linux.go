package builtin

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pare-image/pare/layers"
)

// unpackTree writes all files of a tree into an empty directory. Where ids
// are mapped, that takes a process that has the maps.
func unpackTree(ctx context.Context, id identity, tree *layers.Tree, dir string) (unpacked, error) {
	var nodes []*layers.Inode
	for e := range tree.All() {
		nodes = append(nodes, e.Inode)
	}
	if err := tree.Prefetch(ctx, nodes); err != nil {
		return unpacked{}, err
	}
	conn, theirs, err := socketPair()
	if err != nil {
		return unpacked{}, err
	}
	defer conn.Close()
	cmd, err := launch{role: roleUnpack, id: id, dir: dir, files: []*os.File{theirs}}.start()
	theirs.Close()
	if err != nil {
		return unpacked{}, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	sent := pack(tree, conn)
	var answer unpacked
	err = receive(conn, &answer)
	conn.Close()
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case answer.Err != "": // the cause, where sending failed too
		err = errors.New(answer.Err)
	default:
		err = errors.Join(sent, err, ended)
	}
	if err != nil {
		return answer, fmt.Errorf("unpacking the image into %s: %w", dir, err)
	}
	return answer, nil
}

// pack sends all files, and then the end.
func pack(tree *layers.Tree, to io.Writer) error {
	w := bufio.NewWriterSize(to, 1<<20)
	out := gob.NewEncoder(w)
	buf := make([]byte, 256<<10)
	for _, o := range tree.Outputs(nil) {
		if err := packOne(w, out, o, buf); err != nil {
			return fmt.Errorf("sending %q: %w", o.Path, err)
		}
	}
	if err := out.Encode(packed{}); err != nil {
		return err
	}
	return w.Flush()
}

func packOne(w io.Writer, out *gob.Encoder, o layers.Output, buf []byte) error {
	if err := out.Encode(packed{Path: o.Path, Header: o.Header, LinkTo: o.LinkTo}); err != nil {
		return err
	}
	if o.LinkTo != "" || o.Type != layers.Regular {
		return nil
	}
	content, err := o.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, content, buf)
	if err == nil && n != o.Size {
		err = fmt.Errorf("%d bytes of content, want %d", n, o.Size)
	}
	return err
}
