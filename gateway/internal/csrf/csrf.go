// Package csrf tells calls that a page of ours made from those that another site made a
// browser send with our cookie. It owns the token, an HMAC bound to the session, and the
// check of where a request comes from. It keeps no state: any replica can check.
//
// Only requests that log in by cookie need it. A request with an access token of its own
// cannot be forged by another site, which does not know the token.
package csrf

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"github.com/primecloud/primecloud/pkg/errs"
)

// Header is where a client sends the token.
const Header = "X-Csrf-Token"

// ErrInvalid is for a token that is missing or wrong, and for another site's request.
var ErrInvalid = errs.New(errs.PermissionDenied, "CSRF_TOKEN_INVALID",
	"the X-CSRF-Token header is missing or not this session's; read it from /v1/me/csrf and send it")

// Guard makes and checks tokens.
type Guard struct {
	key     []byte
	origins *http.CrossOriginProtection
}

// New returns a guard. Requests from the trusted origins may differ in origin from the
// address they are sent to.
func New(key []byte, trusted []string) (*Guard, error) {
	g := &Guard{key: key, origins: http.NewCrossOriginProtection()}
	for _, origin := range trusted {
		if err := g.origins.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Token returns the token of a session.
func (g *Guard) Token(sessionSecret string) string {
	mac := hmac.New(sha256.New, g.key)
	mac.Write([]byte(sessionSecret))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Check refuses an unsafe request by cookie that does not carry the session's token, or
// that the browser says another site has made.
func (g *Guard) Check(r *http.Request, sessionSecret string) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if err := g.origins.Check(r); err != nil {
		return ErrInvalid.WithMessage("another site has made this request; origins that may are configured at the gateway").Wrap(err)
	}
	sent := r.Header[Header]
	if len(sent) != 1 || !hmac.Equal([]byte(sent[0]), []byte(g.Token(sessionSecret))) {
		return ErrInvalid
	}
	return nil
}
