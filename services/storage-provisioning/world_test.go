package storage_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/port"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience is how long something may take to come about on a machine that has much else to do; on
// a free one it takes seconds. What is promised within a time says so by itself.
const patience = time.Minute

// world is one storage service with everything around it real, but identity: its keys and
// its revocations are served by a few lines here.
type world struct {
	t        *testing.T
	database testkit.Database
	minio    *testkit.Storage
	nats     *servers.NATS
	signer   *token.Signer
	calls    *calls
	settings config.Source
	service  *storage.Service
	stop     func()

	buckets  storagev1.BucketServiceClient
	keys     storagev1.AccessKeyServiceClient
	objects  storagev1.ObjectServiceClient
	works    storagev1.OperationServiceClient
	drifts   storagev1.DriftServiceClient
	backends storagev1.BackendServiceClient
	grants   storagev1.BucketGrantServiceClient
	// conn is what all of them go over; it shows no certificate.
	conn grpc.ClientConnInterface
	watching
}

// watching is how the service is watched.
type watching struct {
	// telemetry is where it is seen; warnings in the test's output when nil.
	telemetry *observe.Telemetry
	// outer stands around calls and commits as in production; nil for nothing.
	outer port.Around
}

// calls counts what goes through the ports and commits, and cuts one of them.
type calls struct {
	mu    sync.Mutex
	names []string
	// cut is the number of calls until the one to cut, of those named so if only is set;
	// zero cuts none.
	cut  int
	only string
	// effect says that the call to cut still has its effect.
	effect bool
	// hit is the name of the call that was cut.
	hit string
	// freezing are the calls, one after the other, of which the last is held until frozen
	// is closed, deaf to its deadline; then it goes on as if nothing had been.
	freezing []string
	frozen   chan struct{}
	// holding is the call whose answer is held, once it has had its effect, until held is
	// closed; reached is closed when it is.
	holding       string
	reached, held chan struct{}
	// panicking is the call that panics.
	panicking string
}

// panicAt has every call of that name panic from now on; none when it is empty.
func (c *calls) panicAt(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.panicking = name
}

// hold holds the answer of the next call of that name: the first channel is closed when it
// has had its effect, and closing the second lets it go.
func (c *calls) hold(name string) (reached <-chan struct{}, held chan<- struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding, c.reached, c.held = name, make(chan struct{}), make(chan struct{})
	return c.reached, c.held
}

// freeze holds the last of the named calls, once the ones before it have been seen, until
// what it returns is closed.
func (c *calls) freeze(names ...string) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.freezing, c.frozen = names, make(chan struct{})
	return c.frozen
}

// arm cuts the n-th call from now on, before or after its effect.
func (c *calls) arm(n int, effect bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut, c.only, c.effect, c.hit = n, "", effect, ""
}

// cutNext cuts the next call of that name, before or after its effect.
func (c *calls) cutNext(name string, effect bool) {
	c.arm(1, effect)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.only = name
}

func (c *calls) around(ctx context.Context, name string, call func(context.Context) error) error {
	c.mu.Lock()
	c.names = append(c.names, name)
	cut := false
	if c.cut > 0 && (c.only == "" || c.only == name) {
		c.cut--
		if cut = c.cut == 0; cut {
			c.hit = name
		}
	}
	var frozen chan struct{}
	if len(c.freezing) > 0 && c.freezing[0] == name {
		if c.freezing = c.freezing[1:]; len(c.freezing) == 0 {
			frozen = c.frozen
		}
	}
	effect := c.effect
	if c.panicking == name {
		c.mu.Unlock()
		panic("by the test's order")
	}
	var held chan struct{}
	if c.holding == name {
		c.holding, held = "", c.held
	}
	c.mu.Unlock()
	switch {
	case frozen != nil:
		<-frozen
		return call(ctx)
	case held != nil:
		err := call(ctx)
		close(c.reached)
		<-held
		return err
	case !cut:
		return call(ctx)
	case effect:
		if err := call(ctx); err != nil {
			return err
		}
		if name == "postgres.commit" {
			return pg.ErrOutcomeUnknown
		}
		return errCut
	case name == "postgres.commit":
		return pg.ErrOutcomeUnknown
	default:
		return errCut
	}
}

