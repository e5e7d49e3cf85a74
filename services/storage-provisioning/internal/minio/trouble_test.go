package minio_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/port"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/connection"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
)

// The key ids and secrets that every call below is given.
const (
	secretUser, secretWord, secretKey = "USERIDUSERID", "wordwordword", "KEYIDKEYID"
	secretRoot, secretRootWord        = "ROOTIDROOTID", "rootwordrootword"
)

// calls is every method of the adapter that may reach the server.
func calls(b *minio.Backend) map[string]func(context.Context) error {
	all := map[string]func(context.Context) error{
		"ObserveBucket": func(ctx context.Context) error { _, err := b.ObserveBucket(ctx, "acme"); return err },
		"CountContent":  func(ctx context.Context) error { _, _, err := b.CountContent(ctx, "acme", 10); return err },
		"ObserveAll":    func(ctx context.Context) error { return b.ObserveAll(ctx, func(string, bucket.Observed) {}) },
		"ReportUsage":   func(ctx context.Context) error { _, err := b.ReportUsage(ctx); return err },
		"TallyBucket":   func(ctx context.Context) error { _, err := b.TallyBucket(ctx, "acme", "", nil); return err },
		"MakeBucket":    func(ctx context.Context) error { return b.MakeBucket(ctx, "acme") },
		"MarkBucket": func(ctx context.Context) error {
			return b.MarkBucket(ctx, "acme", bucket.Mark{ID: "bkt_1", AccountID: "acc_1"})
		},
		"SetVersioning": func(ctx context.Context) error { return b.SetVersioning(ctx, "acme", bucket.VersioningEnabled) },
		"SetQuota":      func(ctx context.Context) error { return b.SetQuota(ctx, "acme", 1) },
		"SetLifecycle": func(ctx context.Context) error {
			return b.SetLifecycle(ctx, "acme", []bucket.Rule{{ID: "a", ExpireAfterDays: 1}})
		},
		"RemoveBucket": func(ctx context.Context) error { return b.RemoveBucket(ctx, "acme") },
		"ObserveUser":  func(ctx context.Context) error { _, err := b.ObserveUser(ctx, secretUser); return err },
		"PutUser":      func(ctx context.Context) error { return b.PutUser(ctx, secretUser, secretWord) },
		"GetPolicy":    func(ctx context.Context) error { _, _, err := b.GetPolicy(ctx, "p"); return err },
		"PutPolicy":    func(ctx context.Context) error { return b.PutPolicy(ctx, "p", []byte(`{}`)) },
		"AttachPolicy": func(ctx context.Context) error { return b.AttachPolicy(ctx, secretUser, "p") },
		"ObserveKey":   func(ctx context.Context) error { _, err := b.ObserveKey(ctx, secretKey); return err },
		"PutKey": func(ctx context.Context) error {
			return b.PutKey(ctx, principal.KeySpec{User: secretUser, ID: secretKey, Secret: secretWord, Policy: []byte(`{}`)})
		},
		"ReviseKey": func(ctx context.Context) error {
			_, err := b.ReviseKey(ctx, accesskey.Revision{ID: secretKey, Policy: []byte(`{}`), Enabled: true})
			return err
		},
		"MakeLockedBucket": func(ctx context.Context) error { return b.MakeLockedBucket(ctx, "acme") },
		"SetBucketTags": func(ctx context.Context) error {
			return b.SetBucketTags(ctx, "acme", bucket.Mark{ID: "bkt_1", AccountID: "acc_1"}, map[string]string{"team": "red"})
		},
		"SetRetention": func(ctx context.Context) error {
			return b.SetRetention(ctx, "acme", bucket.Lock{Enabled: true, Mode: bucket.Governance, Days: 1})
		},
		"SetEncryption": func(ctx context.Context) error { return b.SetEncryption(ctx, "acme", bucket.EncryptionSSES3) },
		"SetPublic":     func(ctx context.Context) error { return b.SetPublic(ctx, "acme", bucket.Public{Read: true}) },
		"ScanVersions":  func(ctx context.Context) error { _, _, err := b.ScanVersions(ctx, "acme", "", 10); return err },
		"ListUploads":   func(ctx context.Context) error { _, err := b.ListUploads(ctx, "acme"); return err },
		"AbortUpload": func(ctx context.Context) error {
			return b.AbortUpload(ctx, "acme", lifecycle.Upload{Key: "k", ID: "u"})
		},
		"Features":  func(ctx context.Context) error { _, err := b.Features(ctx); return err },
		"RemoveKey": func(ctx context.Context) error { return b.RemoveKey(ctx, secretKey) },
		"TryKey": func(ctx context.Context) error {
			return b.TryKey(ctx, accesskey.Trial{ID: secretKey, Secret: secretWord, Bucket: "acme"})
		},
		"ShapeUser": func(ctx context.Context) error {
			return b.ShapeUser(ctx, secretUser, principal.User{Enabled: true, Policies: []string{"p"}})
		},
		"RestoreKey":   func(ctx context.Context) error { return b.RestoreKey(ctx, secretKey, principal.Key{Enabled: true}) },
		"TakeCensus":   func(ctx context.Context) error { _, _, err := b.TakeCensus(ctx); return err },
		"ListUsers":    func(ctx context.Context) error { _, err := b.ListUsers(ctx); return err },
		"ListKeys":     func(ctx context.Context) error { _, err := b.ListKeys(ctx, []string{secretUser}); return err },
		"RemoveHolder": func(ctx context.Context) error { _, err := b.RemoveHolder(ctx, secretKey, "p"); return err },
		"Issue": func(ctx context.Context) error {
			_, err := b.Issue(ctx, session.Wish{User: secretUser, Secret: secretWord, Policy: []byte(`{}`), Lifetime: time.Hour})
			return err
		},
		"Reach": func(ctx context.Context) error { _, err := b.Reach(ctx); return err },
		"Use": func(ctx context.Context) error {
			_, err := b.Use(ctx, connection.Attempt{ID: secretKey, Secret: secretWord, Bucket: "acme"})
			return err
		},
		"CountEntries":  func(ctx context.Context) error { _, err := b.CountEntries(ctx, "acme", "", 10); return err },
		"RemoveEntries": func(ctx context.Context) error { _, err := b.RemoveEntries(ctx, "acme", "", 10); return err },
		"RemovePolicy":  func(ctx context.Context) error { return b.RemovePolicy(ctx, "p") },
		"RemoveUser":    func(ctx context.Context) error { return b.RemoveUser(ctx, secretUser) },
		"UnmarkBucket":  func(ctx context.Context) error { return b.UnmarkBucket(ctx, "acme", nil) },
		"PresignUpload": func(ctx context.Context) error {
			_, err := b.PresignUpload(ctx, object.Upload{User: secretUser, Secret: secretWord, Policy: []byte(`{}`), Bucket: "acme", Key: "k", Lifetime: time.Minute})
			return err
		},
		"PresignDownload": func(ctx context.Context) error {
			_, err := b.PresignDownload(ctx, object.Download{Reader: secretKey, Secret: secretWord, Bucket: "acme", Key: "k", Lifetime: time.Minute})
			return err
		},
	}
	maps.Copy(all, objectCalls(b))
	return all
}

