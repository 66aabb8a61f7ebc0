package slim

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// pattern is one line of gitignore(5) syntax, over absolute paths.
type pattern struct {
	text     string
	segments []string // "**" is any number of directories
	negated  bool
	dirOnly  bool
	ending   string // with which the last component of a match must end
}

// patterns are the user's rules: what to keep, and what to drop whoever
// keeps it.
type patterns struct {
	keep, drop         []pattern
	keepDirs, dropDirs above
}

// maxPatterns bounds the user's rules: each is tried on every path.
const maxPatterns = 10_000

// parsePatterns reads --keep, --drop and the rules file, of which each line
// is "keep PATTERN" or "drop PATTERN"; empty lines and those that start with
// "#" are comments.
func parsePatterns(o Options) (*patterns, error) {
	ps := &patterns{keepDirs: above{}, dropDirs: above{}}
	add := func(list *[]pattern, text, where string) error {
		p, err := parsePattern(text)
		if err != nil {
			return fmt.Errorf("%w: %s: %v", ErrRules, where, err)
		}
		*list = append(*list, p)
		return nil
	}
	for _, text := range o.Keep {
		if err := add(&ps.keep, text, "keep pattern"); err != nil {
			return nil, err
		}
	}
	for _, text := range o.Drop {
		if err := add(&ps.drop, text, "drop pattern"); err != nil {
			return nil, err
		}
	}
	n := 0
	for line := range strings.Lines(o.Rules) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		end := strings.IndexAny(line+" ", " \t")
		verb, text := line[:end], line[end:]
		where := fmt.Sprintf("rules file, line %d", n)
		list := map[string]*[]pattern{"keep": &ps.keep, "drop": &ps.drop}[verb]
		if list == nil {
			return nil, fmt.Errorf("%w: %s: %q; want keep PATTERN or drop PATTERN", ErrRules, where, verb)
		}
		if err := add(list, strings.TrimSpace(text), where); err != nil {
			return nil, err
		}
	}
	if len(ps.keep)+len(ps.drop) > maxPatterns {
		return nil, fmt.Errorf("%w: more than %d patterns", ErrRules, maxPatterns)
	}
	return ps, nil
}

func parsePattern(text string) (pattern, error) {
	p := pattern{text: text}
	body, negated := strings.CutPrefix(text, "!")
	p.negated = negated
	if body, p.dirOnly = strings.CutSuffix(body, "/"); body == "" {
		return p, fmt.Errorf("an empty pattern %q", text)
	}
	anchored := strings.Contains(body, "/")
	p.segments = strings.Split(strings.TrimPrefix(body, "/"), "/")
	if !anchored {
		p.segments = append([]string{"**"}, p.segments...)
	}
	for _, s := range p.segments {
		if s == "" || s == "." || s == ".." {
			return p, fmt.Errorf("pattern %q has an empty, \".\" or \"..\" component", text)
		}
		if _, err := path.Match(s, ""); err != nil {
			return p, fmt.Errorf("pattern %q: %w", text, err)
		}
	}
	p.ending = literalEnding(p.segments[len(p.segments)-1])
	return p, nil
}

// literalEnding is what follows the last "*" of a segment without other
// special characters; "" where a match may end in anything.
func literalEnding(segment string) string {
	if strings.ContainsAny(segment, `?[\\`) {
		return ""
	}
	return segment[strings.LastIndexByte(segment, '*')+1:]
}

// match says whether the path, given in components, is the pattern's.
func (p *pattern) match(parts []string, dir bool) bool {
	if p.dirOnly && !dir {
		return false
	}
	if !strings.HasSuffix(parts[len(parts)-1], p.ending) {
		return false // what most paths and patterns come to
	}
	return matchSegments(p.segments, parts)
}

// matchSegments goes back to the last "**" alone: what an earlier one takes
// more of, the last can take too.
func matchSegments(segments, parts []string) bool {
	i, j := 0, 0
	star, from := -1, 0
	for j < len(parts) {
		switch {
		case i < len(segments) && segments[i] == "**":
			star, from = i, j
			if i++; i == len(segments) {
				return true
			}
		case i < len(segments) && matchSegment(segments[i], parts[j]):
			i++
			j++
		case star < 0:
			return false
		default:
			from++
			i, j = star+1, from
		}
	}
	return i == len(segments)
}

func matchSegment(segment, part string) bool {
	ok, err := path.Match(segment, part)
	return ok && err == nil
}

// above remembers, of directories, which pattern takes them or one above.
type above map[string]int

// last returns the text of the last pattern that takes the path or a
// directory above it; false when that one is negated or there is none.
func last(list []pattern, seen above, p string, dir bool) (string, bool) {
	i := lastIndex(list, seen, p, dir)
	if i < 0 {
		return "", false
	}
	return list[i].text, !list[i].negated
}

func lastIndex(list []pattern, seen above, p string, dir bool) int {
	if len(list) == 0 || p == "/" {
		return -1
	}
	parent := parentOf(p)
	base, ok := seen[parent]
	if !ok {
		base = lastIndex(list, seen, parent, true)
		seen[parent] = base
	}
	parts := strings.Split(p[1:], "/")
	for i := len(list) - 1; i > base; i-- {
		if list[i].match(parts, dir) {
			return i
		}
	}
	return base
}

func (ps *patterns) keeping() bool { return len(ps.keep) > 0 }

func (ps *patterns) keeps(p string, dir bool) (string, bool) {
	return last(ps.keep, ps.keepDirs, p, dir)
}

func (ps *patterns) drops(p string, dir bool) bool {
	_, ok := last(ps.drop, ps.dropDirs, p, dir)
	return ok
}

// unused are the texts of the patterns that match no path of the tree.
func (ps *patterns) unused(t *layers.Tree) []string {
	var left []*pattern
	for _, list := range [][]pattern{ps.keep, ps.drop} {
		for i := range list {
			left = append(left, &list[i])
		}
	}
	for e := range t.All() {
		if len(left) == 0 {
			return nil
		}
		if e.Path == "/" {
			continue
		}
		parts := strings.Split(e.Path[1:], "/")
		left = slices.DeleteFunc(left, func(p *pattern) bool { return p.match(parts, e.Type == layers.Directory) })
	}
	var out []string
	for _, p := range left {
		out = append(out, p.text)
	}
	return out
}
