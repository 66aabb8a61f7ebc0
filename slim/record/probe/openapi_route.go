package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

var errIntricate = errors.New("the document is too intricate to be read further")

// question makes the question for one route; the error says why there is none.
func (o *openAPI) question(base profile.Probe, method, path string, item, op map[string]any) (profile.Probe, error) {
	p := base
	p.Kind, p.Method, p.Answer = profile.ProbeHTTP, strings.ToUpper(method), profile.Answer{}
	p.Header, p.Body = slices.Clone(base.Header), nil
	if method == "delete" || method == "trace" {
		return p, fmt.Errorf("%s is asked only by name: --http '%[1]s PATH'", p.Method)
	}
	params := o.parameters(item, op)
	if o.steps > maxSteps {
		return p, errIntricate
	}
	query, form := url.Values{}, url.Values{}
	for _, q := range params {
		if err := q.into(&p, &path, query, form); err != nil {
			return p, err
		}
	}
	if len(path) > 16<<10 {
		return p, errors.New("the path is longer than 16 KiB")
	}
	if i := strings.IndexByte(path, '{'); i >= 0 {
		return p, fmt.Errorf("%s is not described", shown(path[i:]))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var err error
	if p.Path, err = checkPath(path); err != nil {
		return p, err
	}
	return p, o.body(&p, op, params, form)
}

// parameter is one input of a route.
type parameter struct {
	name, in string
	required bool
	value    any // nil: the document has none
}

// parameters lists a path's and an operation's, the latter's winning.
func (o *openAPI) parameters(item, op map[string]any) []parameter {
	byKey := map[string]parameter{}
	for _, v := range slices.Concat(array(item["parameters"]), array(op["parameters"])) {
		m := object(o.deref(v))
		if o.steps++; o.steps > maxSteps {
			return nil
		}
		p := parameter{value: o.example(m)}
		p.name, _ = m["name"].(string)
		p.in, _ = m["in"].(string)
		p.required, _ = m["required"].(bool)
		if p.value == nil {
			p.value = o.example(m["schema"])
		}
		byKey[p.in+" "+p.name] = p
	}
	var out []parameter
	for _, k := range slices.Sorted(maps.Keys(byKey)) {
		out = append(out, byKey[k])
	}
	return out
}

// into puts the value where it belongs. Only what is required is sent.
func (q parameter) into(p *profile.Probe, path *string, query, form url.Values) error {
	if q.in == "body" || q.in != "path" && !q.required {
		return nil
	}
	text, ok := scalar(q.value)
	if headerValue(p.Header, q.name) != "" && q.in == "header" {
		return nil // given by name
	}
	if !ok {
		return fmt.Errorf("the document has no example, default or enum for %s %s", shown(q.in), shown(q.name))
	}
	switch q.in {
	case "path":
		*path = strings.ReplaceAll(*path, "{"+q.name+"}", url.PathEscape(text))
	case "query":
		query.Set(q.name, text)
	case "formData":
		form.Set(q.name, text)
	case "header":
		name, value, err := parseHeader(q.name + ": " + text)
		if err != nil {
			return err
		}
		p.Header = append(p.Header, name+": "+value)
	default:
		return fmt.Errorf("it needs the %s %s; ask it with --http", shown(q.in), shown(q.name))
	}
	return nil
}

// scalar is a value as it stands in a path or query.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, v != "" && len(v) <= maxAddress
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	case []any: // the default style of arrays, comma separated
		if len(v) > 64 {
			return "", false
		}
		var parts []string
		for _, e := range v {
			s, ok := scalar(e)
			if _, nested := e.([]any); !ok || nested {
				return "", false
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, ","), len(parts) > 0
	}
	return "", false
}

