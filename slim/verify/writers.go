package verify

import (
	"fmt"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// recorded are the users that a recording ran as; none when it does not say.
type recorded []profile.User

func writers(p *profile.Profile) recorded {
	who := append(recorded(nil), p.Users...)
	for _, s := range p.Sessions {
		var u profile.User
		if n, err := fmt.Sscanf(s.User, "%d:%d", &u.UID, &u.GID); n != 2 || err != nil {
			return nil
		}
		who = append(who, u)
	}
	return who
}

// could says whether one of them may have made the change: a sensor records
// attempts, and one that every user is forbidden in the image came to nothing.
// Groups are given the benefit of the doubt: supplementary ones are not known.
func (who recorded) could(t *layers.Tree, c change) bool {
	dir, ok := t.Lookup(c.dir)
	if !ok || len(who) == 0 {
		return true
	}
	for _, u := range who {
		if u.UID == 0 || mayWrite(dir, u) {
			return true
		}
		if f, ok := t.Lookup(c.itself); ok && f.Type == layers.Regular && mayWrite(f, u) {
			return true
		}
	}
	return false
}

func mayWrite(e *layers.Entry, u profile.User) bool {
	return u.UID == e.UID || e.Mode&0o022 != 0
}
