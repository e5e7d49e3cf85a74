package faults_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres"
)

const (
	succeeded = "SUCCEEDED"
	abandoned = "ABANDONED"
	// none is the outcome of a call that left nothing behind.
	none = "none"
)

// world is real servers, one replica that lives, and what looks behind the scenes.
type world struct {
	t        *testing.T
	settings config.Source
	signer   *token.Signer
	key      token.PublicKey
	survivor *storage.Service
	rows     *pgx.Conn
	backend  *minio.Backend
	// s3 is a client that knows nothing of us.
	s3 *client.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, signer: token.NewSigner()}
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	w.key = key.Public()
	if err := w.signer.Use(token.Ring{Current: key}); err != nil {
		t.Fatal(err)
	}
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.NewKeysetFile(keyset); err != nil {
		t.Fatal(err)
	}
	database, storage, nats := testkit.NewDatabase(t, postgres.Schema, postgres.Migrations()), testkit.MinIO(t), testkit.NATS(t)
	w.rows = database.Superuser(t)
	w.settings = config.Source{
		"PRIMECLOUD_STORAGE_DATABASE_URL": database.AppURL.Reveal(), "PRIMECLOUD_STORAGE_NATS_URL": nats.URL(),
		"PRIMECLOUD_STORAGE_SEAL_KEYSET": keyset, "PRIMECLOUD_STORAGE_PAGE_KEY": strings.Repeat("k", 32),
		"PRIMECLOUD_STORAGE_BACKEND_ENDPOINT": storage.Endpoint(), "PRIMECLOUD_STORAGE_BACKEND_REGION": storage.Region,
		"PRIMECLOUD_STORAGE_BACKEND_ADMIN_USER": storage.RootUser, "PRIMECLOUD_STORAGE_BACKEND_ADMIN_PASSWORD": storage.RootPassword,
		// A lease lasts as long as an attempt and three seconds; it is what takes time here.
		"PRIMECLOUD_STORAGE_SWEEP": "50ms", "PRIMECLOUD_STORAGE_ATTEMPT": "5s",
	}
	w.backend, err = minio.New(minio.Config{
		Endpoint: storage.Endpoint(), Region: storage.Region, AdminKey: storage.RootUser, AdminSecret: storage.RootPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.backend.Close)
	w.s3, err = client.New(storage.Address(), &client.Options{
		Creds: credentials.NewStaticV4(storage.RootUser, storage.RootPassword, ""), Region: storage.Region,
		BucketLookup: client.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.survive()
	return w
}

// survive starts the replica that is there all along.
func (w *world) survive() {
	w.t.Helper()
	telemetry := observe.Discard()
	telemetry.Logger = slog.New(warnings{testkit.Logger(w.t).Handler()})
	var err error
	w.survivor, err = newService(w.t.Context(), w.settings, storage.Deps{Telemetry: telemetry}, w.published())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.survivor.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the replica ended with %v", err)
		}
	})
	testkit.Eventually(w.t, 20*time.Second, func() error { return w.survivor.Ready(w.t.Context()) })
}

// warnings drops what goes well.
type warnings struct{ slog.Handler }