var errCut = errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "cut by the test")

// writes returns the calls since the last time that change something on the backend.
func (c *calls) writes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, name := range c.names {
		method, ours := strings.CutPrefix(name, "minio.")
		for _, verb := range []string{"Make", "Mark", "Set", "Remove", "Put", "Attach", "Revise"} {
			if ours && strings.HasPrefix(method, verb) {
				list = append(list, method)
			}
		}
	}
	c.names = nil
	return list
}

// newWorld starts everything. Options change the settings before the service starts.
func newWorld(t *testing.T, minio *testkit.Storage, change ...func(config.Source)) *world {
	t.Helper()
	return newWorldOn(t, testkit.Postgres(t), minio, change...)
}

// cutShort are the settings of tests that cut calls on our side: nothing is applied late, and there is no need to wait for
// that.
func cutShort(s config.Source) {
	s["PRIMECLOUD_STORAGE_ATTEMPT"], s["PRIMECLOUD_STORAGE_SETTLE"] = "2s", "300ms"
}

// newWorldSeen is newWorld with a service that is watched.
func newWorldSeen(t *testing.T, how watching, minio *testkit.Storage, change ...func(config.Source)) *world {
	t.Helper()
	return newWorldWith(t, testkit.Postgres(t), how, minio, change...)
}

// newWorldOn is newWorld on a server of its own.
func newWorldOn(t *testing.T, cluster *testkit.Cluster, minio *testkit.Storage, change ...func(config.Source)) *world {
	t.Helper()
	return newWorldWith(t, cluster, watching{}, minio, change...)
}

func newWorldWith(t *testing.T, cluster *testkit.Cluster, how watching, minio *testkit.Storage, change ...func(config.Source)) *world {
	t.Helper()
	w := &world{
		watching: how,
		t:        t, database: cluster.NewDatabase(t, postgres.Schema, postgres.Migrations()), minio: minio,
		nats: testkit.NATS(t), signer: token.NewSigner(), calls: &calls{},
	}
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.signer.Use(token.Ring{Current: key}); err != nil {
		t.Fatal(err)
	}
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.NewKeysetFile(keyset); err != nil {
		t.Fatal(err)
	}
	w.settings = config.Source{
		"PRIMECLOUD_STORAGE_DATABASE_URL": w.database.AppURL.Reveal(), "PRIMECLOUD_STORAGE_NATS_URL": w.nats.URL(),
		"PRIMECLOUD_STORAGE_SEAL_KEYSET": keyset, "PRIMECLOUD_STORAGE_PAGE_KEY": "a-page-key-for-tests-of-32-bytes!!",
		"PRIMECLOUD_STORAGE_BACKEND_ENDPOINT": minio.Endpoint(), "PRIMECLOUD_STORAGE_BACKEND_REGION": minio.Region,
		"PRIMECLOUD_STORAGE_BACKEND_ADMIN_USER": minio.RootUser, "PRIMECLOUD_STORAGE_BACKEND_ADMIN_PASSWORD": minio.RootPassword,
		"PRIMECLOUD_STORAGE_SWEEP": "100ms",
		// What is late here is late by less than a first look; package faults has the rest.
		"PRIMECLOUD_STORAGE_LAST_LOOK": "1h",
		// Tests of quotas measure oftener; in others it is nothing but noise.
		"PRIMECLOUD_STORAGE_QUOTA_MEASURE": "1h",
	}
	for _, c := range change {
		c(w.settings)
	}
	w.start()
	return w
}

