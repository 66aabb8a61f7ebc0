package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim"
)

// comparison is a slim root held against its source's and the plan.
type comparison struct {
	compared int
	// excluded counts what differs by right, by the reason that the plan has.
	excluded map[string]int
	errs     []error
}

// maxErrors bounds how much a broken comparison says.
const maxErrors = 20

func (c *comparison) fail(path, format string, args ...any) {
	if len(c.errs) == maxErrors {
		c.errs = append(c.errs, errors.New("and more"))
	}
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, fmt.Errorf("%q: %s", path, fmt.Sprintf(format, args...)))
	}
}

func (c *comparison) exclude(reason string) { c.excluded[reason]++ }

// String says what was compared and what was not, and why.
func (c *comparison) String() string {
	reasons := make([]string, 0, len(c.excluded))
	for r, n := range c.excluded {
		reasons = append(reasons, fmt.Sprintf("%d %s", n, r))
	}
	sort.Strings(reasons)
	return fmt.Sprintf("%d entries compared; excluded: %s", c.compared, strings.Join(reasons, ", "))
}

// compare holds every entry of the result against the source's entry of that
// path: type, mode, owner, xattrs, link text, device, mtime and content are
// equal, except what the plan lists.
func compare(before, after map[string]node, p *slim.Plan) *comparison {
	c := &comparison{excluded: map[string]int{}}
	generated := map[string]slim.File{}
	for _, g := range p.Generated {
		generated[g.Path] = g
	}
	owners := map[string]slim.Ownership{}
	for _, o := range p.Ownership {
		owners[o.Path] = o
	}
	for path, n := range after {
		if g, ok := generated[path]; ok {
			c.written(path, n, g)
			continue
		}
		src, ok := before[path]
		if !ok {
			c.fail(path, "is not in the source, and the plan does not say that pare writes it")
			continue
		}
		c.compared++
		if o, ok := owners[path]; ok {
			c.owner(path, src, n, o)
			src.uid, src.gid = n.uid, n.gid
		}
		c.entry(path, src, n)
	}
	c.links(before, after, generated)
	c.listed(before, after, generated, p)
	if c.compared == 0 {
		c.fail("/", "nothing was compared")
	}
	return c
}

func (c *comparison) entry(path string, src, n node) {
	if src.mode != n.mode {
		c.fail(path, "type and mode %o, in the source %o", n.mode, src.mode)
		return
	}
	if src.uid != n.uid || src.gid != n.gid {
		c.fail(path, "owner %d:%d, in the source %d:%d", n.uid, n.gid, src.uid, src.gid)
	}
	if src.xattrs != n.xattrs || src.link != n.link || src.rdev != n.rdev {
		c.fail(path, "xattrs, link or device %q %q %d, in the source %q %q %d", n.xattrs, n.link, n.rdev, src.xattrs, src.link, src.rdev)
	}
	// umoci itself changes directories' times when it unpacks a whiteout.
	if n.typ() != unix.S_IFDIR && src.mtime != n.mtime {
		c.fail(path, "mtime %d, in the source %d", n.mtime, src.mtime)
	}
	if n.typ() != unix.S_IFREG {
		return
	}
	was, err1 := src.content()
	is, err2 := n.content()
	if err := errors.Join(err1, err2); err != nil || was != is {
		c.fail(path, "other content than in the source (%v)", err)
	}
}

func (c *comparison) owner(path string, src, n node, o slim.Ownership) {
	c.exclude("owner: " + o.Reason.Rule)
	if int(src.uid) != o.OldUID || int(src.gid) != o.OldGID || int(n.uid) != o.UID || int(n.gid) != o.GID {
		c.fail(path, "owner %d:%d from %d:%d, the plan says %d:%d from %d:%d", n.uid, n.gid, src.uid, src.gid, o.UID, o.GID, o.OldUID, o.OldGID)
	}
}

