// Package login lets people log in with an OpenID Connect provider (authorization code
// flow with PKCE, state and nonce) and out again. It owns the flow; identity verifies the
// ID token and keeps users and sessions.
//
// Guarantees: a callback counts only in the browser that began the login, once, within ten
// minutes; each login makes a new session, so none can be planted beforehand; the browser
// is sent to local paths only; a provider that is away fails logins and nothing else; a
// session that could not be ended is not reported as ended.
package login

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc"

	"golang.org/x/oauth2"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/csrf"
	"github.com/primecloud/primecloud/gateway/internal/fault"
	"github.com/primecloud/primecloud/gateway/internal/session"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// Config is what logins go by.
type Config struct {
	// Providers are those that people may log in with, one at least.
	Providers []Provider
	// PublicURL is our address as browsers know it.
	PublicURL string
	// Key seals login states: 32 bytes.
	Key []byte
	// Cookies holds the session.
	Cookies session.Cookies
	// Tokens are dropped at logout.
	Tokens *session.Tokens
	// Guard checks the CSRF token of a logout.
	Guard *csrf.Guard
	// Identity keeps sessions.
	Identity grpc.ClientConnInterface
	// Clock tells the time.
	Clock clock.Clock
}

// Login serves /auth and /v1/me/csrf.
type Login struct {
	config    Config
	providers map[string]*provider
	vault     *vault
	sessions  identityv1.SessionServiceClient
	logins    identityv1.LinkedLoginServiceClient
}

// New returns a login; it asks nobody yet.
func New(config Config) (*Login, error) {
	vault, err := newVault(config.Key, config.Cookies.Secure)
	if err != nil {
		return nil, err
	}
	l := &Login{
		config: config, providers: map[string]*provider{}, vault: vault,
		sessions: identityv1.NewSessionServiceClient(config.Identity), logins: identityv1.NewLinkedLoginServiceClient(config.Identity),
	}
	for _, p := range config.Providers {
		l.providers[p.ID] = newProvider(p, config.PublicURL)
	}
	if len(l.providers) == 0 {
		return nil, errors.New("login: no provider is configured")
	}
	return l, nil
}

// Ready reports whether the providers answer.
func (l *Login) Ready(ctx context.Context) error {
	var away []error
	for _, p := range l.config.Providers {
		if _, err := l.providers[p.ID].oauth(ctx); err != nil {
			away = append(away, err)
		}
	}
	return errors.Join(away...)
}

// Exchange gets an access token from identity: the session.Exchange of the gateway.
func Exchange(identity grpc.ClientConnInterface) session.Exchange {
	client := identityv1.NewSessionServiceClient(identity)
	return func(ctx context.Context, secret, account string) (session.Token, error) {
		request := &identityv1.ExchangeSessionRequest{SessionSecret: secret, AccountId: account}
		if account == session.Platform {
			request.AccountId, request.Platform = "", true
		}
		given, err := client.ExchangeSession(call.Outgoing(ctx), request)
		if err != nil {
			return session.Token{}, rpc.FromStatus(err)
		}
		return session.Token{Access: given.GetAccessToken(), Expires: given.GetExpireTime().AsTime(), UserID: given.GetUserId()}, nil
	}
}

// Begin serves GET /auth/login: it sends the browser to the provider.
func (l *Login) Begin(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call) {
	target, err := returnTo(r)
	if err != nil {
		l.fail(w, r, k, err)
		return
	}
	if l.otherLoopback(r.Host) {
		redirect(w, l.config.PublicURL+r.URL.RequestURI())
		return
	}
	chosen, err := l.chosen(r)
	if err != nil {
		l.fail(w, r, k, err)
		return
	}
	if chosen == nil {
		l.choose(w, target)
		return
	}
	s := l.newState(chosen, target)
	address, err := chosen.begin(ctx, s)
	if err == nil {
		err = l.vault.put(w, s)
	}
	if err != nil {
		l.fail(w, r, k, err)
		return
	}
	redirect(w, address)
}

// newState is a login at the provider.
func (l *Login) newState(at *provider, target string) state {
	return state{
		State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(), ReturnTo: target, Provider: at.ID,
		Ends: l.config.Clock.Now().Add(lifetime),
	}
}

// returnTo returns where the browser shall be in the end.
func returnTo(r *http.Request) (string, error) {
	target := r.URL.Query().Get("return_to")
	if target == "" {
		target = "/"
	}
	if !local(target) {
		return "", fault.ErrRequestInvalid.WithMessage("return_to must be a path of this site, such as /docs").
			WithViolation(errs.Violation{Field: "return_to", Rule: "LOCAL_PATH", Description: "give a path that begins with one slash"})
	}
	return target, nil
}

