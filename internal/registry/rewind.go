package registry

import "net/http"

// rewind gives every sending of a request a body of its own: remote, having
// fetched a new token, sends the same request again with the body used up.
type rewind struct{ next http.RoundTripper }

func (t *rewind) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.GetBody == nil {
		return t.next.RoundTrip(req)
	}
	closeBody(req)
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	fresh := req.WithContext(req.Context())
	fresh.Body = body
	return t.next.RoundTrip(fresh)
}
