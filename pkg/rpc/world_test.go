package rpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const mine = "acc_1"

// callers are the principals behind the bearer tokens of the tests.
var callers = map[string]principal.Principal{
	"owner":  {Kind: principal.Person, ID: "usr_1", AccountID: mine, AccountState: "active", Role: "owner", SessionID: "ses_1"},
	"viewer": {Kind: principal.Person, ID: "usr_2", AccountID: mine, AccountState: "active", Role: "viewer", SessionID: "ses_2"},
	"reader": {Kind: principal.Machine, ID: "apk_1", AccountID: mine, AccountState: "active", Role: "owner", Scopes: []string{"storage.read"}},
	"frozen": {Kind: principal.Person, ID: "usr_3", AccountID: mine, AccountState: "suspended", Role: "owner", SessionID: "ses_3"},
}

func authenticate(_ context.Context, bearer string) (principal.Principal, error) {
	if p, known := callers[bearer]; known {
		return p, nil
	}
	switch bearer {
	case "expired":
		return principal.Principal{}, token.ErrExpired
	case "early":
		return principal.Principal{}, token.ErrNotReady
	case "revoked":
		return callers["owner"], revoke.ErrRevoked
	case "odd":
		return principal.Principal{}, errors.New("boom")
	default:
		return principal.Principal{}, token.ErrInvalid
	}
}

// buckets answers as its functions say.
type buckets struct {
	storagev1.UnimplementedBucketServiceServer
	get    func(context.Context, *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error)
	create func(context.Context, *storagev1.CreateBucketRequest) (*storagev1.CreateBucketResponse, error)
}

func (b *buckets) GetBucket(ctx context.Context, r *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
	if b.get == nil {
		return &storagev1.GetBucketResponse{Bucket: &storagev1.Bucket{AccountId: r.GetAccountId(), Name: r.GetBucket()}}, nil
	}
	return b.get(ctx, r)
}

func (b *buckets) CreateBucket(ctx context.Context, r *storagev1.CreateBucketRequest) (*storagev1.CreateBucketResponse, error) {
	if b.create == nil {
		return &storagev1.CreateBucketResponse{}, nil
	}
	return b.create(ctx, r)
}

// tokens has a public method and one for services.
type tokens struct {
	identityv1.UnimplementedTokenServiceServer
	keySet func(context.Context) error
}

func (s *tokens) GetKeySet(ctx context.Context, _ *identityv1.GetKeySetRequest) (*identityv1.GetKeySetResponse, error) {
	if s.keySet != nil {
		return &identityv1.GetKeySetResponse{}, s.keySet(ctx)
	}
	return &identityv1.GetKeySetResponse{}, nil
}

func (s *tokens) GetRevocationSnapshot(ctx context.Context, _ *identityv1.GetRevocationSnapshotRequest) (*identityv1.GetRevocationSnapshotResponse, error) {
	if who := principal.FromContext(ctx); who.Kind != principal.Service || who.ID != who.Peer {
		return nil, errors.New("not called by a service")
	}
	return &identityv1.GetRevocationSnapshotResponse{Epoch: 7}, nil
}

// sessions has methods for the gateway alone.
type sessions struct {
	identityv1.UnimplementedSessionServiceServer
}

// refusal is one call of OnRefusal.
type refusal struct {
	method  string
	who     principal.Principal
	request proto.Message
	err     error
}

// world is one server with real TLS on loopback, and whoever calls it.
type world struct {
	authority *pki.Authority
	config    rpc.ServerConfig
	deps      rpc.Deps
	server    *rpc.Server
	buckets   *buckets
	tokens    *tokens
	lines     *lines
	// streaming replaces the bucket service.
	streaming *grpc.ServiceDesc

	mu       sync.Mutex
	refusals []refusal
}

