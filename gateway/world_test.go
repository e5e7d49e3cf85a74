package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/gateway"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// world is a gateway before two small services that go through the real chain. What they
// keep is in memory; what they were asked is on record.
type world struct {
	t        testing.TB
	listener net.Listener
	base     string
	handler  http.Handler
	clock    *clock.Manual
	signer   *token.Signer
	identity *identityServer
	storage  *storageServer
}

// settings changes the gateway's configuration.
type settings func(config.Source)

func newWorld(t testing.TB, changes ...settings) *world {
	t.Helper()
	return newWorldOn(t, listen(t), changes...)
}

// listen takes an address for a gateway.
func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	return listener
}

func newWorldOn(t testing.TB, listener net.Listener, changes ...settings) *world {
	t.Helper()
	w := emptyWorld(t, listener)
	w.run(w.storage, changes...)
	return w
}

// newWorldWith returns a world whose buckets are another server's.
func newWorldWith(t testing.TB, buckets storagev1.BucketServiceServer, changes ...settings) *world {
	t.Helper()
	w := emptyWorld(t, listen(t))
	w.run(buckets, changes...)
	return w
}

func emptyWorld(t testing.TB, listener net.Listener) *world {
	t.Helper()
	w := &world{t: t, listener: listener, clock: clock.NewManual(time.Now()), signer: token.NewSigner()}
	key, err := token.NewSigningKey()
	must(t, err)
	must(t, w.signer.Use(token.Ring{Current: key}))
	w.identity = &identityServer{world: w, sessions: map[string]string{}, revoked: map[string]bool{}}
	w.storage = &storageServer{buckets: map[string]*storagev1.Bucket{}}
	return w
}

func (w *world) run(buckets storagev1.BucketServiceServer, changes ...settings) {
	w.t.Helper()
	identity := w.server("identity", func(r grpc.ServiceRegistrar) {
		identityv1.RegisterSessionServiceServer(r, w.identity)
		identityv1.RegisterTokenServiceServer(r, w.identity)
		identityv1.RegisterLinkedLoginServiceServer(r, w.identity)
		identityv1.RegisterUserServiceServer(r, w.identity)
		identityv1.RegisterMembershipServiceServer(r, w.identity)
	})
	storage := w.server("storage", func(r grpc.ServiceRegistrar) {
		storagev1.RegisterBucketServiceServer(r, buckets)
		storagev1.RegisterBackendServiceServer(r, w.storage)
	})
	w.start(identity.Channel("gateway"), storage.Channel("gateway"), changes...)
}

// server returns a server with the chain that every service has.
func (w *world) server(noun string, register func(grpc.ServiceRegistrar)) *rpc.Server {
	w.t.Helper()
	verifier, err := token.NewVerifier(token.VerifierConfig{Issuer: "primecloud", Audience: "primecloud", Clock: w.clock, Keys: w.signer})
	must(w.t, err)
	s, err := rpc.NewServer(rpc.ServerConfig{
		Service: noun, Noun: noun, TrustedForwarders: []string{"gateway"},
		Authenticate: func(ctx context.Context, bearer string) (principal.Principal, error) {
			claims, err := verifier.Verify(ctx, bearer)
			if err != nil {
				return principal.Nobody(), err
			}
			if w.identity.isRevoked(claims.ID) {
				return principal.Nobody(), errs.New(errs.Unauthenticated, "TOKEN_REVOKED", "revoked")
			}
			return claims.Principal(), nil
		},
	}, rpc.Deps{})
	must(w.t, err)
	register(s)
	return s
}

// start runs a gateway before the two connections.
func (w *world) start(identity, storage grpc.ClientConnInterface, changes ...settings) {
	w.t.Helper()
	w.base = "http://" + w.listener.Addr().String()
	source := config.Source{
		"PRIMECLOUD_GATEWAY_PUBLIC_URL":       w.base,
		"PRIMECLOUD_GATEWAY_COOKIE_KEY":       "a key for tests that is long enough",
		"PRIMECLOUD_GATEWAY_OIDC_ISSUER":      "http://127.0.0.1:1/dex",
		"PRIMECLOUD_GATEWAY_RATE_LIMIT":       "0",
		"PRIMECLOUD_GATEWAY_LOGIN_RATE_LIMIT": "0",
	}
	for _, change := range changes {
		change(source)
	}
	var c gateway.Config
	must(w.t, config.Load(&c, source, "PRIMECLOUD_GATEWAY_"))
	telemetry := observe.Discard()
	if _, benchmark := w.t.(*testing.B); !benchmark {
		telemetry.Logger = testkit.Logger(w.t)
	}
	g, err := gateway.New(w.t.Context(), c, gateway.Deps{
		Telemetry: telemetry, Clock: w.clock, Listener: w.listener, Identity: identity, Storage: storage,
	})
	must(w.t, err)
	w.handler = g.Handler()
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		must(w.t, <-ended)
	})
}

