// Package admission finds out on whose behalf a request comes, and whether that caller has
// budget left. It owns the order: an Authorization header is taken as it is and no cookie
// is looked at; without one the session of the cookie is exchanged for a token of the
// account in the path, and an unsafe request must carry the session's CSRF token.
//
// It refuses nothing but what is beyond the budget. A login that does not count is noted
// in the call, where the edge refuses the methods that need one: a stale cookie must not
// keep anybody from the methods that are for all.
//
// Guarantees: budgets belong to verified callers, everybody else shares that of the
// address; so nobody gets a budget by making up names, nor spends another's.
package admission

import (
	"context"
	"net/http"
	"strings"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/csrf"
	"github.com/primecloud/primecloud/gateway/internal/ratelimit"
	"github.com/primecloud/primecloud/gateway/internal/session"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/token"
)

// Config is what admission goes by.
type Config struct {
	// Subject verifies an access token and names its caller; ok is false for one that is
	// not valid, or cannot be verified now. The services decide about it, not this name.
	Subject func(ctx context.Context, bearer string) (subject string, ok bool)
	// Cookies reads the session's cookie.
	Cookies session.Cookies
	// Tokens exchanges sessions.
	Tokens *session.Tokens
	// Guard checks CSRF tokens.
	Guard *csrf.Guard
	// Limiter keeps the budgets.
	Limiter *ratelimit.Limiter
	// Clock tells the time.
	Clock clock.Clock
}

// Admission decides about requests. It is safe for concurrent use.
type Admission struct{ config Config }

// New returns an admission.
func New(config Config) *Admission { return &Admission{config: config} }

// Admit notes the login of a request in the call and takes the request out of the
// caller's budget.
func (a *Admission) Admit(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call) error {
	if authorization := r.Header["Authorization"]; len(authorization) > 0 {
		a.bearer(ctx, k, authorization)
		return a.spend(w, k.Principal, k)
	}
	if secret := a.config.Cookies.Read(r); secret != "" {
		if err := a.cookie(ctx, w, r, k, secret); err != nil {
			return err
		}
	}
	return a.spend(w, k.Principal, k)
}

// bearer notes a token that the client shows itself.
func (a *Admission) bearer(ctx context.Context, k *call.Call, authorization []string) {
	const scheme = "Bearer "
	value := authorization[0]
	if len(authorization) > 1 || len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		k.Refusal = token.ErrInvalid.WithMessage("the Authorization header must be `Bearer` and one access token")
		return
	}
	k.Bearer = strings.TrimSpace(value[len(scheme):])
	if !plain(k.Bearer) {
		k.Bearer, k.Refusal = "", token.ErrInvalid
		return
	}
	if subject, ok := a.config.Subject(ctx, k.Bearer); ok {
		k.Principal = subject
	}
}

// plain reports whether a token may stand in metadata: no token of ours has anything else.
func plain(bearer string) bool {
	for i := range len(bearer) {
		if bearer[i] <= 0x20 || bearer[i] > 0x7e {
			return false
		}
	}
	return bearer != ""
}

// cookie exchanges the session of the cookie. An exchange costs more than a request, so it
// comes out of the address's budget first.
func (a *Admission) cookie(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call, secret string) error {
	login := a.config.Tokens.Login(secret, AccountOf(r.URL.Path))
	access, subject, ok := login.Cached()
	if !ok {
		if err := a.spend(w, ratelimit.Key(k.Address), k); err != nil {
			return err
		}
		var err error
		if access, subject, err = login.Token(call.NewContext(ctx, k)); err != nil {
			k.Refusal = err
			if errs.KindOf(err) == errs.Unauthenticated {
				a.config.Cookies.Clear(w)
			}
			return nil
		}
	}
	k.Principal, k.Bearer, k.Renewer = subject, access, &login
	k.Refusal = a.config.Guard.Check(r, secret)
	return nil
}

// spend takes one request out of a budget.
func (a *Admission) spend(w http.ResponseWriter, principal string, k *call.Call) error {
	if principal == "" {
		principal = ratelimit.Key(k.Address)
	}
	decision := a.config.Limiter.Take(principal, a.config.Clock.Now())
	a.config.Limiter.Tell(w.Header(), decision)
	if !decision.Allowed {
		return ratelimit.ErrLimited.WithRetryAfter(decision.RetryAfter)
	}
	return nil
}

// AccountOf returns the account that a path names, session.Platform for what the platform's
// operators do, or "".
func AccountOf(path string) string {
	if strings.HasPrefix(path, "/v1/platform/") {
		return session.Platform
	}
	rest, ok := strings.CutPrefix(path, "/v1/accounts/")
	if !ok {
		return ""
	}
	// A verb follows the account's own name behind a colon.
	account, _, _ := strings.Cut(rest, "/")
	account, _, _ = strings.Cut(account, ":")
	return account
}
