package probe

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// CrawlLimits bound a crawl. The zero value is good.
type CrawlLimits struct {
	Pages int           // questions; 0 is 200
	Depth int           // links from the start; 0 is 4
	Time  time.Duration // 0 is 2 min
}

// Bounds of one page and one path.
const (
	maxPage    = 4 << 20 // bytes that are searched for links
	maxAddress = 2048    // bytes of a link
	maxQueries = 8       // of one path: calendars have no end
)

// Crawled is what a crawl found.
type Crawled struct {
	Probes []profile.Probe // the start first, each with its answer
	// Left counts links that were found and not asked, because of the limit
	// that Why names.
	Left int
	Why  string
}

// Crawl asks start and what its pages refer to on the same host and port,
// breadth first, in document order: links, scripts, styles, images, forms that
// GET, redirects. It never asks with another method than GET, nor for what
// reads like a logout or a deletion. Every HTML page and style sheet is
// searched up to 4 MiB.
func Crawl(ctx context.Context, t Target, start profile.Probe, l CrawlLimits, o Options) (Crawled, error) {
	if start.Kind != profile.ProbeHTTP || start.Method != "GET" || start.Body != nil {
		return Crawled{}, fmt.Errorf("crawling from %s: a crawl begins with a GET", Line(start))
	}
	limit := ifZero(l.Time, 2*time.Minute)
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := &crawl{start: start, seen: map[string]bool{start.Path: true}, queries: map[string]int{}, depth: ifZero(l.Depth, 4)}
	c.queue = []found{{start.Path, 0}}
	var out Crawled
	for len(c.queue) > 0 && len(out.Probes) < ifZero(l.Pages, 200) {
		at := c.queue[0]
		p := start
		p.Path = at.path
		r := c.visit(timed, t, p, o)
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if timed.Err() != nil {
			break // the answer may have been cut off by the limit
		}
		c.queue = c.queue[1:]
		p.Answer = r.answer
		out.Probes = append(out.Probes, p)
		c.follow(at, r)
	}
	switch out.Left = len(c.queue) + c.cut; {
	case timed.Err() != nil:
		out.Why = fmt.Sprintf("the crawl has %v", limit)
	case len(c.queue) > 0:
		out.Why = fmt.Sprintf("the crawl has %d questions", ifZero(l.Pages, 200))
	case c.cut > 0:
		out.Why = fmt.Sprintf("the crawl goes %d links deep, and takes %d queries of one path", c.depth, maxQueries)
	}
	return out, nil
}

// found is a path that some page refers to.
type found struct {
	path  string
	depth int
}

type crawl struct {
	start   profile.Probe
	queue   []found
	seen    map[string]bool // paths with queries
	queries map[string]int  // by path
	depth   int
	cut     int // links beyond depth and maxQueries
}

func (c *crawl) visit(ctx context.Context, t Target, p profile.Probe, o Options) reply {
	ctx, cancel := context.WithTimeout(ctx, o.timeout())
	defer cancel()
	return askHTTP(ctx, t, p, o, maxPage)
}

// follow queues what a page refers to and was not seen before.
func (c *crawl) follow(at found, r reply) {
	refs := []string{}
	base := at.path
	switch kind, _, _ := strings.Cut(r.answer.ContentType, ";"); kind {
	case "text/html", "application/xhtml+xml":
		var href string
		if refs, href = links(string(r.body)); href != "" {
			if b, ok := c.resolve(at.path, href); ok {
				base = b
			} else {
				refs = nil // all of them lead elsewhere, or nowhere
			}
		}
	case "text/css":
		refs = cssLinks(string(r.body))
	}
	for _, ref := range refs {
		c.add(base, ref, at.depth+1)
	}
	if r.location != "" {
		c.add(at.path, r.location, at.depth+1)
	}
}

// maxSeen bounds what is remembered of a site without an end.
const maxSeen = 50_000

func (c *crawl) add(base, ref string, depth int) {
	path, ok := c.resolve(base, ref)
	if !ok || c.seen[path] || len(c.seen) >= maxSeen {
		return
	}
	c.seen[path] = true
	bare, _, hasQuery := strings.Cut(path, "?")
	if depth > c.depth || hasQuery && c.queries[bare] >= maxQueries {
		c.cut++
		return
	}
	if hasQuery {
		c.queries[bare]++
	}
	c.queue = append(c.queue, found{path, depth})
}

// resolve is the path of a reference, if it may be asked: on the same origin,
// harmless, and fit for a request line.
func (c *crawl) resolve(base, ref string) (string, bool) {
	ref = strings.TrimSpace(ref)
	if ref == "" || ref[0] == '#' || len(ref) > maxAddress {
		return "", false
	}
	from, err := url.ParseRequestURI(base)
	if err != nil {
		return "", false
	}
	from.Scheme, from.Host = scheme(c.start), hostHeader(c.start)
	to, err := from.Parse(ref)
	if err != nil || !c.sameOrigin(to) || to.User != nil {
		return "", false
	}
	to.Fragment, to.RawFragment = "", ""
	path, err := checkPath(to.RequestURI())
	return path, err == nil && strings.HasPrefix(path, "/") && !harmful(path)
}

// sameOrigin takes the name that is asked for and those of the loopback, with
// the port that is asked, or with that of the Host header.
func (c *crawl) sameOrigin(u *url.URL) bool {
	if u.Scheme != scheme(c.start) {
		return false
	}
	name, port := hostHeader(c.start), ""
	if h, p, err := net.SplitHostPort(name); err == nil {
		name, port = h, p
	}
	local := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	if !strings.EqualFold(u.Hostname(), strings.Trim(name, "[]")) && !local {
		return false
	}
	at := u.Port()
	if at == "" {
		at = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return at == port || at == strconv.Itoa(c.start.Port)
}

var (
	leaving  = regexp.MustCompile(`(?i)(log|sign)[-_.]?(out|off)`)
	breaking = regexp.MustCompile(`(?i)(^|[^a-z])(delete|destroy|remove|unsubscribe|shutdown|restart|reset|revoke)([^a-z]|$)`)
)

// static are files, whatever they are called: an icon for "remove" is none.
var static = regexp.MustCompile(`(?i)\.(css|js|mjs|map|png|jpe?g|gif|svg|webp|ico|woff2?|ttf)$`)

// harmful says that asking for the path may end the session or destroy
// something, by what it is called.
func harmful(path string) bool {
	if static.MatchString(path) {
		return false
	}
	if p, err := url.QueryUnescape(path); err == nil {
		path = p
	}
	return leaving.MatchString(path) || breaking.MatchString(path)
}
