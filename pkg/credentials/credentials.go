// Package credentials logs a Go program in to the suite with an API key, over gRPC:
//
//	login, err := credentials.New(credentials.Config{
//		Identity: identity, // rpc.Dial without credentials
//		Key:      credentials.File("/run/secrets/primecloud-api-key"),
//		Clock:    clock.System(),
//	})
//	conn, err := rpc.Dial(rpc.ClientConfig{Target: "storage:7002", TLS: tls, Credentials: login}, rpc.Deps{})
//	buckets := storagev1.NewBucketServiceClient(login.Conn(conn))
//
// It owns the exchange of the key at identity and nothing of what it opens. Guarantees: one
// exchange serves all calls that wait for it; a token is renewed ahead of its end, and while
// it lives no call waits for identity or fails with it; the key is read anew for each
// exchange, so that a rotated one is taken up within a token's lifetime and no restart is
// needed; a token that was revoked while its key still works costs no call.
//
// Programs that speak REST need nothing of this: the gateway is an OAuth 2.0 server, for
// which golang.org/x/oauth2/clientcredentials does.
package credentials

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// Key returns the API key. It is called before each exchange.
type Key func() (string, error)

// Literal is a key that stays the same.
func Literal(key string) Key { return func() (string, error) { return key, nil } }

// File is a key that stands in a file, alone; blanks and line ends around it do not count.
func File(path string) Key {
	return func() (string, error) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("credentials: the API key cannot be read: %w", err)
		}
		return strings.TrimSpace(string(raw)), nil
	}
}

// Config says how to log in.
type Config struct {
	// Identity is a connection to identity, without these credentials.
	Identity grpc.ClientConnInterface
	// Key is the API key.
	Key Key
	// Scopes narrow the tokens; none takes all that the key has.
	Scopes []string
	// Clock tells the time.
	Clock clock.Clock
	// AllowPlaintext lets tokens travel without TLS; for loopback only.
	AllowPlaintext bool
}

// Credentials are credentials.PerRPCCredentials of gRPC. They are safe for concurrent use.
type Credentials struct{ *rpc.KeyCredentials }

// New returns credentials that fetch their first token with the first call.
func New(c Config) (*Credentials, error) {
	if c.Identity == nil || c.Key == nil || c.Clock == nil {
		return nil, errors.New("credentials: Identity, Key and Clock are needed")
	}
	tokens := identityv1.NewTokenServiceClient(c.Identity)
	inner, err := rpc.NewKeyCredentials(rpc.KeyCredentialsConfig{
		Clock: c.Clock, AllowPlaintext: c.AllowPlaintext,
		Exchange: func(ctx context.Context) (string, time.Time, error) {
			key, err := c.Key()
			if err != nil {
				return "", time.Time{}, err
			}
			given, err := tokens.ExchangeApiKey(ctx, &identityv1.ExchangeApiKeyRequest{ApiKey: key, Scopes: c.Scopes})
			if err != nil {
				return "", time.Time{}, rpc.FromStatus(err)
			}
			return given.GetAccessToken(), given.GetExpireTime().AsTime(), nil
		},
	})
	if err != nil {
		return nil, err
	}
	return &Credentials{inner}, nil
}

// revoked is the reason of a refusal that another token may not meet.
const revoked = "TOKEN_REVOKED"

// Conn returns the connection, which must have been dialled with these credentials, with one
// addition: a unary call that was refused because its token had been revoked (the account's
// state changed, or the key was rotated) is made once more with a new one. Such a call had no
// effect. A stream that fails so has its token dropped for the next call; the caller opens
// it again.
func (c *Credentials) Conn(inner grpc.ClientConnInterface) grpc.ClientConnInterface {
	return &conn{ClientConnInterface: inner, login: c}
}

type conn struct {
	grpc.ClientConnInterface
	login *Credentials
}

// Invoke makes a unary call.
func (c *conn) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	used, err := c.login.Token(ctx)
	if err != nil {
		return err
	}
	err = c.ClientConnInterface.Invoke(ctx, method, request, response, options...)
	if errs.ReasonOf(rpc.FromStatus(err)) != revoked {
		return err
	}
	c.login.Drop(used)
	return c.ClientConnInterface.Invoke(ctx, method, request, response, options...)
}

// NewStream opens a stream.
func (c *conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	used, err := c.login.Token(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := c.ClientConnInterface.NewStream(ctx, desc, method, options...)
	if err != nil {
		c.drop(err, used)
		return nil, err
	}
	return &watched{ClientStream: stream, conn: c, used: used}, nil
}

func (c *conn) drop(err error, used string) {
	if err != nil && errs.ReasonOf(rpc.FromStatus(err)) == revoked {
		c.login.Drop(used)
	}
}

// watched is a stream that tells of a revoked token.
type watched struct {
	grpc.ClientStream
	conn *conn
	used string
}

// RecvMsg receives a message.
func (w *watched) RecvMsg(m any) error {
	err := w.ClientStream.RecvMsg(m)
	w.conn.drop(err, w.used)
	return err
}
