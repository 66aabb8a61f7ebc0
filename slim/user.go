package slim

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/pare-image/pare/layers"
	files "github.com/pare-image/pare/layers/accounts"
	"github.com/pare-image/pare/slim/onbase"
	"github.com/pare-image/pare/slim/profile"
)

// User is who the slim image runs as.
type User struct {
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	Groups []int  `json:"groups,omitempty"` // supplementary, by the group file; "UID:GID" gets none from docker
	Name   string `json:"name,omitempty"`
	Home   string `json:"home"`
	From   string `json:"from"` // how it was decided, for people
	// Added says that passwd or group got a line for it.
	Added bool `json:"added,omitempty"`
}

// nobodyElse is the user and group of images that never said one: the number
// that distroless images use.
const nobodyElse = 65532

// accounts is what passwd and group say.
type accounts struct {
	users  []account
	groups []account
	passwd []byte
	group  []byte
	// What a base has of them, merged into the above; nil for none.
	basePasswd, baseGroup []byte
}

type account struct {
	name    string
	id, gid int
	home    string
	members []string
}

func (s *selection) readAccounts() (accounts, error) {
	var a accounts
	var err error
	if a.passwd, err = readAccountFile(s.tree, passwdFile); err != nil {
		return a, err
	}
	if a.group, err = readAccountFile(s.tree, groupFile); err != nil {
		return a, err
	}
	if err := s.mergeAccounts(&a); err != nil {
		return a, err
	}
	for _, f := range colonLines(a.passwd, 7) {
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err1 == nil && err2 == nil && isID(uid) && isID(gid) {
			a.users = append(a.users, account{name: f[0], id: uid, gid: gid, home: f[5]})
		}
	}
	for _, f := range colonLines(a.group, 4) {
		if gid, err := strconv.Atoi(f[2]); err == nil && isID(gid) {
			a.groups = append(a.groups, account{name: f[0], id: gid, members: strings.Split(f[3], ",")})
		}
	}
	return a, nil
}

// mergeAccounts makes one of the base's accounts and the source's.
func (s *selection) mergeAccounts(a *accounts) error {
	if s.base == nil {
		return nil
	}
	var err error
	if a.basePasswd, err = readAccountFile(s.base.Tree, passwdFile); err != nil {
		return fmt.Errorf("of the base: %w", err)
	}
	if a.baseGroup, err = readAccountFile(s.base.Tree, groupFile); err != nil {
		return fmt.Errorf("of the base: %w", err)
	}
	var users, groups []onbase.Finding
	a.passwd, users = onbase.MergeAccounts(files.Passwd, a.basePasswd, a.passwd)
	a.group, groups = onbase.MergeAccounts(files.Group, a.baseGroup, a.group)
	for _, f := range append(users, groups...) {
		s.finding(Finding{Name: f.Name, Severity: Severity(f.Severity), Path: f.Path, Text: f.Text, Next: f.Next})
	}
	return nil
}

// isID says whether runtimes take a number as a user or group: those of
// runc are from 0 to 2147483647.
func isID(n int) bool { return n >= 0 && n <= math.MaxInt32 }

// readAccountFile gives nil for a file that is not there. One that cannot be
// read is an error, or it would be replaced by one that lacks its users.
func readAccountFile(t *layers.Tree, name string) ([]byte, error) {
	r, err := t.Resolve(name)
	if err != nil {
		return nil, nil //nolint:nilerr // absent is no error
	}
	if r.Entry.Type != layers.Regular {
		return nil, fmt.Errorf("%s of the image is a %s, not a file", name, r.Entry.Type)
	}
	b, err := t.ReadContent(r.Entry.Inode, maxRead)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}

func colonLines(b []byte, fields int) [][]string {
	var out [][]string
	for line := range strings.Lines(string(b)) {
		if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) == fields {
			out = append(out, f)
		}
	}
	return out
}

