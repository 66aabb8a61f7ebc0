package probe

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// maxBody is what a question may send, in bytes; [profile.Read] holds it too.
const maxBody = 1 << 20

// ReadFile reads a file that a question names with @; [os.ReadFile], or nil
// where questions may name none.
type ReadFile func(file string) ([]byte, error)

// ParseHTTP reads a question as --http takes it: an address with, before it, a
// method and, after it, words that curl knows too.
//
//	/                                      GET, on the image's HTTP port
//	GET /search?q=1
//	POST :8080/login -H 'Content-Type: application/json' -d '{"a":1}'
//	PUT /upload -d @file                   the file's bytes as they are
//	https://:8443/                         TLS, certificates not verified
//	https://name:8443/path                 name for Host and SNI; always the container
//
// Port 0 in the probe means that none was given: [Run] finds it when the
// workload is ready. A value that looks secret (Authorization, Cookie, …) is
// refused with ErrSecret unless it names a variable of the environment.
func ParseHTTP(spec string, read ReadFile) (profile.Probe, error) {
	p, err := parseHTTP(spec, read)
	if errors.Is(err, ErrSecret) {
		spec = "with a secret" // which is not for the terminal either
	}
	if err != nil {
		return profile.Probe{}, fmt.Errorf("reading the HTTP probe %s: %w; an example: 'POST :8080/login -H \"Accept: text/html\" -d a=1'", shown(spec), err)
	}
	return p, nil
}

func parseHTTP(spec string, read ReadFile) (profile.Probe, error) {
	p := profile.Probe{Kind: profile.ProbeHTTP}
	ws, err := words(spec)
	if err != nil {
		return p, err
	}
	if len(ws) > 0 && isMethod(ws[0]) {
		p.Method, ws = ws[0], ws[1:]
	}
	if len(ws) == 0 {
		return p, errors.New("the path is missing")
	}
	if err := parseAddress(&p, ws[0]); err != nil {
		return p, err
	}
	if err := parseOptions(&p, ws[1:], read); err != nil {
		return p, err
	}
	if p.Method == "" {
		p.Method = "GET"
		if p.Body != nil {
			p.Method = "POST"
		}
	}
	return p, nil
}

// isMethod tells "GET" from a path; methods are in upper case by custom.
func isMethod(w string) bool {
	return w != "" && !strings.ContainsFunc(w, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '-' })
}

// parseAddress reads [http[s]://][name][:port][/path].
func parseAddress(p *profile.Probe, address string) error {
	rest := address
	scheme, after, hasScheme := strings.Cut(address, "://")
	hasScheme = hasScheme && !strings.ContainsAny(scheme, "/?:@")
	if hasScheme {
		switch strings.ToLower(scheme) {
		case "http":
		case "https":
			p.TLS = true
		default:
			return fmt.Errorf("%s:// is neither http:// nor https://", shown(scheme))
		}
		rest = after
	}
	authority, path := rest, "/"
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if strings.HasPrefix(path, "?") {
		path = "/" + path
	}
	if !hasScheme && authority != "" && !strings.Contains(authority, ":") {
		return fmt.Errorf("%s is neither a path nor :PORT; write /%[1]s, or http://%[1]s for a host name", shown(address))
	}
	if err := parseAuthority(p, authority); err != nil {
		return err
	}
	var err error
	p.Path, err = checkPath(path)
	return err
}

func parseAuthority(p *profile.Probe, authority string) error {
	if strings.Contains(authority, "@") {
		return fmt.Errorf("a user name in the address: %w; write -H 'Authorization: Basic $NAME'", ErrSecret)
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:i], authority[i+1:]
		n, err := parsePort(port)
		if err != nil {
			return err
		}
		p.Port = n
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`/\?#%"<>^{|}`, r) }) || len(host) > 255 {
		return fmt.Errorf("%s is no host name", shown(host))
	}
	if strings.Contains(strings.Trim(host, "[]"), ":") && net.ParseIP(strings.Trim(host, "[]")) == nil {
		return fmt.Errorf("%s is no host name", shown(host))
	}
	p.Host = host
	return nil
}

