package layers

import (
	"archive/tar"
	"math"
	"sort"
	"strings"
)

const (
	paxXattr = "SCHILY.xattr."
	// overlayXattrs belong to the overlay filesystem that made the layer: in
	// an image they would be read by the next one.
	overlayXattrs = "trusted.overlay."
	maxDevice     = 1<<21 - 1
)

var nodeTypes = map[byte]Type{
	tar.TypeReg: Regular, tar.TypeCont: Regular, tar.TypeDir: Directory, tar.TypeSymlink: Symlink,
	tar.TypeChar: CharDevice, tar.TypeBlock: BlockDevice, tar.TypeFifo: FIFO,
}

// header fills n from a tar header, every value as it stands there.
func (s *scan) header(n *Inode, name string, h *tar.Header) error {
	t, ok := nodeTypes[h.Typeflag]
	if !ok {
		return invalid("tar entry type %q is not read", h.Typeflag)
	}
	if h.Uid < 0 || h.Gid < 0 || uint64(h.Uid) > math.MaxUint32 || uint64(h.Gid) > math.MaxUint32 {
		return invalid("owner %d:%d is outside of 32 bits", h.Uid, h.Gid)
	}
	// What a tar header of ours could not hold; Linux has 12 and 20 bits.
	if h.Devmajor < 0 || h.Devminor < 0 || h.Devmajor > maxDevice || h.Devminor > maxDevice {
		return invalid("device number %d:%d", h.Devmajor, h.Devminor)
	}
	n.Header = Header{
		Type: t, Mode: uint32(h.Mode & 0o7777), UID: h.Uid, GID: h.Gid,
		ModTime: h.ModTime.UTC(), Xattrs: s.xattrs(name, h),
	}
	switch t {
	case Regular:
		n.Size = h.Size
	case Symlink:
		n.Linkname = h.Linkname
	case CharDevice, BlockDevice:
		n.Major, n.Minor = h.Devmajor, h.Devminor
	}
	return nil
}

func (s *scan) xattrs(name string, h *tar.Header) map[string]string {
	var m map[string]string
	var stripped []string
	for k, v := range h.PAXRecords {
		attr, ok := strings.CutPrefix(k, paxXattr)
		switch {
		case !ok || attr == "":
		case strings.HasPrefix(attr, overlayXattrs):
			stripped = append(stripped, attr)
		default:
			if m == nil {
				m = map[string]string{}
			}
			m[attr] = v
		}
	}
	sort.Strings(stripped)
	for _, attr := range stripped {
		s.warn("overlay-xattr", name, "%q belongs to a filesystem, not to the image: dropped", attr)
	}
	return m
}
