package faults_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
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
	database testkit.Database
	rows     *pgx.Conn
	// stores are the product's own eyes on the rows; see open.
	stores  *postgres.Stores
	backend *minio.Backend
	// s3 and admin are clients that know nothing of us.
	s3    *client.Client
	admin *madmin.AdminClient
	minio *testkit.Storage
	// users are those on the backend, by their policies.
	users map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, testkit.MinIO(t))
}

// newWorldOn is newWorld on a backend of its own.
func newWorldOn(t *testing.T, backend *testkit.Storage) *world {
	t.Helper()
	w := &world{t: t, signer: token.NewSigner(), minio: backend, users: map[string]string{}}
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
	w.settings = config.Source{
		"PRIMECLOUD_STORAGE_NATS_URL":    testkit.NATS(t).URL(),
		"PRIMECLOUD_STORAGE_SEAL_KEYSET": keyset, "PRIMECLOUD_STORAGE_PAGE_KEY": strings.Repeat("k", 32),
		"PRIMECLOUD_STORAGE_BACKEND_ENDPOINT": w.minio.Endpoint(), "PRIMECLOUD_STORAGE_BACKEND_REGION": w.minio.Region,
		"PRIMECLOUD_STORAGE_BACKEND_ADMIN_USER": w.minio.RootUser, "PRIMECLOUD_STORAGE_BACKEND_ADMIN_PASSWORD": w.minio.RootPassword,
		// A lease lasts as long as an attempt and three seconds; it is what takes time here.
		"PRIMECLOUD_STORAGE_SWEEP": "100ms", "PRIMECLOUD_STORAGE_ATTEMPT": "6s", "PRIMECLOUD_STORAGE_QUOTA_MEASURE": "1h",
	}
	w.backend, err = minio.New(minio.Config{
		Endpoint: w.minio.Endpoint(), Region: w.minio.Region, AdminKey: w.minio.RootUser, AdminSecret: w.minio.RootPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.backend.Close)
	w.s3 = w.client(w.minio.RootUser, w.minio.RootPassword)
	w.admin, err = madmin.NewWithOptions(w.minio.Address(), &madmin.Options{Creds: miniocredentials.NewStaticV4(w.minio.RootUser, w.minio.RootPassword, "")})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	return w
}

// client is a plain S3 client.
func (w *world) client(id, secret string) *client.Client {
	w.t.Helper()
	c, err := client.New(w.minio.Address(), &client.Options{
		Creds: miniocredentials.NewStaticV4(id, secret, ""), Region: w.minio.Region, BucketLookup: client.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// settle gives the world a database and a replica.
func (w *world) settle() {
	w.t.Helper()
	w.database = testkit.NewDatabase(w.t, postgres.Schema, postgres.Migrations())
	w.rows, w.stores = w.database.Superuser(w.t), nil
	w.settings = maps.Clone(w.settings)
	w.settings["PRIMECLOUD_STORAGE_DATABASE_URL"] = w.database.AppURL.Reveal()
	w.build()
}

// build makes a replica, which answers calls and does nothing by itself until it lives.
func (w *world) build() {
	w.t.Helper()
	telemetry := observe.Discard()
	telemetry.Logger = slog.New(warnings{testkit.Logger(w.t).Handler()})
	var err error
	w.survivor, err = newService(w.t.Context(), w.settings, storage.Deps{Telemetry: telemetry}, w.published())
	if err != nil {
		w.t.Fatal(err)
	}
}

// apart is a world with the same servers, and a database and a replica of its own. The
// look at everything that a replica begins with is marked as done: it would get in the way
// of counting the steps of a recovery.
func (w *world) apart() *world {
	w.t.Helper()
	other := *w
	other.settle()
	other.passOver()
	return &other
}

// passOver marks the look at everything as done, for this hour and the next.
func (w *world) passOver() {
	w.t.Helper()
	for _, slot := range []time.Duration{0, time.Hour} {
		now := time.Now().UTC()
		if _, err := w.rows.Exec(w.t.Context(), `insert into storage.schedule_run (job, scheduled_for, started_at, finished_at)
			values ('full_pass', $1, $2, $2)`, now.Add(slot).Truncate(time.Hour), now); err != nil {
			w.t.Fatal(err)
		}
	}
}

// live has the replica run, and returns what ends it.
func (w *world) live() (end func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	replica := w.survivor
	go func() { ended <- replica.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the replica ended with %v", err)
		}
	})
	w.t.Cleanup(end)
	testkit.Eventually(w.t, time.Minute, func() error { return replica.Ready(w.t.Context()) })
	return end
}

// warnings drops what goes well.
type warnings struct{ slog.Handler }

func (h warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (w *world) published() *identityv1.PublicKey {
	return &identityv1.PublicKey{Kid: w.key.ID, X: w.key.X()}
}

// newCell returns a cell for an account and a bucket that nobody has heard of; what its
// call changes or deletes is made first.
func (w *world) newCell(operation string) *cell {
	w.t.Helper()
	c := &cell{world: w, call: call{Operation: operation, Account: "acc_" + random(), Bucket: "kill-" + random(), Key: "key-" + random()}}
	now := time.Now()
	var err error
	c.bearer, err = w.signer.Sign(token.Claims{
		Issuer: "primecloud", Audience: "primecloud", Subject: "usr_" + c.call.Account, Kind: principal.Person, Account: c.call.Account,
		AccountState: "active", Role: "owner", Session: "ses_" + c.call.Account, ID: "tok_" + random(), IssuedAt: now, Expires: now.Add(token.MaxLifetime),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	first := func(operation string) (got credentials) {
		// A backend that was just started may reset a connection of old.
		testkit.Eventually(w.t, restWithin, func() (err error) {
			got, err = w.send(call{Operation: operation, Account: c.call.Account, Bucket: c.call.Bucket, Key: "first-" + strings.ReplaceAll(operation, " ", "-")}, c.bearer)
			if err != nil {
				err = fmt.Errorf("%s, for a call to come: %w", operation, err)
			}
			return err
		})
		return got
	}
	if operation != createBucket && operation != adoptBucket {
		first(createBucket)
	}
	if c.call.adopts() {
		w.find(c)
	}
	switch operation {
	case refusedDelete:
		_, err := w.s3.PutObject(w.t.Context(), c.call.Bucket, "content", strings.NewReader("content"), 7, client.PutObjectOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
	case deleteKey:
		c.had = first(createKey)
		c.call.AccessKey = c.had.resource
	case createKeyOnce:
		c.call.Key = ""
	}
	return c
}

// send sends a call to the replica.
func (w *world) send(c call, bearer string) (credentials, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	return c.sendWhenFresh(rpc.WithBearer(ctx, bearer), w.survivor.Channel("gateway"))
}

// start starts a child on its way to its death, or, without a step, through the call.
func (w *world) start(child string, o order) *testkit.Process {
	w.t.Helper()
	o.KeyID, o.KeyX = w.key.ID, w.key.X()
	o.Rows = w.database.SuperuserURL.Reveal()
	text, err := json.Marshal(o)
	if err != nil {
		w.t.Fatal(err)
	}
	env := []string{orderName + "=" + string(text)}
	for name, value := range w.settings {
		env = append(env, name+"="+value)
	}
	return testkit.StartChild(w.t, child, env...)
}

func random() string {
	raw := make([]byte, 6)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}
