package login

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/fault"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// Link serves POST /auth/link: it begins a login at another provider that shall become one of
// the logged-in person's. It takes the CSRF token, for otherwise another site could have its
// own login made one of somebody who visits it. A page cannot follow a redirect to another
// site from a script, so the address is in the body.
func (l *Login) Link(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call) {
	secret := l.config.Cookies.Read(r)
	if secret == "" {
		l.fail(w, r, k, fault.ErrLoginRequired.WithMessage("log in at /auth/login first; the login to link comes second"))
		return
	}
	if err := l.config.Guard.Check(r, secret); err != nil {
		l.fail(w, r, k, err)
		return
	}
	target, err := returnTo(r)
	if err != nil {
		l.fail(w, r, k, err)
		return
	}
	chosen := l.providers[r.URL.Query().Get("provider")]
	if chosen == nil {
		l.fail(w, r, k, errProviderUnknown)
		return
	}
	s := l.newState(chosen, target)
	s.Link = fingerprint(secret)
	// The login to link must be shown now: one that the provider remembers proves little.
	address, err := chosen.begin(ctx, s, oauth2.SetAuthURLParam("prompt", "login"))
	if err == nil {
		err = l.vault.put(w, s)
	}
	if err != nil {
		l.fail(w, r, k, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"location": address}) // a client that went away is not told
}

// linked ends a login that was begun to be linked. It counts only while the browser has the
// session that it was begun in.
func (l *Login) linked(ctx context.Context, r *http.Request, s state, idToken string) error {
	secret := l.config.Cookies.Read(r)
	if secret == "" || subtle.ConstantTimeCompare([]byte(fingerprint(secret)), []byte(s.Link)) != 1 {
		return ErrState
	}
	_, err := l.logins.LinkLogin(call.Outgoing(ctx), &identityv1.LinkLoginRequest{SessionSecret: secret, IdToken: idToken, Nonce: s.Nonce})
	return err
}

// fingerprint is what a login's state remembers of a session, whose secret it must not hold.
func fingerprint(secret string) string {
	hash := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}
