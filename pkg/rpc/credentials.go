package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
)

// exchangeWithin bounds one exchange of a key for a token.
const exchangeWithin = 10 * time.Second

// exchangeApart is the least time between two exchanges that fail while a token lives.
const exchangeApart = time.Second

// KeyCredentialsConfig says how to get access tokens.
type KeyCredentialsConfig struct {
	// Exchange turns the API key into an access token and says when that ends: a call of
	// identity's TokenService.ExchangeApiKey over a connection without these credentials.
	Exchange func(ctx context.Context) (accessToken string, expires time.Time, err error)
	// Clock tells the time.
	Clock clock.Clock
	// AllowPlaintext lets the token travel without TLS; for loopback only.
	AllowPlaintext bool
}

// KeyCredentials log a machine in to each call with a token that is renewed before it ends.
// One exchange serves all calls that wait for it; while the old token still lives, nobody
// waits. They are credentials.PerRPCCredentials.
type KeyCredentials struct {
	config KeyCredentialsConfig

	mu      sync.Mutex
	token   string
	renew   time.Time
	expires time.Time
	running *exchange
}

// exchange is one exchange under way.
type exchange struct {
	done chan struct{}
	err  error
}

// NewKeyCredentials returns credentials that fetch their first token with the first call.
func NewKeyCredentials(config KeyCredentialsConfig) (*KeyCredentials, error) {
	if config.Exchange == nil || config.Clock == nil {
		return nil, errors.New("rpc: key credentials need Exchange and Clock")
	}
	return &KeyCredentials{config: config}, nil
}

// GetRequestMetadata returns the authorization header.
func (k *KeyCredentials) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	accessToken, err := k.Token(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{HeaderAuthorization: "Bearer " + accessToken}, nil
}

// RequireTransportSecurity reports whether the token may travel over TLS only.
func (k *KeyCredentials) RequireTransportSecurity() bool { return !k.config.AllowPlaintext }

// Forget drops the token, so that the next call fetches one. Call it when a call was
// refused with TOKEN_REVOKED although the key still works: a change of the key's account
// revokes its tokens.
func (k *KeyCredentials) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.token, k.renew, k.expires = "", time.Time{}, time.Time{}
}

// Drop drops a token that was refused, unless there is another one already.
func (k *KeyCredentials) Drop(accessToken string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.token == accessToken {
		k.token, k.renew, k.expires = "", time.Time{}, time.Time{}
	}
}

// Token returns a token that lives.
func (k *KeyCredentials) Token(ctx context.Context) (string, error) {
	for {
		k.mu.Lock()
		now := k.config.Clock.Now()
		if now.Before(k.renew) {
			defer k.mu.Unlock()
			return k.token, nil
		}
		alive := now.Before(k.expires)
		running, mine := k.running, false
		if running == nil {
			running, mine = &exchange{done: make(chan struct{})}, true
			k.running = running
		}
		old := k.token
		k.mu.Unlock()
		switch {
		case mine && !alive:
			if err := k.exchange(ctx, running); err != nil {
				return "", err
			}
		case mine:
			// The old token serves this call; it is renewed for the next ones.
			go func() { _ = k.exchange(context.WithoutCancel(ctx), running) }()
			return old, nil
		case alive:
			return old, nil
		default:
			select {
			case <-running.done:
				if running.err != nil && ctx.Err() == nil {
					return "", running.err
				}
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
		}
	}
}

// exchange gets a token and keeps it. Others may wait for it, so it outlives the call that
// happens to make it.
func (k *KeyCredentials) exchange(ctx context.Context, e *exchange) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeWithin)
	defer cancel()
	asked := k.config.Clock.Now()
	accessToken, expires, err := "", time.Time{}, errors.New("rpc: the exchange of the key panicked")
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		defer close(e.done)
		k.running, e.err = nil, err
		if err != nil {
			// Not at each call again while the old token still serves.
			k.renew = asked.Add(exchangeApart)
			if k.renew.After(k.expires) {
				k.renew = k.expires
			}
			return
		}
		// Renewed after four fifths of its life.
		k.token, k.expires, k.renew = accessToken, expires, asked.Add(expires.Sub(asked)*4/5)
	}()
	accessToken, expires, err = k.config.Exchange(ctx)
	if err == nil && (accessToken == "" || !expires.After(asked)) {
		err = errors.New("rpc: the key was exchanged for a token that has ended already")
	}
	return err
}