// start starts the service; stop ends it, and start may start it again.
func (w *world) start() {
	w.t.Helper()
	var c storage.Config
	if err := config.Load(&c, w.settings, "PRIMECLOUD_STORAGE_"); err != nil {
		w.t.Fatal(err)
	}
	c.AdminListen = ""
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	telemetry, around := w.telemetry, port.Around(w.calls.around)
	if telemetry == nil {
		telemetry = observe.Discard()
		telemetry.Logger = slog.New(warnings{testkit.Logger(w.t).Handler()})
	}
	if w.outer != nil {
		around = port.Chain(w.outer, around)
	}
	w.service, err = storage.New(testkit.Context(w.t), c, storage.Deps{
		Telemetry: telemetry, Clock: clock.System(), Listener: listener, Identity: w.identity(),
		Around: around,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	running, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.service.Run(running) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the service ended with %v", err)
		}
	})
	w.t.Cleanup(w.stop)
	conn, err := rpc.Dial(rpc.ClientConfig{Target: listener.Addr().String(), Service: "test"}, rpc.Deps{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	w.conn = conn
	w.buckets, w.keys = storagev1.NewBucketServiceClient(conn), storagev1.NewAccessKeyServiceClient(conn)
	w.objects, w.works = storagev1.NewObjectServiceClient(conn), storagev1.NewOperationServiceClient(conn)
	w.drifts, w.backends = storagev1.NewDriftServiceClient(conn), storagev1.NewBackendServiceClient(conn)
	w.grants = storagev1.NewBucketGrantServiceClient(conn)
	testkit.Eventually(w.t, patience, func() error { return w.service.Ready(testkit.Context(w.t)) })
}

// warnings drops what goes well.
type warnings struct{ slog.Handler }

func (h warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// identity serves keys and revocations in process.
func (w *world) identity() grpc.ClientConnInterface {
	w.t.Helper()
	server, err := rpc.NewServer(rpc.ServerConfig{
		Service: "identity", Noun: "identity",
		Authenticate: func(context.Context, string) (principal.Principal, error) {
			return principal.Principal{}, errors.New("nobody logs in here")
		},
	}, rpc.Deps{})
	if err != nil {
		w.t.Fatal(err)
	}
	identityv1.RegisterTokenServiceServer(server, tokenService{signer: w.signer})
	return server.Channel(storage.Name)
}

// revokedKey is an API key that identity has revoked.
const revokedKey = "apk_revoked"

type tokenService struct {
	identityv1.UnimplementedTokenServiceServer
	signer *token.Signer
}

func (s tokenService) GetKeySet(context.Context, *identityv1.GetKeySetRequest) (*identityv1.GetKeySetResponse, error) {
	response := &identityv1.GetKeySetResponse{}
	for _, k := range s.signer.PublicKeys() {
		response.Keys = append(response.Keys, &identityv1.PublicKey{Kid: k.ID, Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", X: k.X()})
	}
	return response, nil
}

func (tokenService) GetRevocationSnapshot(context.Context, *identityv1.GetRevocationSnapshotRequest) (*identityv1.GetRevocationSnapshotResponse, error) {
	return &identityv1.GetRevocationSnapshotResponse{Epoch: 1, Revocations: []*identityv1.Revocation{{
		Epoch: 1, Kind: identityv1.RevocationKind_REVOCATION_KIND_API_KEY, Subject: revokedKey,
		RevokeTime: timestamppb.Now(), ExpireTime: timestamppb.New(time.Now().Add(time.Hour)),
	}}}, nil
}

// as returns a context in which the owner of the account calls.
func (w *world) as(account string) context.Context { return w.asRole(account, "owner") }

func (w *world) asRole(account, role string) context.Context {
	return w.asPerson(account, "usr_"+account, role)
}

// asPerson returns a context in which the person calls, with a role in the account.
func (w *world) asPerson(account, user, role string) context.Context {
	return w.asClaims(token.Claims{
		Subject: user, Kind: principal.Person, Account: account, AccountState: "active", Role: role, Session: "ses_" + account,
	})
}

// asClaims returns a context with a token that says so; names and times are added.
func (w *world) asClaims(c token.Claims) context.Context {
	w.t.Helper()
	c.Issuer, c.Audience, c.ID = "primecloud", "primecloud", "tok_"+random()
	c.IssuedAt = time.Now()
	c.Expires = c.IssuedAt.Add(5 * time.Minute)
	raw, err := w.signer.Sign(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return rpc.WithBearer(testkit.Context(w.t), raw)
}

func random() string {
	raw := make([]byte, 6)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}

// account returns an account that nobody has heard of.
func account() string { return "acc_" + random() }

// name returns a bucket name that nobody has.
func name() string { return "t-" + random() }

// s3 is MinIO's administrator, with a client that knows nothing of us.
func (w *world) s3() *client.Client { return w.s3As(w.minio.RootUser, w.minio.RootPassword) }

func (w *world) s3As(id, secret string) *client.Client {
	w.t.Helper()
	c, err := client.New(w.minio.Address(), &client.Options{
		Creds: credentials.NewStaticV4(id, secret, ""), Region: w.minio.Region, BucketLookup: client.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) admin() *madmin.AdminClient {
	w.t.Helper()
	adm, err := madmin.NewWithOptions(w.minio.Address(), &madmin.Options{
		Creds: credentials.NewStaticV4(w.minio.RootUser, w.minio.RootPassword, ""),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return adm
}

// put writes an object behind everybody's back.
func (w *world) put(bucket, key string) {
	w.t.Helper()
	_, err := w.s3().PutObject(testkit.Context(w.t), bucket, key, strings.NewReader("content"), 7, client.PutObjectOptions{})
	if err != nil {
		w.t.Fatalf("put %s/%s: %v", bucket, key, err)
	}
}

func (w *world) exists(bucket string) bool {
	w.t.Helper()
	ok, err := w.s3().BucketExists(testkit.Context(w.t), bucket)
	if err != nil {
		w.t.Fatal(err)
	}
	return ok
}

// create makes a bucket that must come to be.
func (w *world) create(account, bucket string) *storagev1.Bucket {
	w.t.Helper()
	var made *storagev1.Bucket
	// What only prepares a test is tried again when a busy machine did not make it in time.
	testkit.Eventually(w.t, 30*time.Second, func() error {
		response, err := w.buckets.CreateBucket(withKey(w.as(account), "create-"+bucket), &storagev1.CreateBucketRequest{AccountId: account, Name: bucket})
		made = response.GetBucket()
		if err != nil && errs.KindOf(err) != errs.Unavailable && errs.KindOf(err) != errs.Unknown {
			w.t.Fatalf("create %s: %v", bucket, err)
		}
		return err
	})
	return made
}

// withKey adds an idempotency key to a call.
func withKey(ctx context.Context, key string) context.Context {
	return rpc.WithIdempotencyKey(ctx, key)
}

// operationID makes a call and returns the operation that its answer names.
func operationID(call func(...grpc.CallOption) error) (string, error) {
	var header metadata.MD
	err := call(grpc.Header(&header))
	return rpc.OperationID(header), err
}

// refused fails the test unless err has the kind and reason.
func refused(t *testing.T, err error, kind errs.Kind, reason string) *errs.Error {
	t.Helper()
	e, ok := errs.As(err)
	if !ok || e.Kind() != kind || e.Reason() != reason {
		t.Fatalf("got %v, want %s %s", err, kind, reason)
	}
	return e
}

// row asks behind the scenes, where row-level security shows all.
func (w *world) row(sql string, args ...any) string {
	w.t.Helper()
	var text string
	if err := w.database.Superuser(w.t).QueryRow(testkit.Context(w.t), sql, args...).Scan(&text); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// gone waits until nothing is kept of a name.
func (w *world) gone(bucket string) {
	w.t.Helper()
	conn := w.database.Superuser(w.t)
	testkit.Eventually(w.t, 30*time.Second, func() error {
		var state string
		err := conn.QueryRow(testkit.Context(w.t), `select coalesce((select state from storage.bucket where name = $1), '')`, bucket).Scan(&state)
		if err == nil && state != "" {
			err = fmt.Errorf("the name is still kept: %s", state)
		}
		return err
	})
}

var removeLatest = client.RemoveObjectOptions{}

var putOptions = client.PutObjectOptions{}

func makeOptions(w *world) client.MakeBucketOptions {
	return client.MakeBucketOptions{Region: w.minio.Region}
}
