package storage_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/status"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/port/traced"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres"
)

// aviary is a world whose every output is kept, and the secrets that must be in none of them.
type aviary struct {
	*world
	proxy  *testkit.Proxy
	logs   *journal
	spans  *tracetest.InMemoryExporter
	stores *postgres.Stores

	mu sync.Mutex
	// canaries are the secrets, by what they are.
	canaries map[string]string
	// said are the errors that callers got, with all their details.
	said []string
}

// journal is a log that several write to.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// newAviary starts a service that is seen as in production, but for more of everything: it
// logs at the level debug and keeps every span.
func newAviary(t *testing.T) *aviary {
	t.Helper()
	a := &aviary{logs: &journal{}, spans: tracetest.NewInMemoryExporter(), canaries: map[string]string{}}
	server := testkit.MinIO(t)
	a.proxy = testkit.NewProxy(t, server.Endpoint())
	telemetry, err := observe.New(testkit.Context(t), observe.Config{Service: "storage-provisioning", LogWriter: a.logs, LogLevel: slog.LevelDebug, SampleRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(a.spans))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	telemetry.Tracer = provider
	around, err := traced.Around(telemetry.Tracer, telemetry.Meter)
	if err != nil {
		t.Fatal(err)
	}
	a.world = newWorldSeen(t, watching{telemetry: telemetry, outer: around}, server, func(s config.Source) {
		s["PRIMECLOUD_STORAGE_BACKEND_ENDPOINT"] = a.proxy.Endpoint()
		s["PRIMECLOUD_STORAGE_ATTEMPT"] = "2s"
		s["PRIMECLOUD_STORAGE_FULL_PASS"] = "5s"
	})
	sealer, err := seal.Keyset{File: a.settings["PRIMECLOUD_STORAGE_SEAL_KEYSET"]}.Sealer()
	if err != nil {
		t.Fatal(err)
	}
	db, err := pg.Open(testkit.Context(t), pg.Config{URL: a.database.AppURL, MaxConns: 2}, pg.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	a.stores = postgres.New(postgres.Config{DB: db, Clock: clock.System(), Owner: "canary", Sealer: sealer})
	a.watch("the administrator's secret", server.RootPassword)
	a.watch("the administrator's key id", server.RootUser)
	return a
}

// watch adds a secret.
func (a *aviary) watch(what, secret string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if secret != "" {
		a.canaries[secret] = what
	}
}

// learn adds all the ids and secrets that the rows of an account hold at present.
func (a *aviary) learn(account string) {
	a.t.Helper()
	ctx := testkit.Context(a.t)
	rows, err := a.database.Superuser(a.t).Query(ctx, `select kind, id from storage.managed_resource where account_id = $1`, account)
	if err != nil {
		a.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		ref := reconcile.Ref{AccountID: account}
		if err := rows.Scan(&ref.Kind, &ref.ID); err != nil {
			a.t.Fatal(err)
		}
		switch ref.Kind {
		case "principal":
			p, _, _, err := a.stores.Principals.Load(ctx, ref)
			if err != nil {
				a.t.Fatal(err)
			}
			a.watch("the name of the account's user", p.User)
			a.watch("the secret of the account's user", p.UserSecret)
			a.watch("the id of the reader key", p.ReaderKey)
			a.watch("the secret of the reader key", p.ReaderSecret)
		case "access_key":
			k, _, _, err := a.stores.AccessKeys.Load(ctx, ref)
			if err != nil {
				a.t.Fatal(err)
			}
			a.watch("the id of an access key", k.KeyID)
			a.watch("the secret of an access key", k.Secret)
		}
	}
	if err := rows.Err(); err != nil {
		a.t.Fatal(err)
	}
}

// hear keeps what a caller was told in an error.
func (a *aviary) hear(call string, err error) {
	if err == nil {
		return
	}
	text := fmt.Sprintf("%s: %v %+v", call, err, err)
	if s, ok := status.FromError(err); ok {
		text += fmt.Sprint(s.Proto())
	}
	if e, ok := errs.As(err); ok {
		text += e.Message() + fmt.Sprint(e.Metadata())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.said = append(a.said, text)
}

// outputs are all that the service has put out, by where.
func (a *aviary) outputs() map[string]string {
	a.t.Helper()
	a.mu.Lock()
	said := strings.Join(a.said, "\n")
	a.mu.Unlock()
	spans := ""
	for _, s := range a.spans.GetSpans() {
		spans += fmt.Sprintf("%s %+v %+v %+v\n", s.Name, s.Attributes, s.Events, s.Status)
	}
	answer := httptest.NewRecorder()
	a.telemetry.Metrics.ServeHTTP(answer, httptest.NewRequestWithContext(testkit.Context(a.t), http.MethodGet, "/metrics", nil))
	metrics, _ := io.ReadAll(answer.Body)
	return map[string]string{
		"the log": a.logs.String(), "a trace": spans, "a metric": string(metrics), "an error": said,
		"an event": a.stream(), "the database": a.rows(),
	}
}

// stream is all that NATS has been told, raw.
func (a *aviary) stream() string {
	a.t.Helper()
	ctx := testkit.Context(a.t)
	conn, err := nats.Connect(a.nats.URL())
	if err != nil {
		a.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		a.t.Fatal(err)
	}
	stream, err := js.Stream(ctx, "STORAGE")
	if err != nil {
		a.t.Fatal(err)
	}
	var all strings.Builder
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		message, err := stream.GetMsg(ctx, seq)
		if err != nil {
			a.t.Fatal(err)
		}
		fmt.Fprintln(&all, message.Subject, message.Header, string(message.Data))
	}
	return all.String()
}

// rows are all rows of all tables as text: events and audit entries that wait, operations,
// findings, conditions, jobs. What is sealed shows nothing.
func (a *aviary) rows() string {
	a.t.Helper()
	return a.row(`select string_agg(query_to_xml(format('select * from storage.%I', table_name), true, false, '')::text, ' ')
		from information_schema.tables where table_schema = 'storage' and table_type = 'BASE TABLE'`)
}

// search fails the test for every secret that is in an output, however it is spelled.
func (a *aviary) search() {
	a.t.Helper()
	outputs := a.outputs()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.t.Logf("%d secrets are looked for", len(a.canaries))
	for where, text := range outputs {
		a.t.Logf("%s: %d bytes", where, len(text))
		if len(text) < 100 {
			a.t.Errorf("nothing came of %s: the test looks past it", where)
		}
		for secret, what := range a.canaries {
			for spelling, spelled := range spellings(secret) {
				if i := strings.Index(text, spelled); i >= 0 {
					a.t.Errorf("%s, %s, is in %s: …%s…", what, spelling, where, text[max(0, i-200):min(len(text), i+200)])
					break
				}
			}
		}
	}
}

// spellings are the ways in which a secret may be written.
func spellings(secret string) map[string]string {
	raw := []byte(secret)
	all := map[string]string{
		"as it is": secret, "in hex": hex.EncodeToString(raw), "in an URL": url.QueryEscape(secret),
	}
	for shift := range 3 {
		// In base64 within a longer text, the ends depend on what stands around.
		padded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), raw...))
		all[fmt.Sprint("in base64, shifted by ", shift)] = padded[2*shift+(shift+1)/2 : len(padded)-3]
	}
	return all
}

