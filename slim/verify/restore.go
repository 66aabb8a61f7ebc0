package verify

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// pattern is a path as a pattern of pare slim (gitignore syntax) that
// matches it alone. A byte that is not UTF-8 is written "?".
func pattern(p string) string {
	var b strings.Builder
	for i, r := range p {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(p[i:], string(utf8.RuneError)):
			b.WriteByte('?')
		case strings.ContainsRune(`*?[]\`, r), r == ' ' && i == len(p)-1:
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// shellWord quotes a word for a shell, where it has to be.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:,@%=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		q := strconv.Quote(s)
		return "$'" + strings.NewReplacer(`\"`, `"`, `'`, `\'`).Replace(q[1:len(q)-1]) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func sortedUnique[T cmp.Ordered](l []T) []T {
	l = slices.Clone(l)
	slices.Sort(l)
	return slices.Compact(l)
}