// soon bounds what a call takes besides waiting for its server: sealing takes a while on a
// busy machine, ten tries in a row take longer.
const soon = 2 * time.Second

// local are the methods that ask nobody, or to whom no answer is an answer.
var local = []string{"PresignDownload", "Reach", "Use"}

func at(t *testing.T, endpoint string, change ...func(*minio.Config)) *minio.Backend {
	t.Helper()
	cfg := minio.Config{Endpoint: endpoint, AdminKey: secretRoot, AdminSecret: secretRootWord}
	for _, c := range change {
		c(&cfg)
	}
	b, err := minio.New(cfg)
	must(t, err)
	t.Cleanup(b.Close)
	return b
}

// clean fails if an error shows a key id or a secret, anywhere in its text.
func clean(t *testing.T, method string, err error) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	if e, ok := errs.As(err); ok {
		text += e.Message() + fmt.Sprint(e.Metadata())
	}
	for _, secret := range []string{secretUser, secretWord, secretKey, secretRoot, secretRootWord} {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows %s: %s", method, secret, text)
		}
	}
}

func TestEveryMethodRunsThroughTheDecoratorUnderItsName(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	b := at(t, "http://127.0.0.1:1", func(c *minio.Config) {
		c.Around = func(ctx context.Context, name string, call func(context.Context) error) error {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, name)
			return port.Plain(ctx, name, call)
		}
	})
	all := calls(b)
	for method := range reflect.TypeFor[*minio.Backend]().Methods() {
		if method.Name == "Close" || method.Name == "Distrust" {
			continue
		}
		call, ok := all[method.Name]
		if !ok {
			t.Errorf("%s is not in the table of calls", method.Name)
			continue
		}
		seen = nil
		_ = call(t.Context())
		if !slices.Equal(seen, []string{"minio." + method.Name}) {
			t.Errorf("%s ran as %v", method.Name, seen)
		}
	}
}