// TestCanary walks every method of storage, well and in trouble, with keys whose ids and
// secrets are known.
func TestSecrets_and_key_ids_are_in_nothing_that_the_service_puts_out(t *testing.T) {
	a := newAviary(t)
	acc, bucket := account(), name()
	a.create(acc, bucket)
	a.put(bucket, "k")
	key := a.another(acc, bucket)
	a.learn(acc)
	a.walk(acc, bucket, key)
	a.mistakes(acc, key)
	// The walk has purged its bucket, and set limits to its account.
	acc, bucket = account(), name()
	a.create(acc, bucket)
	a.strays(acc, bucket)
	a.troubled(acc, bucket)
	a.panics(acc, bucket)
	a.learn(acc)
	testkit.Eventually(t, patience, func() error {
		if n := a.row(`select count(*)::text from storage.outbox where published_at is null`); n != "0" {
			return fmt.Errorf("%s events wait", n)
		}
		return nil
	})
	a.search()
}

// mistakes has callers give a key's id, or its secret, where something else belongs.
func (a *aviary) mistakes(acc string, key pair) {
	operator := a.asClaims(token.Claims{
		Subject: "usr_operator", Kind: principal.Operator, Account: acc, AccountState: "active", Role: "admin", Session: "ses_1",
	})
	for _, secret := range []string{key.GetAccessKeyId(), key.secret} {
		for _, ctx := range []context.Context{a.as(acc), a.asRole(acc, "viewer"), operator} {
			_, err := a.keys.GetAccessKey(ctx, &storagev1.GetAccessKeyRequest{AccountId: acc, KeyId: secret})
			a.hear("get a key by its id on the backend", err)
			_, err = a.keys.DeleteAccessKey(ctx, &storagev1.DeleteAccessKeyRequest{AccountId: acc, KeyId: secret})
			a.hear("delete a key by its id on the backend", err)
			_, err = a.works.GetOperation(ctx, &storagev1.GetOperationRequest{AccountId: acc, OperationId: secret})
			a.hear("get an operation", err)
			_, err = a.keys.ListAccessKeys(ctx, &storagev1.ListAccessKeysRequest{AccountId: acc, PageToken: secret})
			a.hear("list keys", err)
			_, err = a.buckets.GetBucket(ctx, &storagev1.GetBucketRequest{AccountId: acc, Bucket: secret})
			a.hear("get a bucket", err)
			_, err = a.keys.CreateAccessKey(ctx, &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "k", Grants: grants(readWrite, secret)})
			a.hear("create a key for a bucket", err)
		}
	}
}

