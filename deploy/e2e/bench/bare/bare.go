// Package bare is the yardstick of the benchmark: the least program that gives the same
// answers, of net/http and pgx alone. It checks the same tokens (EdDSA, with the suite's own
// cache of verified ones), runs the very same SQL under the same row-level security in one
// round trip, and writes the same JSON with encoding/json. It has no interceptors, traces,
// metrics, logs, rate limits, validation or page tokens.
//
// It is a process of its own, as the suite in one process is.
package bare

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/token"
)

// Config is what the program goes by.
type Config struct {
	// StorageURL and IdentityURL are how the services' serving roles connect.
	StorageURL, IdentityURL string
	// Connections is how many each pool may have.
	Connections int32
	// Keys are the key set that tokens are verified with: X by key id.
	Keys map[string]string
	// Issuer and Audience are what tokens must name.
	Issuer, Audience string
	// Account is an account as the suite made it, whose rows those of a write are made after.
	Account Sample
}

// server answers requests.
type server struct {
	config            Config
	verifier          *token.Verifier
	storage, identity *pgxpool.Pool
}

// Serve serves until ctx is done. ready is called with the address.
func Serve(ctx context.Context, c Config, ready func(address string) error) (err error) {
	s := &server{config: c}
	keys := keySet{}
	for id, x := range c.Keys {
		if keys[id], err = token.NewPublicKey(id, x); err != nil {
			return err
		}
	}
	s.verifier, err = token.NewVerifier(token.VerifierConfig{Issuer: c.Issuer, Audience: c.Audience, Clock: clock.System(), Keys: keys})
	if err != nil {
		return err
	}
	if s.storage, err = pool(ctx, c.StorageURL, c.Connections); err != nil {
		return err
	}
	defer s.storage.Close()
	if s.identity, err = pool(ctx, c.IdentityURL, c.Connections); err != nil {
		return err
	}
	defer s.identity.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := ready(listener.Addr().String()); err != nil {
		return errors.Join(err, listener.Close())
	}
	return s.serve(ctx, listener)
}

func (s *server) serve(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/accounts/{account}/buckets/{bucket}", s.getBucket)
	mux.HandleFunc("GET /v1/accounts/{account}/buckets", s.listBuckets)
	mux.HandleFunc("POST /v1/accounts", s.createAccount)
	mux.HandleFunc("POST /batched/v1/accounts", s.createAccountBatched)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = web.Close() })
	defer stop()
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func pool(ctx context.Context, url string, connections int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("bare: the database URL is malformed")
	}
	config.MaxConns = connections
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	return pgxpool.NewWithConfig(ctx, config)
}

// keySet are keys that do not change.
type keySet map[string]token.PublicKey

// Key returns the key of that id.
func (k keySet) Key(_ context.Context, id string) (ed25519.PublicKey, error) {
	if key, ok := k[id]; ok {
		return key.Key, nil
	}
	return nil, token.ErrUnknownKey
}

// caller checks the token.
func (s *server) caller(r *http.Request) (*token.Claims, error) {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, errors.New("no token")
	}
	return s.verifier.Verify(r.Context(), bearer)
}

// account checks the token and that it is for the account of the path.
func (s *server) account(w http.ResponseWriter, r *http.Request) (string, bool) {
	claims, err := s.caller(r)
	if err != nil || claims.Account != r.PathValue("account") {
		http.Error(w, "not yours", http.StatusForbidden)
		return "", false
	}
	return claims.Account, true
}

// answer writes a value as JSON, with its length, so that it is sent in one piece.
func answer(w http.ResponseWriter, value any, err error) {
	var body []byte
	if err == nil {
		body, err = json.Marshal(value)
	}
	if err != nil {
		http.Error(w, fmt.Sprint(err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}