func (h warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (w *world) published() *identityv1.PublicKey {
	return &identityv1.PublicKey{Kid: w.key.ID, X: w.key.X()}
}

// newCall returns a call for an account and a bucket that nobody has heard of; an update
// and a deletion have their bucket first.
func (w *world) newCall(operation string) (c call, bearer string) {
	w.t.Helper()
	c = call{Operation: operation, Account: "acc_" + random(), Bucket: "kill-" + random(), Key: "key-" + random()}
	now := time.Now()
	bearer, err := w.signer.Sign(token.Claims{
		Issuer: "primecloud", Audience: "primecloud", Subject: "usr_" + c.Account, Kind: principal.Person, Account: c.Account,
		AccountState: "active", Role: "owner", Session: "ses_" + c.Account, ID: "tok_" + random(), IssuedAt: now, Expires: now.Add(10 * time.Minute),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if operation != "create" {
		first := call{Operation: "create", Account: c.Account, Bucket: c.Bucket}
		if err := w.send(first, bearer); err != nil {
			w.t.Fatalf("create the bucket of a call to come: %v", err)
		}
	}
	if operation == refusedDelete {
		_, err := w.s3.PutObject(w.t.Context(), c.Bucket, "content", strings.NewReader("content"), 7, client.PutObjectOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return c, bearer
}

// send sends a call to the replica that lives.
func (w *world) send(c call, bearer string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	return c.send(rpc.WithBearer(ctx, bearer), w.survivor.Channel("gateway"))
}

// start starts a victim on its way to its death, or, without a step, through the call.
func (w *world) start(o order) *testkit.Process {
	w.t.Helper()
	o.KeyID, o.KeyX = w.key.ID, w.key.X()
	text, err := json.Marshal(o)
	if err != nil {
		w.t.Fatal(err)
	}
	env := []string{orderName + "=" + string(text)}
	for name, value := range w.settings {
		env = append(env, name+"="+value)
	}
	return testkit.StartChild(w.t, victimName, env...)
}

// atRest returns how the cell's operation ended, when nothing is left to do for its account
// and the backend has exactly what the record says; else what is still wrong.
func (w *world) atRest(c *cell) (outcome string, err error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	var buckets, unsettled, events int
	var id, state string
	err = w.rows.QueryRow(ctx, `select
		coalesce((select state from storage.operation where account_id = $1 and idempotency_key = $2
			order by state = 'TRYING' desc, created_at desc limit 1), 'none'),
		(select count(*) from storage.bucket where account_id = $1),
		coalesce((select min(id) from storage.bucket where account_id = $1), ''),
		coalesce((select string_agg(state, ',') from storage.bucket where account_id = $1), ''),
		(select count(*) from storage.managed_resource where account_id = $1
			and (due_at is not null or lease_owner is not null or observed_generation <> generation)),
		(select count(*) from storage.outbox where account_id = $1 and type = 'primecloud.storage.bucket.' || $3::text || 'd.v1')`,
		c.call.Account, c.call.Key, c.call.Operation).Scan(&outcome, &buckets, &id, &state, &unsettled, &events)
	if err != nil {
		return "", err
	}
	switch outcome {
	case succeeded, abandoned, none:
	default:
		return outcome, fmt.Errorf("the operation is %s", outcome)
	}
	if unsettled > 0 {
		return outcome, fmt.Errorf("the operation is %s, the bucket %q, and %d resources are not settled", outcome, state, unsettled)
	}
	want, there := c.want(outcome)
	if told := map[bool]int{true: 1}[outcome == succeeded]; events != told {
		return outcome, fmt.Errorf("the operation is %s and %d events tell of it", outcome, events)
	}
	if there && (buckets != 1 || state != string(bucket.Ready)) || !there && buckets != 0 {
		return outcome, fmt.Errorf("the operation is %s and there are %d rows of buckets, in state %q", outcome, buckets, state)
	}
	return outcome, w.has(ctx, c, want, there, bucket.Mark{ID: id, AccountID: c.call.Account})
}

// has reports whether the backend has the bucket exactly so.
func (w *world) has(ctx context.Context, c *cell, want bucket.Spec, there bool, mark bucket.Mark) error {
	seen, err := w.backend.ObserveBucket(ctx, c.call.Bucket)
	switch {
	case err != nil:
		return err
	case seen.Exists != there:
		return fmt.Errorf("on the backend: %t, in the record: %t", seen.Exists, there)
	case there && (seen.Mark != mark || !seen.Spec.Equal(want)):
		return fmt.Errorf("the backend has %+v with %+v, wanted %+v with %+v", seen.Spec, seen.Mark, want, mark)
	}
	return nil
}

func random() string {
	raw := make([]byte, 6)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}
