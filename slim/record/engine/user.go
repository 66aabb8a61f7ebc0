package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/pare-image/pare/layers"
)

// maxAccounts bounds a passwd or group file, in bytes.
const maxAccounts = 4 << 20

// Identity is a user as a runtime sees it.
type Identity struct {
	Credential
	Home string // "/" for a user without an entry
}

// LookupUser resolves an image's User, "user[:group]" by name or number, in
// the image's passwd and group files, as runc and docker do
// (github.com/moby/sys/user, GetExecUser): "" is user 0; a number need not
// have an entry; without a group it is the entry's, and the groups that list
// the user's name are the supplementary ones; with a group there are none.
// The group itself is always among them, as docker has it since 20.10.18.
func LookupUser(tree *layers.Tree, text string) (Identity, error) {
	passwd, err := readAccounts(tree, "/etc/passwd", 6)
	if err != nil {
		return Identity{}, err
	}
	groups, err := readAccounts(tree, "/etc/group", 4)
	if err != nil {
		return Identity{}, err
	}
	user, group, _ := strings.Cut(text, ":")
	id, name, err := findUser(passwd, user)
	if err != nil {
		return id, err
	}
	if group == "" {
		id.Groups = groupsOf(groups, name)
	} else if id.GID, err = findGroup(groups, group); err != nil {
		return id, err
	}
	id.Groups = append(id.Groups, id.GID)
	slices.Sort(id.Groups)
	id.Groups = slices.Compact(id.Groups)
	return id, nil
}

func findUser(passwd [][]string, user string) (Identity, string, error) {
	if user == "" {
		user = "0"
	}
	want, isNumber := number(user)
	for _, f := range passwd {
		uid, ok1 := number(f[2])
		gid, ok2 := number(f[3])
		if !ok1 || !ok2 || isNumber && uid != want || !isNumber && f[0] != user {
			continue
		}
		home := f[5]
		if home == "" {
			home = "/"
		}
		return Identity{Credential{UID: uid, GID: gid}, home}, f[0], nil
	}
	if !isNumber {
		return Identity{}, "", fmt.Errorf("the image's user %q has no entry in its /etc/passwd", user)
	}
	return Identity{Credential{UID: want}, "/"}, "", nil
}

func findGroup(groups [][]string, group string) (int, error) {
	if n, ok := number(group); ok {
		return n, nil
	}
	for _, f := range groups {
		if n, ok := number(f[2]); ok && f[0] == group {
			return n, nil
		}
	}
	return 0, fmt.Errorf("the image's group %q has no entry in its /etc/group", group)
}

// groupsOf are the groups that list a user's name among their members.
func groupsOf(groups [][]string, name string) []int {
	var out []int
	for _, f := range groups {
		if n, ok := number(f[2]); ok && name != "" && slices.Contains(strings.Split(f[3], ","), name) {
			out = append(out, n)
		}
	}
	return out
}

// number reads a user or group id: runc's are from 0 to 2147483647.
func number(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && n <= math.MaxInt32
}

// readAccounts returns the lines of a passwd or group file that have that
// many fields; none when the image has no such file.
func readAccounts(tree *layers.Tree, name string, fields int) ([][]string, error) {
	r, err := tree.Resolve(name)
	if err != nil {
		return nil, nil //nolint:nilerr // absent is no error
	}
	if r.Entry.Type != layers.Regular {
		return nil, fmt.Errorf("%s of the image is a %s, not a file", name, r.Entry.Type)
	}
	b, err := tree.ReadContent(r.Entry.Inode, maxAccounts)
	if err != nil {
		return nil, fmt.Errorf("reading %s of the image: %w", name, err)
	}
	var out [][]string
	for line := range strings.Lines(string(b)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) >= fields {
			out = append(out, f)
		}
	}
	return out, nil
}