func find(list []account, match func(account) bool) (account, bool) {
	for _, a := range list {
		if match(a) {
			return a, true
		}
	}
	return account{}, false
}

func (a accounts) byID(uid int) (account, bool) {
	return find(a.users, func(u account) bool { return u.id == uid })
}

func (a accounts) groupByID(gid int) (account, bool) {
	return find(a.groups, func(g account) bool { return g.id == gid })
}

// decideUser says who the image runs as: the option, the config's user as a
// number, the user that the workload dropped to, or a new one.
func (s *selection) decideUser() (User, error) {
	u, err := s.chooseUser(s.accounts)
	if err != nil {
		return u, err
	}
	s.describeUser(&u, s.accounts)
	return u, nil
}

func (s *selection) chooseUser(a accounts) (User, error) {
	if s.options.User != "" {
		u, err := parseUser(s.options.User, a, true)
		u.From = "asked for"
		return u, err
	}
	if s.config.user != "" {
		u, err := parseUser(s.config.user, a, false)
		if err != nil {
			return u, err
		}
		if u.UID != 0 {
			u.From = fmt.Sprintf("the image's user %q", s.config.user)
			return u, nil
		}
	}
	if u, ok := s.droppedTo(a); ok {
		return u, nil
	}
	if u, ok := baseUser(a); ok {
		return u, nil
	}
	taken := map[int]bool{}
	for _, x := range slices.Concat(a.users, a.groups) {
		taken[x.id] = true
	}
	id := nobodyElse
	for taken[id] {
		id++
	}
	return User{UID: id, GID: id, From: "the image ran as root, and the recorded workload switched to no other user"}, nil
}

// baseUser is the user that bases have for programs that need no other.
func baseUser(a accounts) (User, bool) {
	for _, f := range colonLines(a.basePasswd, 7) {
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err1 == nil && err2 == nil && uid == nobodyElse && isID(gid) && f[0] == "nonroot" {
			return User{UID: uid, GID: gid, From: "the base's nonroot: the image ran as root, and the recorded workload switched to no other user"}, true
		}
	}
	return User{}, false
}

// droppedTo is the one user without privilege that the workload switched to.
func (s *selection) droppedTo(a accounts) (User, bool) {
	var to []profile.User
	for _, u := range s.profile.Users {
		switch last := len(to) - 1; {
		case u.UID == 0, !isID(u.UID), !isID(u.GID):
		case last < 0 || to[last].UID != u.UID:
			to = append(to, u)
		case to[last].GID == 0:
			to[last] = u // its group was changed after its user
		}
	}
	if len(to) > 1 {
		s.finding(Finding{
			Name: FindingSeveralUsers, Severity: SeverityWarning,
			Text: fmt.Sprintf("the workload switched to %d users; one process tree without privilege can be one", len(to)),
			Next: "choose with --user UID:GID",
		})
	}
	if len(to) != 1 {
		return User{}, false
	}
	u := User{UID: to[0].UID, GID: to[0].GID, From: "the user that the recorded workload dropped to"}
	if acc, ok := a.byID(u.UID); ok && u.GID == 0 {
		u.GID = acc.gid
	}
	return u, true
}

// parseUser reads "user[:group]", names or numbers; with numeric, numbers only.
func parseUser(text string, a accounts, numeric bool) (User, error) {
	user, group, hasGroup := strings.Cut(text, ":")
	u := User{}
	uid, err := strconv.Atoi(user)
	acc, known := find(a.users, func(x account) bool { return x.name == user || err == nil && x.id == uid })
	switch {
	case err == nil && isID(uid):
		u.UID = uid
	case known && !numeric:
		u.UID = acc.id
	case numeric:
		return u, fmt.Errorf("%w: user %q; want numbers, UID:GID", ErrRules, text)
	default:
		return u, fmt.Errorf("%w: the image's user %q is not in its %s; choose with --user UID:GID", ErrRules, text, passwdFile)
	}
	if known {
		u.GID = acc.gid
	}
	if !hasGroup {
		return u, nil
	}
	gid, err := strconv.Atoi(group)
	g, known := find(a.groups, func(x account) bool { return x.name == group })
	switch {
	case err == nil && isID(gid):
		u.GID = gid
	case known && !numeric:
		u.GID = g.id
	default:
		return u, fmt.Errorf("%w: group of user %q is not known", ErrRules, text)
	}
	return u, nil
}