// told is an answer that repeats all that it was asked with, as a proxy on the way may.
func told(e *testkit.Exchange, code int) {
	all := e.Request.URL.String() + " " + fmt.Sprint(e.Request.Header)
	e.Answer(code, "<Error><Code>"+all+"</Code><Message>"+all+"</Message></Error>")
}

// troubled makes the calls that carry key ids while the backend refuses, hangs, is away and
// in trouble, from various requests on.
func (a *aviary) troubled(acc, bucket string) {
	for trouble, order := range map[string]func(*testkit.Exchange){
		"away":    func(e *testkit.Exchange) { e.Cut() },
		"hangs":   func(e *testkit.Exchange) { <-e.Request.Context().Done(); e.Cut() },
		"503":     func(e *testkit.Exchange) { told(e, http.StatusServiceUnavailable) },
		"refuses": func(e *testkit.Exchange) { told(e, http.StatusForbidden) },
		"garbles": func(e *testkit.Exchange) { told(e, http.StatusOK) },
	} {
		for _, from := range []int{1, 4} {
			had, stray := a.another(acc, bucket), a.known(a.strayUser())
			fresh := account()
			var mu sync.Mutex
			n := 0
			a.proxy.Order(func(e *testkit.Exchange) {
				mu.Lock()
				n++
				begun := n >= from
				mu.Unlock()
				if begun {
					order(e)
				}
			})
			a.all(acc, bucket, had.GetId(), fresh, stray)
			a.learn(acc)
			a.learn(fresh)
			a.proxy.Order(nil)
			mu.Lock() // what hung may still be on its way
			a.t.Logf("%s from request %d: %d requests", trouble, from, n)
			mu.Unlock()
		}
	}
}

// another returns a new key that works, and watches it.
func (a *aviary) another(acc, bucket string) (key pair) {
	a.t.Helper()
	request := &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "k", Grants: grants(readWrite, bucket)}
	idempotency := "key-" + name()
	testkit.Eventually(a.t, time.Minute, func() error {
		response, err := a.keys.CreateAccessKey(withKey(a.as(acc), idempotency), request)
		key = pair{response.GetAccessKey(), response.GetSecretAccessKey()}
		return err
	})
	a.watch("the id of a key", key.GetAccessKeyId())
	a.watch("the secret of a key", key.secret)
	return key
}

// all makes the calls that have the service send key ids, side by side.
func (a *aviary) all(acc, bucket, key, fresh string, stray found) {
	var running sync.WaitGroup
	for call, do := range map[string]func() error{
		"create a key": func() error {
			_, err := a.keys.CreateAccessKey(a.as(acc), &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "k", Grants: grants(readWrite, bucket)})
			return err
		},
		"delete a key": func() error {
			_, err := a.keys.DeleteAccessKey(a.as(acc), &storagev1.DeleteAccessKeyRequest{AccountId: acc, KeyId: key})
			return err
		},
		"adopt a key": func() error { return a.adoptAnother(acc, bucket, stray) },
		"create the first bucket": func() error {
			_, err := a.buckets.CreateBucket(a.as(fresh), &storagev1.CreateBucketRequest{AccountId: fresh, Name: name()})
			return err
		},
		"reconcile": func() error {
			_, err := a.buckets.ReconcileBucket(a.as(acc), &storagev1.ReconcileBucketRequest{AccountId: acc, Bucket: bucket})
			return err
		},
		"presign": func() error {
			response, err := a.objects.PresignUpload(a.as(acc), &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: "k"})
			a.handedOut(response.GetUrl())
			return err
		},
	} {
		running.Go(func() { a.hear(call, do()) })
	}
	running.Wait()
}

// handedOut watches what is secret in a presigned URL, which is for its caller alone.
func (a *aviary) handedOut(raw string) {
	u, err := url.Parse(raw)
	if err != nil || raw == "" {
		return
	}
	id, _, _ := strings.Cut(u.Query().Get("X-Amz-Credential"), "/")
	a.watch("the key id in a presigned URL", id)
	a.watch("the signature of a presigned URL", u.Query().Get("X-Amz-Signature"))
	a.watch("the session token in a presigned URL", u.Query().Get("X-Amz-Security-Token"))
}

// panics has calls break where they hold secrets.
func (a *aviary) panics(acc, bucket string) {
	for _, step := range []string{"minio.PutKey", "minio.TryKey", "minio.PresignUpload"} {
		a.calls.panicAt(step)
		_, err := a.keys.CreateAccessKey(a.as(acc), &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "k", Grants: grants(readWrite, bucket)})
		a.hear("create a key", err)
		_, err = a.objects.PresignUpload(a.as(acc), &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: "k"})
		a.hear("presign", err)
		a.learn(acc)
	}
	a.calls.panicAt("")
}
