package probe

import (
	"html"
	"regexp"
	"strings"
)

// maxLinks bounds what one page contributes.
const maxLinks = 2000

// links finds what a page refers to, in document order: href, src, srcset,
// poster, data of objects, action of forms that GET, url() of styles, the
// target of a refresh. base is the href of the first base element, "" without.
//
// It is a tokenizer of tags, not a parser: it knows comments, quoted values,
// character references, and elements whose content is text (HTML, 13.2.5).
// Scripts are not looked into.
func links(page string) (found []string, base string) {
	for len(page) > 0 && len(found) < maxLinks {
		var t tag
		if t, page = nextTag(page); t.name == "" {
			continue
		}
		if t.name == "base" { // the first counts
			if base == "" {
				base = t.attr("href")
			}
			continue
		}
		found = append(found, t.links()...)
		if text, rest, ok := rawText(t.name, page); ok {
			if t.name == "style" {
				found = append(found, cssLinks(text)...)
			}
			page = rest
		}
	}
	return found[:min(len(found), maxLinks)], base
}

// tag is a start tag; names in lower case, values decoded, first one counts.
type tag struct {
	name  string
	attrs []attr
}

type attr struct{ name, value string }

func (t tag) attr(name string) string {
	for _, a := range t.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

func (t tag) links() []string {
	if m := t.attr("data-method") + t.attr("method"); m != "" && !strings.EqualFold(m, "get") {
		return nil
	}
	var out []string
	for _, a := range t.attrs {
		switch a.name {
		case "href", "src", "poster", "action", "xlink:href":
			out = append(out, a.value)
		case "data":
			if t.name == "object" {
				out = append(out, a.value)
			}
		case "srcset", "imagesrcset":
			out = append(out, srcset(a.value)...)
		case "style":
			out = append(out, cssLinks(a.value)...)
		case "content":
			if _, target, ok := strings.Cut(a.value, "="); ok && strings.EqualFold(t.attr("http-equiv"), "refresh") {
				out = append(out, strings.Trim(target, ` '"`))
			}
		}
	}
	return out
}

const space = " \t\n\r\f"

// nextTag reads up to and with the next start tag. Comments, declarations and
// end tags give a tag without a name.
func nextTag(page string) (t tag, rest string) {
	i := strings.IndexByte(page, '<')
	if i < 0 || i+1 == len(page) {
		return t, ""
	}
	rest = page[i+1:]
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "!--"):
		return t, after(rest[3:], "-->")
	case c == '!' || c == '?' || c == '/':
		return t, after(rest, ">")
	case c|0x20 < 'a' || c|0x20 > 'z':
		return t, rest
	}
	n := indexAny(rest, space+"/>")
	t.name, rest = strings.ToLower(rest[:n]), rest[n:]
	for {
		rest = strings.TrimLeft(rest, space+"/")
		if rest == "" || rest[0] == '>' {
			return t, strings.TrimPrefix(rest, ">")
		}
		var a attr
		a, rest = nextAttr(rest)
		if len(t.attrs) < 64 {
			t.attrs = append(t.attrs, a)
		}
	}
}

// nextAttr reads one attribute; s begins with its name.
func nextAttr(s string) (a attr, rest string) {
	n := 1 + indexAny(s[1:], space+"/>=")
	a.name, rest = strings.ToLower(s[:n]), strings.TrimLeft(s[n:], space)
	if !strings.HasPrefix(rest, "=") {
		return a, rest
	}
	rest = strings.TrimLeft(rest[1:], space)
	if rest == "" {
		return a, rest
	}
	if q := rest[0]; q == '"' || q == '\'' {
		value, behind, _ := strings.Cut(rest[1:], string(q))
		a.value, rest = value, behind
	} else {
		n := indexAny(rest, space+">")
		a.value, rest = rest[:n], rest[n:]
	}
	a.value = html.UnescapeString(a.value)
	return a, rest
}

// rawText cuts off the content of an element in which nothing is a tag.
func rawText(name, page string) (text, rest string, ok bool) {
	switch name {
	case "script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes":
	default:
		return "", page, false
	}
	for at := 0; ; {
		i := strings.Index(page[at:], "</")
		if i < 0 {
			return page, "", true
		}
		at += i
		if end := at + 2 + len(name); end <= len(page) && strings.EqualFold(page[at+2:end], name) {
			return page[:at], page[at:], true
		}
		at += 2
	}
}

func after(s, mark string) string {
	_, rest, _ := strings.Cut(s, mark)
	return rest
}

// indexAny is the index of the first of chars, or the length.
func indexAny(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

// srcset lists the addresses of "a.png 1x, b.png 2x".
func srcset(value string) []string {
	var out []string
	for candidate := range strings.SplitSeq(value, ", ") {
		if f := strings.Fields(candidate); len(f) > 0 {
			out = append(out, strings.Trim(f[0], ","))
		}
	}
	return out
}

var (
	cssComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	cssURL     = regexp.MustCompile(`(?i)url\(\s*(?:"([^"]*)"|'([^']*)'|([^\s"')]*))\s*\)|@import\s+(?:"([^"]*)"|'([^']*)')`)
)

// cssLinks finds url() and @import in a style sheet.
func cssLinks(sheet string) []string {
	var out []string
	for _, m := range cssURL.FindAllStringSubmatch(cssComment.ReplaceAllString(sheet, " "), maxLinks) {
		out = append(out, m[1]+m[2]+m[3]+m[4]+m[5])
	}
	return out
}
