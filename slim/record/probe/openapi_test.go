package probe

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
)

// petstore is OpenAPI 2 in miniature, with what documents in the wild have:
// shared parameters, references, forms, files, security.
const petstore = "\xef\xbb\xbf" + `{
  "swagger": "2.0", "host": "petstore.example", "basePath": "/v2/", "schemes": ["http"],
  "paths": {
    "/pet": {
      "post": {"parameters": [{"in": "body", "name": "body", "required": true, "schema": {"$ref": "#/definitions/Pet"}}]},
      "put": {"parameters": [{"in": "body", "name": "body", "schema": {"type": "object"}}]}
    },
    "/pet/findByStatus": {"get": {"parameters": [
      {"name": "status", "in": "query", "required": true, "type": "array", "items": {"type": "string", "enum": ["available", "sold"]}},
      {"name": "page", "in": "query", "type": "integer", "default": 1}]}},
    "/pet/{petId}": {
      "parameters": [{"name": "petId", "in": "path", "required": true, "type": "integer", "x-example": 7}],
      "get": {"security": [{"key": []}]},
      "post": {"consumes": ["application/x-www-form-urlencoded"], "parameters": [{"name": "name", "in": "formData", "required": true, "type": "string", "default": "a b"}]},
      "delete": {}
    },
    "/pet/{petId}/uploadImage": {"post": {"parameters": [
      {"name": "petId", "in": "path", "required": true, "type": "integer"}, {"name": "file", "in": "formData", "type": "file"}]}},
    "/user/{name}": {"get": {"parameters": [{"$ref": "#/parameters/name"}]}},
    "/odd/{undescribed}": {"get": {}},
    "/secret": {"get": {"parameters": [{"name": "api_key", "in": "header", "required": true, "type": "string", "default": "abc"}]}}
  },
  "parameters": {"name": {"name": "name", "in": "path", "required": true, "type": "string", "enum": ["a/b c", "d"]}},
  "definitions": {
    "Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "example": "doggie"}, "id": {"type": "integer"},
      "tags": {"type": "array", "items": {"$ref": "#/definitions/Tag"}}, "parent": {"$ref": "#/definitions/Pet"}}},
    "Tag": {"properties": {"n": {"default": 3}}}
  }
}`

const shop = `{
  "openapi": "3.1.0", "servers": [{"url": "https://{host}.example:99/{base}/", "variables": {"host": {"default": "x"}, "base": {"default": "api"}}}],
  "paths": {
    "/items": {
      "get": {"parameters": [{"name": "q", "in": "query", "required": true, "schema": {"type": "string"}, "examples": {"b": {"value": "two"}, "a": {"$ref": "#/components/examples/one"}}}]},
      "post": {"requestBody": {"content": {"application/xml": {"example": "<a/>"}, "application/json": {"examples": {"first": {"value": {"n": 1.50}}}}}}},
      "patch": {"requestBody": {"$ref": "#/components/requestBodies/Form"}},
      "put": {"requestBody": {"content": {"multipart/form-data": {"schema": {"properties": {"f": {"example": "x"}}}}}}}
    },
    "/items/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"$ref": "#/components/schemas/Id"}}]}},
    "/text": {"post": {"requestBody": {"content": {"text/plain": {"schema": {"example": "hello"}}}}}},
    "/session": {"get": {"parameters": [{"name": "sid", "in": "cookie", "required": true, "example": "1"}]}},
    "/far": {"get": {"parameters": [{"$ref": "other.json#/x"}, {"name": "v", "in": "header", "required": true, "schema": {"examples": ["h"]}}]}},
    "/loop/{x}": {"get": {"parameters": [{"name": "x", "in": "path", "required": true, "schema": {"$ref": "#/components/schemas/Loop"}}]}},
    "/nobody": {"post": {}}, "/null": null, "/head": {"head": {}, "trace": {}}
  },
  "components": {
    "examples": {"one": {"value": "o ne&"}},
    "requestBodies": {"Form": {"content": {"application/x-www-form-urlencoded": {"schema": {"required": ["k"], "properties": {"k": {"enum": [true]}}}}}}},
    "schemas": {"Id": {"default": "../admin"}, "Loop": {"$ref": "#/components/schemas/Loop"}}
  }
}`

// routes are a document's questions, one a line, and what is not asked.
func routes(t *testing.T, d Document) string {
	t.Helper()
	probes, not, err := d.Routes()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, p := range probes {
		fmt.Fprintf(&b, "%s %s", p.Method, p.Path)
		if len(p.Header)+len(p.Body) > 0 {
			fmt.Fprintf(&b, " %q %s", p.Header, p.Body)
		}
		b.WriteByte('\n')
	}
	for _, r := range not {
		fmt.Fprintf(&b, "not %s\n", r)
	}
	return b.String()
}

