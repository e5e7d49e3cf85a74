// Package oauth is the gateway as an OAuth 2.0 authorization server for machines: the token
// endpoint with the client credentials grant (RFC 6749, section 4.4), and its metadata (RFC
// 8414). It owns the form of requests, answers and errors, which are OAuth's and not those
// of the rest of the gateway; identity decides about the key.
//
// Guarantees: credentials are read from the Authorization header or the body, never from the
// query, and never from both; an answer is not stored by caches; whoever shows a bad key
// learns nothing of why; what went wrong on our side is told apart from a bad client.
package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/fault"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// The paths.
const (
	// TokenPath is that of the token endpoint.
	TokenPath = "/oauth2/token"
	// MetadataPath is that of the metadata, where RFC 8414 has it.
	MetadataPath = "/.well-known/oauth-authorization-server"
	// keysPath is where the contract has the keys, in the form of a JSON Web Key Set.
	keysPath = "/v1/tokens/keySet"
)

// maxForm is the largest form that is read, in bytes.
const maxForm = 8 << 10

// grantType is the one grant there is.
const grantType = "client_credentials"

// Config is what the server is made of.
type Config struct {
	// PublicURL is our address as clients know it.
	PublicURL string
	// Scopes are all there are.
	Scopes []string
	// Identity exchanges keys.
	Identity grpc.ClientConnInterface
	// Clock tells the time.
	Clock clock.Clock
}

// Server serves the two paths.
type Server struct {
	clock    clock.Clock
	tokens   identityv1.TokenServiceClient
	metadata []byte
}

// New returns a server.
func New(c Config) (*Server, error) {
	metadata, err := json.Marshal(map[string]any{
		"issuer": c.PublicURL, "token_endpoint": c.PublicURL + TokenPath, "jwks_uri": c.PublicURL + keysPath,
		"grant_types_supported": []string{grantType}, "response_types_supported": []string{},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"scopes_supported":                      c.Scopes, "service_documentation": c.PublicURL + "/docs",
	})
	if err != nil {
		return nil, err
	}
	return &Server{clock: c.Clock, tokens: identityv1.NewTokenServiceClient(c.Identity), metadata: metadata}, nil
}

// Metadata serves GET /.well-known/oauth-authorization-server.
func (s *Server) Metadata(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.metadata) // a client that went away is not told
}

// Token serves POST /oauth2/token.
func (s *Server) Token(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call) {
	asked, refused := read(w, r)
	if refused != nil {
		s.fail(w, k, refused)
		return
	}
	given, err := s.tokens.ExchangeApiKey(call.Outgoing(call.NewContext(ctx, k)), &identityv1.ExchangeApiKeyRequest{
		ApiKey: asked.secret, ApiKeyId: asked.id, Scopes: asked.scopes,
	})
	if err != nil {
		s.fail(w, k, refusalOf(rpc.FromStatus(err)))
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"access_token": given.GetAccessToken(), "token_type": "Bearer",
		"expires_in": int64(given.GetExpireTime().AsTime().Sub(s.clock.Now()) / time.Second),
		"scope":      strings.Join(given.GetScopes(), " "),
	})
}

// Limited answers a client that has no budget left.
func (s *Server) Limited(w http.ResponseWriter, k *call.Call, err error) {
	s.fail(w, k, refusalOf(err))
}

// client is what a request says.
type client struct {
	id, secret string
	scopes     []string
}

// read reads a request for a token.
func read(w http.ResponseWriter, r *http.Request) (client, *refusal) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return client{}, invalidRequest("send the body as application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return client{}, invalidRequest("the body is no form, or too large")
	}
	form := r.PostForm
	for _, name := range []string{"grant_type", "client_id", "client_secret", "scope"} {
		if len(form[name]) > 1 {
			return client{}, invalidRequest(name + " was sent more than once")
		}
	}
	c := client{id: form.Get("client_id"), secret: form.Get("client_secret"), scopes: strings.Fields(form.Get("scope"))}
	if refused := c.basic(r); refused != nil {
		return client{}, refused
	}
	switch grant := form.Get("grant_type"); {
	case grant == "":
		return client{}, invalidRequest("grant_type is missing; send client_credentials")
	case grant != grantType:
		return client{}, &refusal{http.StatusBadRequest, "unsupported_grant_type", "send grant_type=client_credentials", nil}
	case c.id == "" || c.secret == "":
		return client{}, invalidClient("send the id of the API key as client_id and the key as client_secret", nil)
	}
	return c, nil
}

// basic takes the credentials of an Authorization header, which are form-encoded within
// (RFC 6749, section 2.3.1).
func (c *client) basic(r *http.Request) *refusal {
	switch headers := r.Header["Authorization"]; {
	case len(headers) == 0:
		return nil
	case len(headers) > 1 || c.secret != "":
		return invalidRequest("send credentials once: as HTTP Basic or in the body")
	}
	name, password, ok := r.BasicAuth()
	id, err1 := url.QueryUnescape(name)
	secret, err2 := url.QueryUnescape(password)
	if !ok || errors.Join(err1, err2) != nil {
		return invalidClient("the Authorization header is not HTTP Basic with the id of the API key and the key", nil)
	}
	if c.id != "" && c.id != id {
		return invalidRequest("client_id is another one than in the Authorization header")
	}
	c.id, c.secret = id, secret
	return nil
}

// refusal is an error of RFC 6749, section 5.2.
type refusal struct {
	status            int
	code, description string
	cause             error
}

func invalidRequest(description string) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request", description, nil}
}

func invalidClient(description string, cause error) *refusal {
	return &refusal{http.StatusUnauthorized, "invalid_client", description, cause}
}

// refusalOf returns an error of identity, or of the budget, in OAuth's words.
func refusalOf(err error) *refusal {
	e, _ := errs.As(err)
	switch status := fault.HTTPStatus(err, rpc.ToStatus(err, fault.Domain, "").Code()); {
	case errs.KindOf(err) == errs.Unauthenticated:
		return invalidClient("the API key is not valid; use another one", err)
	case errs.ReasonOf(err) == "SCOPE_NOT_HELD":
		return &refusal{http.StatusBadRequest, "invalid_scope", e.Message(), err}
	case errs.KindOf(err) == errs.InvalidArgument:
		return &refusal{http.StatusBadRequest, "invalid_request", e.Message(), err}
	case status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout || status == http.StatusTooManyRequests:
		return &refusal{status, "temporarily_unavailable", "try again later", err}
	default:
		return &refusal{http.StatusInternalServerError, "server_error", "something went wrong on our side; report it with the X-Request-Id", err}
	}
}

func (s *Server) fail(w http.ResponseWriter, k *call.Call, r *refusal) {
	k.Failure = r.cause
	if k.Failure == nil {
		k.Failure = fault.ErrRequestInvalid.WithMessage("%s: %s", r.code, r.description)
	}
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="primecloud"`)
	}
	if e, ok := errs.As(r.cause); ok && e.RetryAfter() > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter()+time.Second-1)/time.Second), 10))
	}
	answer(w, r.status, map[string]any{"error": r.code, "error_description": r.description})
}

// answer writes JSON that nobody may store.
func answer(w http.ResponseWriter, status int, body map[string]any) {
	raw, err := json.Marshal(body)
	if err != nil {
		raw, status = []byte(`{"error":"server_error"}`), http.StatusInternalServerError
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // a client that went away is not told
}