// start starts a server; each change may alter its configuration first.
func start(t testing.TB, changes ...func(*world)) *world {
	t.Helper()
	w := &world{buckets: &buckets{}, tokens: &tokens{}, lines: &lines{}}
	var err error
	if w.authority, err = pki.OpenAuthority(t.TempDir(), clock.System()); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := w.files(t, "storage-provisioning").ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	w.deps.Logger = slog.New(slog.NewJSONHandler(w.lines, &slog.HandlerOptions{Level: slog.LevelInfo}))
	w.config = rpc.ServerConfig{
		Service: "storage-provisioning", Noun: "storage", Listener: listener, TLS: server, Authenticate: authenticate,
		TrustedForwarders: []string{"gateway"}, OnRefusal: w.refused,
	}
	for _, change := range changes {
		change(w)
	}
	if w.server, err = rpc.NewServer(w.config, w.deps); err != nil {
		t.Fatal(err)
	}
	if w.streaming != nil {
		w.server.RegisterService(w.streaming, w.buckets)
	} else {
		storagev1.RegisterBucketServiceServer(w.server, w.buckets)
	}
	identityv1.RegisterTokenServiceServer(w.server, w.tokens)
	identityv1.RegisterSessionServiceServer(w.server, &sessions{})
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(context.Background()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := w.server.Stop(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) refused(ctx context.Context, method string, request proto.Message, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusals = append(w.refusals, refusal{method: method, who: principal.FromContext(ctx), request: request, err: err})
}

func (w *world) heard() []refusal {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]refusal(nil), w.refusals...)
}

func (w *world) lastRefusal(t testing.TB) refusal {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.refusals) == 0 {
		t.Fatal("no refusal was heard of")
	}
	return w.refusals[len(w.refusals)-1]
}

// files issues a certificate for a service; without a name there is only the authority's.
func (w *world) files(t testing.TB, service string) pki.Files {
	t.Helper()
	if service == "" {
		return pki.Files{CA: w.authority.CA()}
	}
	files, err := w.authority.Issue(t.TempDir(), pki.Leaf{Service: service, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// dial connects over TLS as the peer; "" shows no certificate.
func (w *world) dial(t testing.TB, peer string, changes ...func(*rpc.ClientConfig)) *grpc.ClientConn {
	t.Helper()
	client, err := w.files(t, peer).ClientTLS(pki.Peer{Service: "storage-provisioning"})
	if err != nil {
		t.Fatal(err)
	}
	config := rpc.ClientConfig{Target: w.config.Listener.Addr().String(), TLS: client, Service: peer}
	for _, change := range changes {
		change(&config)
	}
	conn, err := rpc.Dial(config, rpc.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// both runs a test over the wire and in process.
func both(t *testing.T, w *world, peer string, test func(*testing.T, grpc.ClientConnInterface)) {
	t.Helper()
	t.Run("over the wire", func(t *testing.T) { test(t, w.dial(t, peer)) })
	t.Run("in process", func(t *testing.T) { test(t, w.server.Channel(peer)) })
}

// as returns a context whose calls carry the bearer token.
func as(t testing.TB, bearer string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	if bearer == "" {
		return ctx
	}
	return rpc.WithBearer(ctx, bearer)
}

func getBucket(ctx context.Context, conn grpc.ClientConnInterface, options ...grpc.CallOption) error {
	_, err := storagev1.NewBucketServiceClient(conn).GetBucket(ctx, &storagev1.GetBucketRequest{AccountId: mine, Bucket: "b"}, options...)
	return err
}

// wants fails the test unless err has the kind and reason.
func wants(t testing.TB, err error, kind errs.Kind, reason string) *errs.Error {
	t.Helper()
	e, ok := errs.As(err)
	if !ok || e.Kind() != kind || e.Reason() != reason {
		t.Fatalf("got %v, want %s %s", err, kind, reason)
	}
	return e
}

// lines collects log lines.
type lines struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

// Write takes a line.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.raw.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.raw.String()
}

// all returns the lines so far, and forgets them.
func (l *lines) all(t testing.TB) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for _, line := range bytes.Split(bytes.TrimSpace(l.raw.Bytes()), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		found = append(found, fields)
	}
	l.raw.Reset()
	return found
}

// rawKeySet calls a public method through a client that adds nothing.
func rawKeySet(t testing.TB, w *world) error {
	t.Helper()
	client, err := w.files(t, "").ClientTLS(pki.Peer{Service: "storage-provisioning"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(w.config.Listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(client)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = identityv1.NewTokenServiceClient(conn).GetKeySet(context.Background(), &identityv1.GetKeySetRequest{})
	return err
}

// afterAMoment gives what should not happen the time to happen.
func afterAMoment() <-chan time.Time { return time.After(50 * time.Millisecond) }