func set(name, value string) settings {
	return func(s config.Source) { s["PRIMECLOUD_GATEWAY_"+name] = value }
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bearer returns an access token of a person, bound to an account.
func (w *world) bearer(user, account string) string {
	w.t.Helper()
	now := w.clock.Now()
	raw, err := w.signer.Sign(token.Claims{
		Issuer: "primecloud", Audience: "primecloud", Subject: user, Kind: principal.Person, Account: account, AccountState: "active",
		Role: "owner", Session: "ses_1", ID: id.New("tok", now), IssuedAt: now, Expires: now.Add(5 * time.Minute),
	})
	must(w.t, err)
	return raw
}

// answer is what the gateway said.
type answer struct {
	status int
	header http.Header
	body   string
}

// json returns the body as JSON.
func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("HTTP %d with a body that is no JSON: %q", a.status, a.body)
	}
	return v
}

// wants fails the test unless the answer is a Status of this HTTP status and reason, and
// returns its details by the last part of their types.
func (a answer) wants(t testing.TB, status int, reason string) map[string]map[string]any {
	t.Helper()
	details := map[string]map[string]any{}
	listed, _ := a.json(t)["details"].([]any)
	for _, d := range listed {
		detail := d.(map[string]any)
		kind := detail["@type"].(string)
		details[kind[strings.LastIndexByte(kind, '.')+1:]] = detail
	}
	if got := details["ErrorInfo"]["reason"]; a.status != status || got != reason {
		t.Fatalf("got HTTP %d %v, want %d %s: %s", a.status, got, status, reason, a.body)
	}
	if a.header.Get("Content-Type") != "application/json" || details["RequestInfo"]["requestId"] != a.header.Get("X-Request-Id") {
		t.Errorf("an error without JSON or request id: %v %s", a.header, a.body)
	}
	return details
}

// ok fails the test unless the answer is a success.
func (a answer) ok(t testing.TB) answer {
	t.Helper()
	if a.status < 200 || a.status > 299 {
		t.Fatalf("got HTTP %d: %s", a.status, a.body)
	}
	return a
}

// client is a browser or a program.
type client struct {
	w    *world
	http *http.Client
	with http.Header
}

// client returns one with an empty cookie jar that follows no redirect.
func (w *world) client(header ...string) *client {
	jar, err := cookiejar.New(nil)
	must(w.t, err)
	c := &client{w: w, with: http.Header{}, http: &http.Client{Jar: jar, Timeout: time.Minute}}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for i := 0; i < len(header); i += 2 {
		c.with.Add(header[i], header[i+1])
	}
	return c
}

// as returns a program with an access token.
func (w *world) as(user, account string, header ...string) *client {
	return w.client(append([]string{"Authorization", "Bearer " + w.bearer(user, account)}, header...)...)
}

// inBrowser returns a browser with the session of a user.
func (w *world) inBrowser(user string, header ...string) *client {
	secret := w.identity.session(user)
	return w.client(append([]string{"Cookie", "primecloud_session=" + secret}, header...)...)
}

// do sends a request; header pairs are added to the client's.
func (c *client) do(method, path string, body any, header ...string) answer {
	c.w.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case io.Reader:
		reader = b
	}
	address := path
	if strings.HasPrefix(path, "/") {
		address = c.w.base + path
	}
	r, err := http.NewRequestWithContext(c.w.t.Context(), method, address, reader)
	must(c.w.t, err)
	for name, values := range c.with {
		r.Header[name] = values
	}
	if reader != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
			continue
		}
		r.Header[http.CanonicalHeaderKey(header[i])] = append(r.Header[http.CanonicalHeaderKey(header[i])], header[i+1])
	}
	response, err := c.http.Do(r)
	must(c.w.t, err)
	defer func() { _ = response.Body.Close() }()
	var text bytes.Buffer
	_, err = io.Copy(&text, response.Body)
	must(c.w.t, err)
	return answer{status: response.StatusCode, header: response.Header, body: text.String()}
}

func (c *client) get(path string, header ...string) answer { return c.do("GET", path, nil, header...) }