// written holds what pare made itself against the plan, and against the rule
// that nothing becomes more writable.
func (c *comparison) written(path string, n node, g slim.File) {
	c.exclude("written by pare")
	mode, err := strconv.ParseUint(g.Mode, 8, 32)
	if err != nil || n.mode&0o7777 != uint32(mode) || int(n.uid) != g.UID || int(n.gid) != g.GID || n.xattrs != "" {
		c.fail(path, "mode and owner %o %d:%d, the plan says %s %d:%d", n.mode, n.uid, n.gid, g.Mode, g.UID, g.GID)
	}
	if n.mode&0o022 != 0 && n.mode&0o1000 == 0 {
		c.fail(path, "written by pare, and writable by others: %o", n.mode)
	}
	if n.typ() != unix.S_IFREG {
		return
	}
	b, err := os.ReadFile(n.file)
	if err != nil || !bytes.Equal(b, g.Content) {
		c.fail(path, "other content than in the plan (%v): %x", err, sha256.Sum256(b))
	}
}

// links wants the same hard-link groups, among what is kept.
func (c *comparison) links(before, after map[string]node, generated map[string]slim.File) {
	groups := func(nodes map[string]node) map[string]string {
		byInode := map[uint64][]string{}
		for path := range after {
			n, ok := nodes[path]
			if _, made := generated[path]; ok && !made && n.typ() != unix.S_IFDIR {
				byInode[n.inode] = append(byInode[n.inode], path)
			}
		}
		group := map[string]string{}
		for _, paths := range byInode {
			sort.Strings(paths)
			for _, p := range paths {
				group[p] = strings.Join(paths, " ")
			}
		}
		return group
	}
	was, is := groups(before), groups(after)
	for path, g := range is {
		if was[path] != g {
			c.fail(path, "is one file with [%s], in the source with [%s]", g, was[path])
		}
	}
}

// listed wants the plan to name what is there, and what is gone.
func (c *comparison) listed(before, after map[string]node, generated map[string]slim.File, p *slim.Plan) {
	kept, dropped := map[string]bool{}, map[string]bool{}
	for _, e := range p.Entries {
		kept[e.Path] = true
	}
	for _, d := range p.Dropped {
		dropped[d.Path] = true
	}
	for path := range after {
		if !kept[path] {
			c.fail(path, "is in the image and not among the plan's entries")
		}
	}
	for path := range kept {
		if _, ok := after[path]; !ok {
			c.fail(path, "is among the plan's entries and not in the image")
		}
	}
	for path := range before {
		_, still := after[path]
		if still == dropped[path] {
			c.fail(path, "kept is %v, but dropped in the plan is %v", still, dropped[path])
		}
	}
	for path := range dropped {
		if _, ok := before[path]; !ok {
			c.fail(path, "is dropped in the plan and not in the source")
		}
	}
}

// wholesale are the rules that keep files which nothing shows to be needed;
// the granularity "file" has no use for them.
var wholesale = map[string]bool{"app-dir": true, "package": true, "keep": true, "pip": true, "npm": true, "gem": true, "cpan": true, "composer": true, "reach-python": true, "reach-node": true}

// checkExplained wants, at granularity file, a reason for every byte: an
// access, a link, what an ELF file needs, a config field, a named group, or
// what pare always keeps. At the others, application directories are whole.
func checkExplained(p *slim.Plan) error {
	var bytes int64
	var paths []string
	for _, e := range p.Entries {
		explained := p.Options.Granularity != slim.GranularityFile
		for _, r := range e.Reasons {
			explained = explained || !wholesale[r.Rule]
		}
		if !explained {
			bytes += e.Size
			paths = append(paths, e.Path)
		}
	}
	if len(p.Entries) == 0 || len(paths) > 0 {
		return fmt.Errorf("%d of %d entries, %d bytes, are there without a need: %q", len(paths), len(p.Entries), bytes, paths)
	}
	return nil
}