func parsePort(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %s is not a number from 1 to 65535", shown(s))
	}
	return int(n), nil
}

// checkPath holds what can be sent on a request line.
func checkPath(path string) (string, error) {
	switch _, err := url.ParseRequestURI(path); {
	case strings.Contains(path, "#"):
		return "", fmt.Errorf("a fragment (#%s) is never sent; leave it out", shown(path[strings.IndexByte(path, '#')+1:]))
	case strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", fmt.Errorf("the path %s needs percent escapes, such as %%20 for a space", shown(path))
	case err != nil:
		return "", fmt.Errorf("the path %s has a %% that escapes nothing", shown(path))
	case len(path) > 16<<10:
		return "", errors.New("the path is longer than 16 KiB")
	}
	return path, nil
}

// parseOptions reads the words behind the address.
func parseOptions(p *profile.Probe, ws []string, read ReadFile) error {
	for len(ws) > 0 {
		w := ws[0]
		if !strings.HasPrefix(w, "-") {
			return fmt.Errorf("%s is neither a header (-H) nor a body (-d); are quotes missing?", shown(w))
		}
		if len(ws) == 1 {
			return fmt.Errorf("%s needs a value", shown(w))
		}
		if err := parseOption(p, w, ws[1], read); err != nil {
			return err
		}
		ws = ws[2:]
	}
	return nil
}

func parseOption(p *profile.Probe, flag, value string, read ReadFile) error {
	switch flag {
	case "-H", "--header":
		name, v, err := parseHeader(value)
		if err != nil {
			return err
		}
		if strings.EqualFold(name, "Host") {
			return parseHostHeader(p, v)
		}
		p.Header = append(p.Header, name+": "+v)
		return nil
	case "-X", "--request":
		if p.Method = value; !isToken(value) {
			return fmt.Errorf("%s is no method", shown(value))
		}
		return nil
	case "-d", "--data", "--data-binary", "--data-raw":
		return addBody(p, value, "application/x-www-form-urlencoded", flag != "--data-raw", read)
	case "--json":
		return addBody(p, value, "application/json", true, read)
	}
	return fmt.Errorf("%s is not known; known are -H, -d, --data-raw, --json and -X, each with a value", shown(flag))
}

// parseHostHeader takes the name that a Host header gives, which may differ
// from the container's port.
func parseHostHeader(p *profile.Probe, value string) error {
	var named profile.Probe
	if err := parseAuthority(&named, value); err != nil {
		return err
	}
	p.Host = value
	return nil
}

// addBody appends a value, or the file that it names with @, to the body.
// Several are joined with &, as curl does.
func addBody(p *profile.Probe, value, contentType string, files bool, read ReadFile) error {
	b := []byte(value)
	if file, ok := strings.CutPrefix(value, "@"); files && ok {
		var err error
		if b, err = readNamed(file, read); err != nil {
			return err
		}
	}
	if p.Body != nil {
		b = append(append(p.Body, '&'), b...)
	}
	if len(b) > maxBody {
		return fmt.Errorf("the body has more than %d bytes; send such with --run", maxBody)
	}
	p.Body = append([]byte{}, b...)
	if headerValue(p.Header, "Content-Type") == "" {
		p.Header = append(p.Header, "Content-Type: "+contentType)
	}
	return nil
}

func readNamed(file string, read ReadFile) ([]byte, error) {
	if read == nil {
		return nil, fmt.Errorf("@%s: no file may be named here", shown(file))
	}
	b, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("reading the body from %s: %w", shown(file), err)
	}
	return b, nil
}

// headerValue is the value of the first stored header of that name.
func headerValue(stored []string, name string) string {
	for _, h := range stored {
		if n, v, _ := strings.Cut(h, ":"); strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