// asked is a call as a service saw it.
type asked struct {
	method    string
	metadata  metadata.MD
	principal principal.Principal
	request   any
}

// record keeps what was asked.
type record struct {
	mu   sync.Mutex
	list []asked
}

func (r *record) note(ctx context.Context, request any) {
	md, _ := metadata.FromIncomingContext(ctx)
	method, _ := grpc.Method(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, asked{method: method, metadata: md, principal: principal.FromContext(ctx), request: request})
}

func (r *record) last(t testing.TB) asked {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		t.Fatal("the service was not asked")
	}
	return r.list[len(r.list)-1]
}

func (r *record) count(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, a := range r.list {
		if strings.HasSuffix(a.method, "/"+method) {
			n++
		}
	}
	return n
}

// identityServer keeps sessions in memory.
type identityServer struct {
	identityv1.UnimplementedSessionServiceServer
	identityv1.UnimplementedTokenServiceServer
	identityv1.UnimplementedLinkedLoginServiceServer
	identityv1.UnimplementedUserServiceServer
	identityv1.UnimplementedMembershipServiceServer
	record
	world *world

	mu       sync.Mutex
	sessions map[string]string
	revoked  map[string]bool
	verify   func(ctx context.Context, raw, nonce string) (user string, err error)
	down     error
}

func (s *identityServer) session(user string) string {
	secret := id.New("pcs", s.world.clock.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[secret] = user
	return secret
}

func (s *identityServer) isRevoked(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revoked[token]
}

func (s *identityServer) revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked[token] = true
}

func (s *identityServer) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

func (s *identityServer) CreateSession(ctx context.Context, r *identityv1.CreateSessionRequest) (*identityv1.CreateSessionResponse, error) {
	s.note(ctx, r)
	user, err := s.verify(ctx, r.GetIdToken(), r.GetNonce())
	if err != nil {
		return nil, errs.New(errs.Unauthenticated, "ID_TOKEN_INVALID", "the ID token was not accepted; log in again").Wrap(err)
	}
	return &identityv1.CreateSessionResponse{
		SessionSecret: s.session(user),
		Session:       &identityv1.Session{Id: "ses_1", UserId: user, ExpireTime: timestamppb.New(s.world.clock.Now().Add(time.Hour))},
	}, nil
}

func (s *identityServer) ExchangeSession(ctx context.Context, r *identityv1.ExchangeSessionRequest) (*identityv1.ExchangeSessionResponse, error) {
	s.note(ctx, r)
	s.mu.Lock()
	user, down := s.sessions[r.GetSessionSecret()], s.down
	s.mu.Unlock()
	switch {
	case down != nil:
		return nil, down
	case user == "":
		return nil, errs.New(errs.Unauthenticated, "SESSION_INVALID", "the session ended or never was; log in again")
	case r.GetAccountId() == "acc_other":
		return nil, errs.New(errs.NotFound, "ACCOUNT_NOT_FOUND", "no such account")
	}
	return &identityv1.ExchangeSessionResponse{
		AccessToken: s.world.bearer(user, r.GetAccountId()), ExpireTime: timestamppb.New(s.world.clock.Now().Add(5 * time.Minute)),
		SessionId: "ses_1", UserId: user,
	}, nil
}

