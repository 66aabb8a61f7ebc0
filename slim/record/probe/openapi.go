package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// ErrYAML says that an OpenAPI document is no JSON.
var ErrYAML = errors.New("the document is not JSON")

// Document is an OpenAPI 2 or 3 description of what a workload serves.
type Document struct {
	Name string // for errors: a file or an address
	// Base is the question that every route's is made from: port, TLS, host
	// and headers (such as "Authorization: $TOKEN").
	Base profile.Probe
	// Data is the document; nil: the answer to Base, which is then asked
	// when the workload is ready.
	Data []byte
}

// Route is a route that was not asked.
type Route struct {
	Method, Path string
	Why          string
}

// String is "POST /pets: its body has no example", fit for people.
func (r Route) String() string {
	return fmt.Sprintf("%s: %s", shown(r.Method+" "+r.Path), r.Why)
}

// Bounds of a document.
const (
	maxDocument = 16 << 20
	maxRoutes   = 2000     // asked
	maxNotAsked = 10_000   // listed
	maxSteps    = 200_000  // parameters and schemas looked at
	maxBodies   = 64 << 20 // bytes, of all examples
)

// ParseDocument reads what --openapi takes: a file, or an address in the
// workload (http://:8080/openapi.json, :8080/openapi.json), and after it
// headers for every route, as in [ParseHTTP].
func ParseDocument(spec string, read ReadFile) (Document, error) {
	example := "; an example: 'openapi.json -H \"Authorization: $TOKEN\"', or ':8080/openapi.json'"
	ws, err := words(spec)
	if err == nil && len(ws) == 0 {
		err = errors.New("the file is missing")
	}
	if err != nil {
		return Document{}, fmt.Errorf("reading the OpenAPI document %s: %w%s", shown(spec), err, example)
	}
	d := Document{Name: ws[0], Base: profile.Probe{Kind: profile.ProbeHTTP, Method: "GET", Path: "/"}}
	if inside := strings.HasPrefix(ws[0], ":") || strings.Contains(ws[0], "://"); inside {
		err = parseAddress(&d.Base, ws[0])
	} else {
		d.Data, err = readNamed(ws[0], read)
	}
	if err == nil {
		err = parseOptions(&d.Base, ws[1:], nil)
	}
	if err == nil && (d.Base.Body != nil || d.Base.Method != "GET") {
		err = errors.New("after it come headers (-H) only")
	}
	if errors.Is(err, ErrSecret) {
		d.Name = "with a secret" // which may be in its address
	}
	if err != nil {
		return Document{}, fmt.Errorf("reading the OpenAPI document %s: %w%s", shown(d.Name), err, example)
	}
	return d, nil
}

// methods of OpenAPI, those first that change nothing.
var methods = []string{"get", "head", "options", "post", "put", "patch", "delete", "trace"}

// Routes turns the document's routes into questions: GET, HEAD and OPTIONS
// first, sorted by path, then POST, PUT and PATCH, whose body is an example of
// the document. A route that needs a value for which the document has neither
// example, default nor enum, and every DELETE, is returned as not asked.
func (d Document) Routes() (asked []profile.Probe, notAsked []Route, err error) {
	doc, err := d.parse()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the OpenAPI document %s: %w", shown(d.Name), err)
	}
	paths := object(doc.root["paths"])
	prefix := doc.prefix()
	for _, safe := range []bool{true, false} {
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			item := object(doc.deref(paths[path]))
			for i, m := range methods {
				op := object(doc.deref(item[m]))
				if op == nil || safe != (i < 3) {
					continue
				}
				p, err := doc.question(d.Base, m, prefix+path, item, op)
				if err == nil && len(asked) >= maxRoutes {
					err = fmt.Errorf("only the first %d routes are asked", maxRoutes)
				}
				if len(notAsked) >= maxNotAsked {
					return nil, nil, fmt.Errorf("reading the OpenAPI document %s: more than %d routes of which none can be asked", shown(d.Name), maxNotAsked)
				}
				if err != nil {
					notAsked = append(notAsked, Route{strings.ToUpper(m), prefix + path, err.Error()})
					continue
				}
				asked = append(asked, p)
			}
		}
	}
	return asked, notAsked, nil
}

// openAPI is a parsed document. What references lead to counts each time, so
// that a small document cannot cost much.
type openAPI struct {
	root  map[string]any
	v2    bool
	steps int
	bytes int // of bodies made
}

func (d Document) parse() (*openAPI, error) {
	if len(d.Data) > maxDocument {
		return nil, fmt.Errorf("more than %d bytes", maxDocument)
	}
	data := bytes.TrimSpace(bytes.TrimPrefix(d.Data, []byte("\xef\xbb\xbf")))
	if !bytes.HasPrefix(data, []byte("{")) {
		return nil, fmt.Errorf("%w; convert YAML first, for example with: yq -o json openapi.yaml > openapi.json", ErrYAML)
	}
	doc := &openAPI{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&doc.root); err != nil {
		return nil, err
	}
	version, _ := doc.root["openapi"].(string)
	swagger, _ := doc.root["swagger"].(string)
	doc.v2 = strings.HasPrefix(swagger, "2.")
	switch {
	case !doc.v2 && !strings.HasPrefix(version, "3."):
		return nil, errors.New(`it has neither "openapi": "3.x" nor "swagger": "2.0"`)
	case object(doc.root["paths"]) == nil:
		return nil, errors.New("it has no paths")
	}
	return doc, nil
}

// prefix is the path that all routes begin with: basePath, or the path of the
// first server. Where the server is does not matter: the workload is asked.
func (o *openAPI) prefix() string {
	path, _ := o.root["basePath"].(string)
	if servers := array(o.root["servers"]); !o.v2 && len(servers) > 0 {
		server := object(servers[0])
		path, _ = server["url"].(string)
		for name, v := range object(server["variables"]) {
			def, _ := object(v)["default"].(string)
			path = strings.ReplaceAll(path, "{"+name+"}", def)
		}
		if u, err := url.Parse(path); err == nil {
			path = u.EscapedPath()
		}
	}
	path = strings.Trim(path, "/")
	if path == "" {
		return ""
	}
	return "/" + path
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func array(v any) []any {
	a, _ := v.([]any)
	return a
}

// deref follows references within the document (RFC 6901), a few deep; what
// leads elsewhere is nothing.
func (o *openAPI) deref(v any) any {
	for range 16 {
		ref, ok := object(v)["$ref"].(string)
		if !ok {
			return v
		}
		pointer, ok := strings.CutPrefix(ref, "#/")
		if !ok {
			return nil
		}
		v = o.root
		for part := range strings.SplitSeq(pointer, "/") {
			if u, err := url.PathUnescape(part); err == nil {
				part = u
			}
			v = object(v)[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
		}
	}
	return nil
}
