package storage_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// stands is the event of an account that identity has put where the state says.
func stands(account, verb string, state identityv1.AccountState, version int64) event.Event {
	return identityEvent("account", verb, account, account, version, &identityv1.AccountChanged{
		Account: &identityv1.Account{Id: account, State: state},
	})
}

const (
	active    = identityv1.AccountState_ACCOUNT_STATE_ACTIVE
	suspended = identityv1.AccountState_ACCOUNT_STATE_SUSPENDED
	closing   = identityv1.AccountState_ACCOUNT_STATE_CLOSING
	pending   = identityv1.AccountState_ACCOUNT_STATE_PENDING
)

// held is what a tenant has in hand, all made while the account was in use.
type held struct {
	w                *world
	bucket           string
	key              pair
	download, upload *http.Request
}

// hold makes a bucket with an object, a key, and one URL of each kind.
func (w *world) hold(acc string) held {
	w.t.Helper()
	h := held{w: w, bucket: name()}
	w.create(acc, h.bucket)
	w.put(h.bucket, "k")
	h.key = w.createKey(w.as(acc), acc, storagev1.Permission_PERMISSION_READ_WRITE, h.bucket)
	down, err := w.objects.PresignDownload(w.as(acc), &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: h.bucket, Key: "k"})
	if err != nil {
		w.t.Fatal(err)
	}
	up, err := w.objects.PresignUpload(w.as(acc), &storagev1.PresignUploadRequest{AccountId: acc, Bucket: h.bucket, Key: "up"})
	if err != nil {
		w.t.Fatal(err)
	}
	h.download, h.upload = w.request(down.GetMethod(), down.GetUrl()), w.request(up.GetMethod(), up.GetUrl())
	return h
}

func (w *world) request(method, url string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(testkit.Context(w.t), method, url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// answers returns what each of them gets on MinIO now: "200" or "403".
func (h held) answers() map[string]string {
	got := map[string]string{}
	try := func(what string, err error) {
		got[what] = "200"
		var refusal client.ErrorResponse
		if errors.As(err, &refusal) {
			got[what] = fmt.Sprint(refusal.StatusCode)
		} else if err != nil {
			got[what] = err.Error()
		}
	}
	ctx, s3 := testkit.Context(h.w.t), h.w.s3As(h.key.GetAccessKeyId(), h.key.secret)
	object, err := s3.GetObject(ctx, h.bucket, "k", client.GetObjectOptions{})
	if err == nil {
		_, err = io.ReadAll(object)
	}
	try("get", err)
	_, err = s3.PutObject(ctx, h.bucket, "mine", strings.NewReader("x"), 1, putOptions)
	try("put", err)
	try("delete", s3.RemoveObject(ctx, h.bucket, "never", client.RemoveObjectOptions{}))
	for what, r := range map[string]*http.Request{"presigned get": h.download, "presigned put": h.upload} {
		response, err := http.DefaultClient.Do(r.Clone(ctx))
		if err != nil {
			got[what] = err.Error()
			continue
		}
		_ = response.Body.Close()
		got[what] = fmt.Sprint(response.StatusCode)
	}
	return got
}

// becomes waits until everything in hand gets the answer.
func (h held) becomes(want string) {
	h.w.t.Helper()
	testkit.Eventually(h.w.t, 20*time.Second, func() error {
		for what, got := range h.answers() {
			if got != want {
				return fmt.Errorf("%s gets %s, want %s", what, got, want)
			}
		}
		return nil
	})
}

func TestWhatATenantHasInHandStopsWithTheAccountAndComesBackAsItWas(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, other := account(), account()
	mine, theirs := w.hold(acc), w.hold(other)
	mine.becomes("200")
	before := w.policyOf(w.identityOf(acc))
	version := int64(1)
	for _, step := range []struct {
		verb  string
		state identityv1.AccountState
		want  string
	}{
		{"suspended", suspended, "403"}, {"restored", active, "200"}, {"closing", closing, "403"}, {"reopened", active, "200"},
	} {
		version++
		at := time.Now()
		w.says(stands(acc, step.verb, step.state, version))
		mine.becomes(step.want)
		t.Logf("%s took %s", step.verb, time.Since(at).Round(time.Millisecond))
	}
	theirs.becomes("200")
	if after := w.policyOf(w.identityOf(acc)); !policy.Same([]byte(before), []byte(after)) {
		t.Errorf("the policy was %s and is %s", before, after)
	}
	w.tells(acc, 4, "account_standing.update SUCCEEDED by storage-provisioning")
	if n := w.row(`select count(*)::text from storage.drift where account_id = $1`, acc); n != "0" {
		t.Errorf("%s of that was taken for drift", n)
	}
}

func TestALateEventOfAnAccountChangesNothing(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	mine := w.hold(acc)
	w.says(stands(acc, "suspended", suspended, 5))
	mine.becomes("403")
	late := stands(acc, "restored", active, 4)
	w.says(late)
	w.heard(t, acc, late)
	lie := stands(acc, "restored", active, 9)
	lie.AccountID = account()
	unknown := stands(acc, "restored", identityv1.AccountState_ACCOUNT_STATE_UNSPECIFIED, 9)
	w.says(lie, unknown)
	w.heard(t, acc, lie)
	w.heard(t, acc, unknown)
	if n := w.row(`select count(*)::text from storage.dead_letter`); n != "2" {
		t.Errorf("%s events were put aside, want 2", n)
	}
	w.settled()
	mine.becomes("403")
}

func TestAnAccountIsStoppedOnceItsBackendAnswersAgain(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	mine := w.hold(acc)
	w.settled()
	w.calls.cutNext("minio.PutPolicy", false)
	w.says(stands(acc, "suspended", suspended, 2))
	mine.becomes("403")
	if w.calls.hit == "" {
		t.Error("nothing was cut")
	}
}

func TestABucketThatIsMadeForAnAccountThatWaitsIsNotReached(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	late := stands(acc, "created", pending, 1)
	w.says(late)
	w.heard(t, acc, late)
	bucket := name()
	// With a token that was given out a moment before.
	w.create(acc, bucket)
	if document := w.policyOf(w.identityOf(acc)); strings.Contains(document, bucket) {
		t.Errorf("the account reaches it: %s", document)
	}
}

func TestStoppedWritesLeaveReadingAndDeleting(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	mine := w.hold(acc)
	w.settled()
	w.stopWrites(acc, true)
	testkit.Eventually(t, 20*time.Second, func() error {
		for what, got := range mine.answers() {
			want := "200"
			if strings.HasSuffix(what, "put") {
				want = "403"
			}
			if got != want {
				return fmt.Errorf("%s gets %s, want %s", what, got, want)
			}
		}
		return nil
	})
	w.stopWrites(acc, false)
	mine.becomes("200")
}

// stopWrites writes the wish as its use case does.
func (w *world) stopWrites(acc string, stop bool) {
	w.t.Helper()
	conn := w.database.Superuser(w.t)
	_, err := conn.Exec(testkit.Context(w.t), `insert into storage.account_standing (account_id, state, version, writes_stopped, changed_at)
		values ($1, '', 0, $2, now()) on conflict (account_id) do update set writes_stopped = $2`, acc, stop)
	if err == nil {
		_, err = conn.Exec(testkit.Context(w.t), `update storage.managed_resource set generation = generation + 1, due_at = now()
			where kind = 'principal' and account_id = $1`, acc)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