// example is a value that the document gives for a parameter, a media type or
// a schema; nil if it gives none. Of an object every property counts that has
// a value, and the required ones must have one. refs are the references that
// led here: a schema within itself has no value.
func (o *openAPI) example(v any, refs ...string) any {
	if o.steps++; o.steps > maxSteps || len(refs) > 16 {
		return nil
	}
	if ref, ok := object(v)["$ref"].(string); ok {
		if slices.Contains(refs, ref) {
			return nil
		}
		refs = append(slices.Clip(refs), ref)
		v = o.deref(v)
	}
	m := object(v)
	for _, key := range []string{"example", "x-example", "default"} {
		if v, ok := m[key]; ok && v != nil {
			return v
		}
	}
	if named := object(m["examples"]); len(named) > 0 {
		return object(o.deref(named[slices.Min(slices.Collect(maps.Keys(named)))]))["value"]
	}
	for _, key := range []string{"examples", "enum"} { // a list, in schemas
		if l := array(m[key]); len(l) > 0 {
			return l[0]
		}
	}
	if m["items"] != nil {
		if v := o.example(m["items"], append(slices.Clip(refs), "items")...); v != nil {
			return []any{v}
		}
		return nil
	}
	return o.exampleObject(m, refs)
}

func (o *openAPI) exampleObject(m map[string]any, refs []string) any {
	out := map[string]any{}
	props := object(m["properties"])
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if v := o.example(props[name], append(slices.Clip(refs), "property")...); v != nil {
			out[name] = v
		}
	}
	for _, r := range array(m["required"]) {
		if name, _ := r.(string); out[name] == nil {
			return nil
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// body fills in what POST, PUT and PATCH send.
func (o *openAPI) body(p *profile.Probe, op map[string]any, params []parameter, form url.Values) error {
	if p.Method == "GET" || p.Method == "HEAD" || p.Method == "OPTIONS" {
		return nil
	}
	kind, value := "application/json", any(nil)
	if len(form) > 0 {
		kind, value = formType, form.Encode()
	}
	for _, q := range params {
		if q.in == "body" {
			value = q.value
		}
	}
	if content := object(object(o.deref(op["requestBody"]))["content"]); content != nil {
		kind, value = o.content(content)
	}
	switch {
	case o.steps > maxSteps:
		return errIntricate
	case value == nil:
		return errors.New("the document has no example of its body")
	}
	if left := maxBody / 2; !fits(value, &left) {
		return fmt.Errorf("the example of its body is larger than %d bytes", maxBody/2)
	}
	b, err := encode(kind, value)
	if err != nil {
		return err
	}
	if p.Body, o.bytes = b, o.bytes+len(b); len(b) > maxBody || o.bytes > maxBodies {
		return fmt.Errorf("the examples of bodies are larger than %d bytes, or all of them than %d", maxBody, maxBodies)
	}
	if headerValue(p.Header, "Content-Type") == "" {
		p.Header = append(p.Header, "Content-Type: "+kind)
	}
	return nil
}

// fits says that a value is not larger than what is left, about. It looks no
// further than that: parts of a value may be one and the same.
func fits(v any, left *int) bool {
	switch *left -= 2; v := v.(type) {
	case string:
		*left -= len(v)
	case json.Number:
		*left -= len(v)
	case []any:
		for _, e := range v {
			if !fits(e, left) {
				return false
			}
		}
	case map[string]any:
		for k, e := range v {
			if *left -= len(k); !fits(e, left) {
				return false
			}
		}
	}
	return *left >= 0
}

const formType = "application/x-www-form-urlencoded"

// content picks the media type to send: JSON, then a form, then the first.
func (o *openAPI) content(types map[string]any) (kind string, value any) {
	names := slices.Sorted(maps.Keys(types))
	for _, k := range slices.Concat([]string{"application/json", formType}, names) {
		m := object(o.deref(types[k]))
		if value = o.example(m); value == nil {
			value = o.example(m["schema"])
		}
		if value != nil && isMediaType(k) {
			return k, value
		}
	}
	return "", nil
}

func isMediaType(k string) bool {
	return strings.Contains(k, "/") && !strings.ContainsFunc(k, func(r rune) bool { return r < ' ' || r >= 0x7f || r == '*' })
}

func encode(kind string, value any) ([]byte, error) {
	if s, ok := value.(string); ok && !strings.Contains(kind, "json") {
		return []byte(s), nil
	}
	switch {
	case strings.Contains(kind, "json"):
		return json.Marshal(value)
	case kind == formType && object(value) != nil:
		form := url.Values{}
		for k, v := range object(value) {
			s, ok := scalar(v)
			if !ok {
				return nil, fmt.Errorf("the example of its body has no plain value for %s", shown(k))
			}
			form.Set(k, s)
		}
		return []byte(form.Encode()), nil
	}
	return nil, fmt.Errorf("no body is made for %s from an example that is no text", shown(kind))
}
