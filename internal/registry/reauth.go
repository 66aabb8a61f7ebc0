package registry

import (
	"net/http"
	"strings"
)

// reauth gives a 401 that came without a challenge the one that remote acts
// upon: it then fetches a new token and sends the request again, once. Tokens
// expire in the middle of long transfers, and not every registry says so in
// the words of RFC 6750.
type reauth struct{ next http.RoundTripper }

func (t *reauth) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") != "" {
		return resp, err
	}
	if strings.HasPrefix(req.Header.Get("Authorization"), "Bearer ") {
		resp.Header.Set("WWW-Authenticate", "Bearer")
	}
	return resp, nil
}
