// Package session turns the session that a browser's cookie names into access tokens. It
// owns the cookie and a bounded cache of tokens; sessions themselves are identity's.
//
// Guarantees: secrets are not kept, only their hashes; a token is used until shortly before
// it ends; callers that need the same token at once cause one exchange; a refused exchange
// is not remembered.
package session

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
)

const (
	// early is how long before its end a token is replaced.
	early = 30 * time.Second
	// exchangeWithin bounds an exchange, which outlives the request that asked for it.
	exchangeWithin = 10 * time.Second
	// maxSessions and maxAccounts bound the cache.
	maxSessions, maxAccounts = 16384, 64
	// maxSecret is longer than any secret that identity makes.
	maxSecret = 512
)

// Token is what an exchange gives.
type Token struct {
	// Access is the access token.
	Access string
	// Expires is when it ends.
	Expires time.Time
	// UserID is the person's.
	UserID string
}

// Platform stands in an account's place for a token that is bound to the platform. No
// account has such an id.
const Platform = "*platform"

// Exchange turns a session's secret into a token for an account, or for the person alone
// when account is empty, or for the platform.
type Exchange func(ctx context.Context, secret, account string) (Token, error)

// Tokens is the cache. It is safe for concurrent use.
type Tokens struct {
	exchange Exchange
	clock    clock.Clock
	flights  singleflight.Group

	mu     sync.RWMutex
	logins map[[sha256.Size]byte]map[string]*entry
}

type entry struct {
	token Token
	// subject is the person as rate limits name them.
	subject string
	until   time.Time
}

// NewTokens returns an empty cache.
func NewTokens(exchange Exchange, clock clock.Clock) *Tokens {
	return &Tokens{exchange: exchange, clock: clock, logins: map[[sha256.Size]byte]map[string]*entry{}}
}

// Login is one session at work for one account.
type Login struct {
	tokens  *Tokens
	hash    [sha256.Size]byte
	secret  string
	account string
}

// Login returns the login of a session's secret for an account.
func (t *Tokens) Login(secret, account string) Login {
	return Login{tokens: t, hash: sha256.Sum256([]byte(secret)), secret: secret, account: account}
}

// Cached returns the token and the subject if that needs no exchange.
func (l *Login) Cached() (access, subject string, ok bool) {
	l.tokens.mu.RLock()
	e := l.tokens.logins[l.hash][l.account]
	l.tokens.mu.RUnlock()
	if e == nil || !l.tokens.clock.Now().Before(e.until) {
		return "", "", false
	}
	return e.token.Access, e.subject, true
}

// Token returns a token and the subject, by an exchange if there is none at hand.
func (l *Login) Token(ctx context.Context) (access, subject string, err error) {
	if access, subject, ok := l.Cached(); ok {
		return access, subject, nil
	}
	result := l.tokens.flights.DoChan(string(l.hash[:])+l.account, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeWithin)
		defer cancel()
		return l.renew(ctx)
	})
	select {
	case <-ctx.Done():
		return "", "", ctx.Err()
	case r := <-result:
		if r.Err != nil {
			return "", "", r.Err
		}
		e := r.Val.(*entry)
		return e.token.Access, e.subject, nil
	}
}

// Renew returns another token in place of one that a service refused: it was revoked, be
// it because the person's role changed, and a new one may say the new truth.
func (l *Login) Renew(ctx context.Context, stale string) (string, error) {
	l.tokens.mu.Lock()
	if e := l.tokens.logins[l.hash][l.account]; e != nil && e.token.Access == stale {
		delete(l.tokens.logins[l.hash], l.account)
	}
	l.tokens.mu.Unlock()
	access, _, err := l.Token(ctx)
	return access, err
}

func (l *Login) renew(ctx context.Context) (*entry, error) {
	now := l.tokens.clock.Now()
	token, err := l.tokens.exchange(ctx, l.secret, l.account)
	if err != nil {
		return nil, err
	}
	if token.Access == "" || !token.Expires.After(now) {
		return nil, errs.New(errs.Internal, "INTERNAL", "identity gave a token that has ended already")
	}
	e := &entry{token: token, subject: "person:" + token.UserID}
	e.until = token.Expires.Add(-min(early, token.Expires.Sub(now)/2))
	l.tokens.put(l.hash, l.account, e)
	return e, nil
}

func (t *Tokens) put(hash [sha256.Size]byte, account string, e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	accounts := t.logins[hash]
	if accounts == nil {
		t.makeRoom()
		accounts = map[string]*entry{}
		t.logins[hash] = accounts
	}
	if len(accounts) >= maxAccounts {
		clear(accounts)
	}
	accounts[account] = e
}

// makeRoom drops sessions whose tokens have all ended, and if need be some that have not.
func (t *Tokens) makeRoom() {
	if len(t.logins) < maxSessions {
		return
	}
	now := t.clock.Now()
	for hash, accounts := range t.logins {
		for account, e := range accounts {
			if !now.Before(e.until) {
				delete(accounts, account)
			}
		}
		if len(accounts) == 0 {
			delete(t.logins, hash)
		}
	}
	for hash := range t.logins {
		if len(t.logins) < maxSessions*7/8 {
			return
		}
		delete(t.logins, hash)
	}
}

// Forget drops the tokens of a session that has ended.
func (t *Tokens) Forget(secret string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.logins, sha256.Sum256([]byte(secret)))
}

// Size returns how many tokens are kept.
func (t *Tokens) Size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := 0
	for _, accounts := range t.logins {
		n += len(accounts)
	}
	return n
}