func TestAMinIOThatRefusesConnectionsIsUnavailableAtOnce(t *testing.T) {
	for method, call := range calls(at(t, "http://127.0.0.1:1")) {
		if slices.Contains(local, method) {
			continue
		}
		began := time.Now()
		err := call(t.Context())
		if took := time.Since(began); took > soon {
			t.Errorf("%s took %s", method, took)
		}
		refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
		if e, _ := errs.As(err); e.RetryAfter() <= 0 {
			t.Errorf("%s does not say when to retry", method)
		}
		clean(t, method, err)
	}
}

// answers is a server that answers every request alike, and counts them.
func answers(t *testing.T, status int, body string) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var count atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		count.Add(1)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s, &count
}

func TestTroubleOfTheServerIsAskedForOnceAndUnavailable(t *testing.T) {
	told := secretKey + " " + secretUser + " " + secretWord
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"503 of S3":             {503, `<Error><Code>SlowDown</Code><Message>` + told + `</Message></Error>`},
		"503 of administration": {503, `{"Code":"XMinioServerNotInitialized","Message":"` + told + `"}`},
		"500":                   {500, `<Error><Code>InternalError</Code><Message>` + told + `</Message></Error>`},
		"502 of a proxy":        {502, told},
		"429":                   {429, ``},
	} {
		t.Run(name, func(t *testing.T) {
			server, count := answers(t, answer.status, answer.body)
			for method, call := range calls(at(t, server.URL)) {
				if slices.Contains(local, method) {
					continue
				}
				count.Store(0)
				began := time.Now()
				err := call(t.Context())
				refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
				clean(t, method, err)
				if got := count.Load(); got != 1 {
					t.Errorf("%s sent %d requests", method, got)
				}
				if took := time.Since(began); took > soon {
					t.Errorf("%s took %s", method, took)
				}
			}
		})
	}
}

