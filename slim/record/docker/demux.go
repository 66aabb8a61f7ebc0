package docker

import (
	"encoding/binary"
	"fmt"
	"io"
)

// demux copies a stream in which the daemon has woven stdout and stderr
// together: frames of {stream, 0, 0, 0, length big-endian} and so many bytes.
// (Docker Engine API, "ContainerAttach", "Stream format".) It ends without an
// error at the end of a frame.
func demux(r io.Reader, stdout, stderr io.Writer) error {
	var head [8]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the output of the container: %w", err)
		}
		var w io.Writer
		switch head[0] {
		case 0, 1: // 0 is stdin, which daemons write as stdout
			w = stdout
		case 2:
			w = stderr
		case 3:
			return daemonSays(r, binary.BigEndian.Uint32(head[4:]))
		default:
			return fmt.Errorf("reading the output of the container: stream %d of the daemon's answer is unknown", head[0])
		}
		n := int64(binary.BigEndian.Uint32(head[4:]))
		if _, err := io.CopyN(w, r, n); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("reading the output of the container: %w", err)
		}
	}
}

// daemonSays reads the daemon's own words, that something went wrong.
func daemonSays(r io.Reader, n uint32) error {
	b, _ := io.ReadAll(io.LimitReader(r, int64(min(n, 4096))))
	return fmt.Errorf("reading the output of the container: the daemon says: %s", printable(string(b)))
}

// head keeps the first so many bytes that are written and drops the rest.
type head struct {
	b    []byte
	room int
}

func (h *head) Write(p []byte) (int, error) {
	keep := min(h.room, len(p))
	h.b = append(h.b, p[:keep]...)
	h.room -= keep
	return len(p), nil
}