// otherLoopback reports whether host is this machine by another name than our address has:
// whoever came by "localhost" must begin at 127.0.0.1, or the callback would not find the
// cookie of the beginning. Other names are left alone, since a proxy may have put them.
func (l *Login) otherLoopback(host string) bool {
	ours, err := url.Parse(l.config.PublicURL)
	if err != nil || ours.Host == host {
		return false
	}
	theirs := url.URL{Host: host}
	names := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	return names[ours.Hostname()] && names[theirs.Hostname()] && ours.Port() == theirs.Port()
}

// Callback serves GET /auth/callback: it makes the session.
func (l *Login) Callback(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call) {
	s, err := l.vault.take(w, r, l.config.Clock.Now())
	if err != nil {
		l.fail(w, r, k, err)
		return
	}
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(s.State)) != 1 {
		l.fail(w, r, k, ErrState)
		return
	}
	if query.Get("error") != "" {
		l.fail(w, r, k, fault.ErrLoginRequired.WithMessage("the login provider did not log you in; try again at /auth/login").
			Wrap(errs.Newf(errs.Unauthenticated, "LOGIN_REQUIRED", "provider: %q", query.Get("error"))))
		return
	}
	// A login that was begun before there was a choice.
	from := l.providers[cmp.Or(s.Provider, l.config.Providers[0].ID)]
	if from == nil || !from.answered(query) {
		l.fail(w, r, k, ErrState)
		return
	}
	raw, err := from.redeem(ctx, query.Get("code"), s)
	if err != nil {
		l.fail(w, r, k, err)
		return
	}
	if s.Link != "" {
		if err := l.linked(call.NewContext(ctx, k), r, s, raw); err != nil {
			l.fail(w, r, k, err)
			return
		}
		redirect(w, s.ReturnTo)
		return
	}
	made, err := l.sessions.CreateSession(call.Outgoing(call.NewContext(ctx, k)), &identityv1.CreateSessionRequest{
		IdToken: raw, Nonce: s.Nonce, Address: k.Address, UserAgent: shorten(k.UserAgent, 512),
	})
	if err != nil {
		l.fail(w, r, k, err)
		return
	}
	l.config.Cookies.Set(w, made.GetSessionSecret(), made.GetSession().GetExpireTime().AsTime())
	redirect(w, s.ReturnTo)
}

// Logout serves POST /auth/logout: it ends the session. Ending one that is over already
// is no error.
func (l *Login) Logout(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call) {
	secret := l.config.Cookies.Read(r)
	if secret == "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := l.config.Guard.Check(r, secret); err != nil {
		l.fail(w, r, k, err)
		return
	}
	_, err := l.sessions.DeleteSession(call.Outgoing(call.NewContext(ctx, k)), &identityv1.DeleteSessionRequest{SessionSecret: secret})
	if err != nil && errs.KindOf(rpc.FromStatus(err)) != errs.Unauthenticated {
		l.fail(w, r, k, err)
		return
	}
	l.config.Tokens.Forget(secret)
	l.config.Cookies.Clear(w)
	w.WriteHeader(http.StatusNoContent)
}

// CSRF serves GET /v1/me/csrf: the token of the session of the cookie, which was admitted.
func (l *Login) CSRF(w http.ResponseWriter, r *http.Request, k *call.Call) {
	secret := l.config.Cookies.Read(r)
	switch {
	case k.Refusal != nil:
		l.fail(w, r, k, k.Refusal)
	case k.Renewer == nil || secret == "":
		l.fail(w, r, k, fault.ErrLoginRequired.WithMessage("only a login by cookie has, and needs, a CSRF token; log in at /auth/login"))
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"csrfToken":"` + l.config.Guard.Token(secret) + `"}`)) // base64url needs no escapes
	}
}

// page is what people see of a login that failed.
var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Login failed</title>
<h1>Login failed</h1>
<p>{{.Message}}</p>
<p>Reason {{.Reason}}, request {{.RequestID}}.</p>
<p><a href="/auth/login">Log in</a></p>
`))

// fail answers a program with a status and a browser with a page.
func (l *Login) fail(w http.ResponseWriter, r *http.Request, k *call.Call, err error) {
	err = rpc.FromStatus(err)
	k.Failure = err
	if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		fault.Write(w, k.RequestID, err)
		return
	}
	s := rpc.ToStatus(err, fault.Domain, k.RequestID)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(fault.HTTPStatus(err, s.Code()))
	_ = page.Execute(w, struct{ Message, Reason, RequestID string }{s.Message(), errs.ReasonOf(err), k.RequestID})
}

// redirect sends the browser on, with a GET.
func redirect(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}

// local reports whether a browser that is sent to target stays on this site. Browsers drop
// control characters and take a backslash for a slash.
func local(target string) bool {
	if len(target) > 1024 || !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") || strings.Contains(target, `\`) {
		return false
	}
	for _, c := range target {
		if c < 0x20 || c == 0x7f || c == utf8.RuneError {
			return false
		}
	}
	u, err := url.Parse(target)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil
}

// shorten cuts a text to so many bytes, and leaves no broken character.
func shorten(text string, length int) string {
	if len(text) > length {
		text = text[:length]
	}
	return strings.ToValidUTF8(text, "")
}
