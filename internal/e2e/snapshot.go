package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// node is one path of an unpacked image, as the kernel shows it. It is read
// without pare's own packages, so that their mistakes can show.
type node struct {
	mode     uint32 // type and permission bits
	uid, gid uint32
	mtime    int64 // nanoseconds
	rdev     uint64
	inode    uint64
	link     string
	xattrs   string // sorted NAME=VALUE
	file     string // on the host
}

func (n node) typ() uint32 { return n.mode & unix.S_IFMT }

// unpack extracts an image with umoci and returns its root directory.
func (b *bed) unpack(ctx context.Context, layout, tag, name string) (root string, err error) {
	dir, err := b.scratch(filepath.Join("bundle", name))
	if err != nil {
		return "", err
	}
	bundle := filepath.Join(dir, "bundle")
	_, err = output(ctx, "umoci", "unpack", "--image", layout+":"+tag, bundle)
	return filepath.Join(bundle, "rootfs"), err
}

// discardUnpacked frees what unpack wrote: some gigabytes an app.
func (b *bed) discardUnpacked() error {
	return os.RemoveAll(filepath.Join(b.run, "bundle"))
}

// snapshot reads every path below root; "/" is root itself.
func snapshot(root string) (map[string]node, error) {
	nodes := map[string]node{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n, err := readNode(file)
		nodes["/"+strings.TrimPrefix(strings.TrimPrefix(file, root), "/")] = n
		return err
	})
	return nodes, err
}

func readNode(file string) (node, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return node{}, err
	}
	st := info.Sys().(*syscall.Stat_t)
	n := node{mode: st.Mode, uid: st.Uid, gid: st.Gid, mtime: st.Mtim.Nano(), rdev: st.Rdev, inode: st.Ino, file: file}
	if n.typ() == unix.S_IFLNK {
		if n.link, err = os.Readlink(file); err != nil {
			return n, err
		}
	}
	n.xattrs, err = readXattrs(file)
	return n, err
}

func readXattrs(file string) (string, error) {
	size, err := unix.Llistxattr(file, nil)
	if err != nil || size == 0 {
		return "", err
	}
	buf := make([]byte, size)
	if size, err = unix.Llistxattr(file, buf); err != nil {
		return "", err
	}
	var out []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:size]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(file, name, value)
		if err != nil {
			return "", fmt.Errorf("reading %s of %s: %w", name, file, err)
		}
		out = append(out, fmt.Sprintf("%s=%x", name, value[:n]))
	}
	sort.Strings(out)
	return strings.Join(out, " "), nil
}

// content is a regular file's digest.
func (n node) content() (string, error) {
	f, err := os.Open(n.file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return string(h.Sum(nil)), err
}

// resolve follows symlinks inside the root, in all but the last part of path;
// "" when the path leads nowhere.
func resolve(nodes map[string]node, path string) string {
	done, rest := "", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = strings.TrimSuffix(filepath.Dir("/"+done), "/")
			continue
		}
		next := done + "/" + part
		n, ok := nodes[next]
		if !ok {
			return ""
		}
		if n.typ() != unix.S_IFLNK || len(rest) == 0 {
			done = next
			continue
		}
		if links++; links > 40 {
			return ""
		}
		if strings.HasPrefix(n.link, "/") {
			done = ""
		}
		rest = append(strings.Split(n.link, "/"), rest...)
	}
	return "/" + strings.TrimPrefix(done, "/")
}