func (s *identityServer) DeleteSession(ctx context.Context, r *identityv1.DeleteSessionRequest) (*identityv1.DeleteSessionResponse, error) {
	s.note(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	delete(s.sessions, r.GetSessionSecret())
	return &identityv1.DeleteSessionResponse{}, nil
}

func (s *identityServer) RevokeSession(ctx context.Context, r *identityv1.RevokeSessionRequest) (*identityv1.RevokeSessionResponse, error) {
	s.note(ctx, r)
	return &identityv1.RevokeSessionResponse{}, nil
}

func (s *identityServer) GetKeySet(context.Context, *identityv1.GetKeySetRequest) (*identityv1.GetKeySetResponse, error) {
	set := &identityv1.GetKeySetResponse{}
	for _, k := range s.world.signer.PublicKeys() {
		set.Keys = append(set.Keys, &identityv1.PublicKey{Kid: k.ID, Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", X: k.X()})
	}
	return set, nil
}

func (s *identityServer) ExchangeApiKey(ctx context.Context, r *identityv1.ExchangeApiKeyRequest) (*identityv1.ExchangeApiKeyResponse, error) {
	s.note(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down != nil:
		return nil, s.down
	case r.GetApiKey() == "bad":
		return nil, errs.New(errs.Unauthenticated, "API_KEY_INVALID", "the API key is malformed, unknown, revoked or expired; use another one")
	case slices.Contains(r.GetScopes(), "billing.write"):
		return nil, errs.New(errs.InvalidArgument, "SCOPE_NOT_HELD", "the API key does not have this scope; ask for less")
	}
	return &identityv1.ExchangeApiKeyResponse{
		AccessToken: s.world.bearer("usr_1", "acc_1"), AccountId: "acc_1", Scopes: r.GetScopes(),
		ExpireTime: timestamppb.New(s.world.clock.Now().Add(5 * time.Minute)),
	}, nil
}

func (s *identityServer) GetCurrentUser(ctx context.Context, r *identityv1.GetCurrentUserRequest) (*identityv1.GetCurrentUserResponse, error) {
	s.note(ctx, r)
	return &identityv1.GetCurrentUserResponse{User: &identityv1.User{Id: principal.FromContext(ctx).ID}}, nil
}

func (s *identityServer) UpdateMembership(ctx context.Context, r *identityv1.UpdateMembershipRequest) (*identityv1.UpdateMembershipResponse, error) {
	s.note(ctx, r)
	return &identityv1.UpdateMembershipResponse{Membership: &identityv1.Membership{UserId: r.GetUserId(), Role: r.GetRole(), Etag: "m1"}}, nil
}

// storageServer keeps buckets in memory.
type storageServer struct {
	storagev1.UnimplementedBucketServiceServer
	storagev1.UnimplementedBackendServiceServer
	record

	mu      sync.Mutex
	buckets map[string]*storagev1.Bucket
	broken  error
}

func (s *storageServer) put(b *storagev1.Bucket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[b.GetName()] = b
}

func (s *storageServer) breakWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func (s *storageServer) CreateBucket(ctx context.Context, r *storagev1.CreateBucketRequest) (*storagev1.CreateBucketResponse, error) {
	s.note(ctx, r)
	if r.GetBackend() == "slow" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := rpc.SetOperationID(ctx, "opn_1"); err != nil {
		return nil, err
	}
	b := &storagev1.Bucket{Id: "bkt_1", AccountId: r.GetAccountId(), Name: r.GetName(), QuotaBytes: r.GetQuotaBytes(), LifecycleRules: r.GetLifecycleRules(), Etag: "e1"}
	s.put(b)
	return &storagev1.CreateBucketResponse{Bucket: b}, nil
}

func (s *storageServer) GetBucket(ctx context.Context, r *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
	s.note(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return nil, s.broken
	}
	b := s.buckets[r.GetBucket()]
	if b == nil {
		return nil, errs.Newf(errs.NotFound, "BUCKET_NOT_FOUND", "there is no bucket %s", r.GetBucket())
	}
	return &storagev1.GetBucketResponse{Bucket: b}, nil
}

func (s *storageServer) ListBuckets(ctx context.Context, r *storagev1.ListBucketsRequest) (*storagev1.ListBucketsResponse, error) {
	s.note(ctx, r)
	return &storagev1.ListBucketsResponse{NextPageToken: fmt.Sprint(r.GetPageSize())}, nil
}

func (s *storageServer) UpdateBucket(ctx context.Context, r *storagev1.UpdateBucketRequest) (*storagev1.UpdateBucketResponse, error) {
	s.note(ctx, r)
	if r.GetEtag() != "" && r.GetEtag() != "e1" {
		return nil, errs.New(errs.Aborted, "ETAG_MISMATCH", "the bucket changed since it was read; read it again")
	}
	return &storagev1.UpdateBucketResponse{Bucket: &storagev1.Bucket{Name: r.GetBucketName(), Etag: "e2"}}, nil
}

func (s *storageServer) DeleteBucket(ctx context.Context, r *storagev1.DeleteBucketRequest) (*storagev1.DeleteBucketResponse, error) {
	s.note(ctx, r)
	return &storagev1.DeleteBucketResponse{}, nil
}

func (s *storageServer) ReconcileBucket(ctx context.Context, r *storagev1.ReconcileBucketRequest) (*storagev1.ReconcileBucketResponse, error) {
	s.note(ctx, r)
	panic("a defect")
}

func (s *storageServer) ListBackends(ctx context.Context, r *storagev1.ListBackendsRequest) (*storagev1.ListBackendsResponse, error) {
	s.note(ctx, r)
	return &storagev1.ListBackendsResponse{}, nil
}
