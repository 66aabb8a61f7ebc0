package docker

import (
	"fmt"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/engine"
)

// tmpfs are the mount options of an empty directory in dir's place: owner and
// mode of the image's, if those let the user write, else the user's and for
// everyone. Programs in it may run, as in a Kubernetes emptyDir.
//
// runc before 1.2 gives it the mode of what it covers, whatever is asked for;
// the owner is kept. podman before 5 takes no owner.
func tmpfs(s engine.Spec, dir string, podman bool) string {
	mode, uid, gid := uint32(0o1777), s.User.UID, s.User.GID
	if h := directory(s.Tree, dir); h != nil && writable(h, s.User) {
		mode, uid, gid = h.Mode, h.UID, h.GID
	}
	options := fmt.Sprintf("rw,exec,nosuid,nodev,mode=%o", mode)
	switch {
	case uid == 0 && gid == 0:
	case podman:
		options = "rw,exec,nosuid,nodev,mode=1777,U"
	default:
		options += fmt.Sprintf(",uid=%d,gid=%d", uid, gid)
	}
	return options
}

// directory is nil where the image has none.
func directory(t *layers.Tree, dir string) *layers.Header {
	if t == nil {
		return nil
	}
	r, err := t.Resolve(dir)
	if err != nil || r.Entry == nil || r.Entry.Type != layers.Directory {
		return nil
	}
	return &r.Entry.Header
}

// writable says that the user can make files in a directory.
func writable(h *layers.Header, user engine.Credential) bool {
	const w = 0o3 // write and search
	switch {
	case h.UID == user.UID:
		return h.Mode>>6&w == w
	case h.GID == user.GID || slices.Contains(user.Groups, h.GID):
		return h.Mode>>3&w == w
	}
	return h.Mode&w == w
}