func TestARefusalShowsTheServersCodeAndNothingElse(t *testing.T) {
	told := secretKey + " " + secretUser + " " + secretWord
	server, _ := answers(t, 400, `<Error><Code>SomethingNew</Code><Message>`+told+`</Message></Error>`)
	for method, call := range calls(at(t, server.URL)) {
		if slices.Contains(local, method) {
			continue
		}
		err := call(t.Context())
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
		clean(t, method, err)
		// The answer to a HEAD has no body to say it in.
		if method != "Stat" && !strings.Contains(err.Error(), "SomethingNew") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestWrongAdministratorCredentialsAreARefusalWithoutIds(t *testing.T) {
	s := testkit.MinIO(t)
	b := at(t, s.Endpoint(), func(c *minio.Config) { c.Region = s.Region })
	for method, call := range calls(b) {
		if slices.Contains(local, method) {
			continue
		}
		err := call(t.Context())
		for range 10 {
			// MinIO may close the connection before it has read a body that it refuses, and its
			// answer is lost then.
			if errs.KindOf(err) != errs.Unavailable {
				break
			}
			err = call(t.Context())
		}
		if errors.Is(err, bucket.ErrVanished) {
			t.Logf("%s: MinIO says that the bucket is absent before it looks at the key", method)
			continue
		}
		want := "BACKEND_REJECTED"
		if errs.ReasonOf(err) == "OBJECT_ACCESS_DENIED" {
			// So it is told to who acts upon objects: their account's user may not.
			_, onObjects := objectCalls(b)[method]
			if !onObjects {
				t.Errorf("%s: %v", method, err)
			}
			want = "OBJECT_ACCESS_DENIED"
		}
		refused(t, err, errs.FailedPrecondition, want)
		clean(t, method, err)
	}
}

func TestAFrozenMinIO(t *testing.T) {
	s := testkit.NewMinIO(t)
	cfg := func(c *minio.Config) {
		c.Region, c.AdminKey, c.AdminSecret = s.Region, s.RootUser, s.RootPassword
		c.CallTimeout, c.CensusTimeout = 300*time.Millisecond, 300*time.Millisecond
	}
	b := at(t, s.Endpoint(), cfg)
	_, err := b.ObserveBucket(t.Context(), "nowhere") // a connection from before stays in the pool
	must(t, err)
	must(t, s.Pause())
	testkit.Eventually(t, 5*time.Second, func() error { // its threads stop one after the other
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := b.ObserveBucket(ctx, "nowhere"); err == nil {
			return errors.New("it still answers")
		}
		return nil
	})
	t.Run("is unavailable when the caller's time is over", func(t *testing.T) {
		each(t, calls(b), func(method string, call func(context.Context) error) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := call(ctx)
			took := time.Since(began)
			if errs.ReasonOf(err) != "BACKEND_UNAVAILABLE" || took > 100*time.Millisecond+soon {
				t.Errorf("%s: %v after %s", method, err, took)
			}
			clean(t, method, err)
		})
	})
	t.Run("is unavailable after the longest time of a call, for a caller with all the time", func(t *testing.T) {
		each(t, calls(b), func(method string, call func(context.Context) error) {
			began := time.Now()
			err := call(t.Context())
			took := time.Since(began)
			if errs.ReasonOf(err) != "BACKEND_UNAVAILABLE" || took > 300*time.Millisecond+soon {
				t.Errorf("%s: %v after %s", method, err, took)
			}
		})
	})
	t.Run("is left alone by a caller who goes away", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		began := time.Now()
		_, err := b.ObserveBucket(ctx, "nowhere")
		if errs.KindOf(err) != errs.Canceled || !errors.Is(err, context.Canceled) || time.Since(began) > 50*time.Millisecond+soon {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
	t.Run("works again once it goes on", func(t *testing.T) {
		must(t, s.Resume())
		testkit.Eventually(t, 5*time.Second, func() error {
			_, err := b.ObserveBucket(t.Context(), "nowhere")
			return err
		})
	})
}

// The client's lists, for one, end without a word then, as if nothing were there.
func TestACallWhoseTimeIsOverBeforeItBeginsIsUnavailable(t *testing.T) {
	s := testkit.MinIO(t)
	b := at(t, s.Endpoint(), func(c *minio.Config) {
		c.Region, c.AdminKey, c.AdminSecret = s.Region, s.RootUser, s.RootPassword
	})
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	each(t, calls(b), func(method string, call func(context.Context) error) {
		if err := call(ctx); errs.ReasonOf(err) != "BACKEND_UNAVAILABLE" {
			t.Errorf("%s: %v", method, err)
		}
	})
}

// each runs all calls that ask the server, side by side.
func each(t *testing.T, all map[string]func(context.Context) error, do func(method string, call func(context.Context) error)) {
	t.Helper()
	var wait sync.WaitGroup
	for method, call := range all {
		if !slices.Contains(local, method) {
			wait.Go(func() { do(method, call) })
		}
	}
	wait.Wait()
}

func TestNewRefusesABadConfiguration(t *testing.T) {
	for name, cfg := range map[string]minio.Config{
		"no credentials":         {Endpoint: "http://127.0.0.1:9000"},
		"no scheme":              {Endpoint: "127.0.0.1:9000", AdminKey: "a", AdminSecret: "b"},
		"another scheme":         {Endpoint: "ftp://127.0.0.1", AdminKey: "a", AdminSecret: "b"},
		"a path":                 {Endpoint: "http://127.0.0.1/minio", AdminKey: "a", AdminSecret: "b"},
		"credentials in the URL": {Endpoint: "http://key:" + secretWord + "@127.0.0.1", AdminKey: "a", AdminSecret: "b"},
		"a bad public endpoint":  {Endpoint: "http://127.0.0.1", PublicEndpoint: "://", AdminKey: "a", AdminSecret: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := minio.New(cfg); err == nil || strings.Contains(err.Error(), secretWord) {
				t.Errorf("got %v", err)
			}
		})
	}
}