// describeUser fills in name, groups and home.
func (s *selection) describeUser(u *User, a accounts) {
	acc, known := a.byID(u.UID)
	u.Name, u.Home = acc.name, acc.home
	for _, g := range a.groups {
		for _, m := range g.members {
			if known && m == acc.name && g.id != u.GID {
				u.Groups = append(u.Groups, g.id)
			}
		}
	}
	if u.UID == 0 {
		u.Name = "root" // whatever passwd says, or lacks
		return
	}
	if !known {
		u.Name, u.Home = "nonroot", s.recordedHome()
		if _, taken := find(a.users, func(x account) bool { return x.name == "nonroot" }); taken {
			u.Name = "u" + strconv.Itoa(u.UID)
		}
	}
	_, knownGroup := a.groupByID(u.GID)
	u.Added = !known || !knownGroup
}

// recordedHome is the home directory in which the workload was seen to use
// files; "/" when there is none.
func (s *selection) recordedHome() string {
	homes := s.profile.Home
	if root, ok := s.accounts.byID(0); ok && len(homes) == 0 {
		homes = []string{root.home}
	}
	for _, h := range homes {
		if strings.ContainsAny(h, ":\n") {
			continue // no home that passwd can name
		}
		res, err := s.tree.Resolve(h)
		if err != nil || res.Entry.Type != layers.Directory || res.Entry.Path == "/" {
			continue
		}
		if s.firstTouched(func(p string) bool { return strings.HasPrefix(p, res.Entry.Path+"/") }) != "" {
			return h
		}
	}
	return "/"
}

// accountFiles are passwd and group with the user's lines, when they lack
// them; on a base, when they are not as it has them.
func (u User) accountFiles(a accounts) []Generated {
	out := u.added(a)
	for _, f := range []struct {
		path         string
		merged, base []byte
	}{{passwdFile, a.passwd, a.basePasswd}, {groupFile, a.group, a.baseGroup}} {
		done := slices.ContainsFunc(out, func(g Generated) bool { return g.Path == f.path })
		if f.base != nil && !done && !bytes.Equal(f.merged, f.base) {
			out = append(out, generatedText(f.path, f.merged, Reason{Rule: "merged", From: f.path}))
		}
	}
	return out
}

// added are the files that get a line.
func (u User) added(a accounts) []Generated {
	var out []Generated
	if u.UID == 0 {
		return nil
	}
	r := Reason{Rule: "user", From: "option:user", Note: u.From}
	if _, ok := a.byID(u.UID); !ok {
		base := a.passwd
		if base == nil {
			base = []byte("root:x:0:0:root:/root:/sbin/nologin\n")
		}
		line := fmt.Sprintf("%s:x:%d:%d:%s:%s:/sbin/nologin\n", u.Name, u.UID, u.GID, u.Name, u.Home)
		out = append(out, generatedText(passwdFile, appendLine(base, line), r))
	}
	if _, ok := a.groupByID(u.GID); !ok {
		base := a.group
		if base == nil {
			base = []byte("root:x:0:\n")
		}
		name := u.Name
		if _, taken := find(a.groups, func(x account) bool { return x.name == name }); taken {
			name = "g" + strconv.Itoa(u.GID)
		}
		out = append(out, generatedText(groupFile, appendLine(base, fmt.Sprintf("%s:x:%d:\n", name, u.GID)), r))
	}
	return out
}

func appendLine(b []byte, line string) []byte {
	b = bytes.Clone(b)
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	return append(b, line...)
}