func TestOpenAPI(t *testing.T) {
	base := profile.Probe{Kind: profile.ProbeHTTP, Method: "GET", Path: "/", Port: 8080}
	for _, c := range []struct{ name, doc, want string }{
		{"petstore", petstore, `GET /v2/pet/findByStatus?status=available
GET /v2/pet/7
GET /v2/user/a%2Fb%20c
POST /v2/pet ["Content-Type: application/json"] {"name":"doggie","tags":[{"n":3}]}
POST /v2/pet/7 ["Content-Type: application/x-www-form-urlencoded"] name=a+b
not GET /v2/odd/{undescribed}: {undescribed} is not described
not GET /v2/secret: header api_key: profiles are kept and pushed to registries, so no secret may be in one; write -H 'api_key: $NAME' or -H 'api_key: Bearer $NAME' in single quotes, and export NAME=... in the environment of pare
not PUT /v2/pet: the document has no example of its body
not DELETE /v2/pet/{petId}: DELETE is asked only by name: --http 'DELETE PATH'
not POST /v2/pet/{petId}/uploadImage: the document has no example, default or enum for path petId
`},
		{"shop", shop, `GET /api/far ["v: h"] 
HEAD /api/head
GET /api/items?q=o+ne%26
GET /api/items/..%2Fadmin
POST /api/items ["Content-Type: application/json"] {"n":1.50}
PATCH /api/items ["Content-Type: application/x-www-form-urlencoded"] k=true
POST /api/text ["Content-Type: text/plain"] hello
not GET /api/loop/{x}: the document has no example, default or enum for path x
not GET /api/session: it needs the cookie sid; ask it with --http
not TRACE /api/head: TRACE is asked only by name: --http 'TRACE PATH'
not PUT /api/items: no body is made for multipart/form-data from an example that is no text
not POST /api/nobody: the document has no example of its body
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, routes(t, Document{Name: "x", Base: base, Data: []byte(c.doc)})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A secret header that the user gives by name fills in the document's.
func TestOpenAPIHeaders(t *testing.T) {
	d, err := ParseDocument("petstore.json -H 'api_key: $KEY'", func(string) ([]byte, error) { return []byte(petstore), nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := routes(t, d); !strings.Contains(got, "GET /v2/secret [\"api_key: $KEY\"] \n") {
		t.Error(got)
	}
}

func TestParseDocument(t *testing.T) {
	d, err := ParseDocument("https://name:8443/openapi.json -H 'Authorization: $T'", nil)
	want := Document{Name: "https://name:8443/openapi.json", Base: profile.Probe{
		Kind: profile.ProbeHTTP, Method: "GET", TLS: true, Host: "name", Port: 8443, Path: "/openapi.json", Header: []string{"Authorization: $T"},
	}}
	if diff := cmp.Diff(want, d); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, spec := range []string{"", "'", "none.json", "file -d x", "file -X PUT", ":8080/a#b", "http://u:p@h/", "file x"} {
		if _, err := ParseDocument(spec, readFixture); err == nil || !strings.Contains(err.Error(), "an example:") || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestOpenAPIErrors(t *testing.T) {
	for doc, want := range map[string]string{
		"openapi: 3.0.0\npaths: {}":        "yq -o json",
		"":                                 "yq -o json",
		"[]":                               "yq -o json",
		"{":                                "unexpected EOF",
		"{}":                               `neither "openapi"`,
		`{"openapi": "3.0.0"}`:             "it has no paths",
		`{"openapi": "4.0.0", "paths":{}}`: `neither "openapi"`,
	} {
		_, _, err := Document{Name: "a\x1bb", Data: []byte(doc)}.Routes()
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%q: %v", doc, err)
		}
		if strings.Contains(want, "yq") != errors.Is(err, ErrYAML) {
			t.Errorf("%q: ErrYAML is %v", doc, errors.Is(err, ErrYAML))
		}
	}
}

func TestOpenAPIMany(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"openapi": "3.0.0", "paths": {"/": {"get": {}}`)
	for i := range maxRoutes + 5 {
		fmt.Fprintf(&b, `, "/%d": {"get": {}}`, i)
	}
	probes, not, err := Document{Data: []byte(b.String() + "}}")}.Routes()
	if err != nil || len(probes) != maxRoutes || len(not) != 6 {
		t.Errorf("%d asked, %d not, %v", len(probes), len(not), err)
	}
}

// Small documents that stand for large ones.
func TestOpenAPIBombs(t *testing.T) {
	var wide strings.Builder // each schema refers ten times to the next
	for i := range 12 {
		fmt.Fprintf(&wide, `"S%d": {"properties": {`, i)
		for j := range 10 {
			fmt.Fprintf(&wide, `"p%d": {"$ref": "#/s/S%d"},`, j, i+1)
		}
		wide.WriteString(`"x": {"type": "string"}}},`)
	}
	long := strings.Repeat("x", 500<<10)
	for name, doc := range map[string]string{
		"wide": `{"openapi": "3.0.0", "s": {` + wide.String() + `"S12": {"example": 1}}, "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/s/S0"}}}}}}}}`,
		"long": `{"openapi": "3.0.0", "s": {"example": "` + long + `"}, "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": {"properties": {"a": {"$ref": "#/s"}, "b": {"$ref": "#/s"}}}}}}}}}}`,
		"path": `{"openapi": "3.0.0", "paths": {"/` + strings.Repeat("{a}", 5000) + `": {"get": {"parameters": [{"name": "a", "in": "path", "example": "` + long[:2000] + `"}]}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			probes, not, err := Document{Data: []byte(doc)}.Routes()
			if err != nil || len(probes) != 0 || len(not) != 1 {
				t.Errorf("%d asked, %d not, %v", len(probes), len(not), err)
			}
		})
	}
}

func FuzzOpenAPI(f *testing.F) {
	f.Add(petstore)
	f.Add(shop)
	f.Fuzz(func(t *testing.T, doc string) {
		probes, not, err := Document{Data: []byte(doc), Base: profile.Probe{Port: 80}}.Routes()
		if err != nil {
			return
		}
		for _, p := range probes {
			if _, err := request(t.Context(), p, Options{}); err != nil {
				t.Fatalf("%+v cannot be sent: %v", p, err)
			}
		}
		for _, r := range not {
			if strings.ContainsFunc(r.String(), func(r rune) bool { return r < ' ' }) {
				t.Fatalf("control characters in %q", r)
			}
		}
	})
}
