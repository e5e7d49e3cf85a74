package suite_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// refusal is a request that must be refused, and how.
type refusal struct {
	name       string
	client     *webclient.Client
	method     string
	path       string
	body       any
	options    []webclient.Option
	httpStatus int
	reason     string
	// says is in the message, field in the violations; both are for whoever has to act.
	says, field string
	// metadata is "key value" of what the reason comes with.
	metadata string
}

// check makes the request.
func (r refusal) check(t *testing.T) {
	t.Helper()
	_, err := r.client.Call(t.Context(), r.method, r.path, r.body, nil, r.options...)
	status := refused(t, err, r.httpStatus, r.reason)
	if !strings.Contains(status.Message, r.says) {
		t.Errorf("the message %q does not say %q", status.Message, r.says)
	}
	if key, value, _ := strings.Cut(r.metadata, " "); key != "" {
		if told, _ := detail(status, "ErrorInfo")["metadata"].(map[string]any); told[key] != value {
			t.Errorf("the reason comes with %v, want %s", told, r.metadata)
		}
	}
	broken := violations(status)
	if r.field != "" && !slices.ContainsFunc(broken, func(v string) bool { return strings.HasPrefix(v, r.field+" ") }) {
		t.Errorf("the violations %v do not name %s", broken, r.field)
	}
}

func TestWhatNoMethodTakesIsRefused(t *testing.T) {
	client := browser(t, anna)
	account := newAccount(t, client)
	const post, get = http.MethodPost, http.MethodGet
	buckets := bucketsOf(account)
	for _, r := range []refusal{
		{name: "no login", client: nobody(), method: get, path: "/v1/me", httpStatus: 401, reason: "LOGIN_REQUIRED", says: "access token"},
		{
			name: "no CSRF token", client: client, method: post, path: buckets, body: map[string]string{"name": "whatever"},
			options: []webclient.Option{webclient.Header("X-CSRF-Token", "")}, httpStatus: 403, reason: "CSRF_TOKEN_INVALID", says: "/v1/me/csrf",
		},
		{
			name: "a CSRF token of somebody else's session", client: client, method: post, path: buckets, body: map[string]string{"name": "whatever"},
			options: []webclient.Option{webclient.Header("X-CSRF-Token", csrfOf(t, browser(t, bert)))}, httpStatus: 403, reason: "CSRF_TOKEN_INVALID", says: "/v1/me/csrf",
		},
		{
			name: "an unknown field", client: client, method: post, path: buckets, body: map[string]string{"name": "whatever", "quotaByte": "5"},
			httpStatus: 400, reason: "BODY_INVALID", field: "quotaByte",
		},
		{
			name: "an unknown field deep inside", client: client, method: post, path: buckets, body: `{"name": "whatever", "lifecycleRules": [{"id": "a", "days": 3}]}`,
			httpStatus: 400, reason: "BODY_INVALID", field: "days",
		},
		{name: "half a body", client: client, method: post, path: buckets, body: `{"name": `, httpStatus: 400, reason: "BODY_INVALID"},
		{
			name: "a body that is no JSON", client: client, method: post, path: buckets, body: "name=whatever",
			options: []webclient.Option{webclient.Header("Content-Type", "application/x-www-form-urlencoded")}, httpStatus: 415, reason: "BODY_INVALID", says: "application/json",
		},
		{
			name: "an oversized body", client: client, method: post, path: buckets, body: map[string]string{"name": strings.Repeat("x", 2<<20)},
			httpStatus: 413, reason: "BODY_TOO_LARGE", says: "send less",
		},
		{
			name: "an unknown parameter", client: client, method: get, path: buckets + "?customerRef=x",
			httpStatus: 400, reason: "REQUEST_INVALID", field: "customerRef",
		},
		{name: "an unknown route", client: client, method: get, path: "/v1/nothing", httpStatus: 404, reason: "ROUTE_NOT_FOUND", says: "/docs"},
		{name: "another method of a route", client: client, method: http.MethodPut, path: buckets, body: "{}", httpStatus: 405, reason: "ROUTE_NOT_FOUND", says: "Allow"},
		{
			name: "an idempotency key with a blank", client: client, method: post, path: buckets, body: map[string]string{"name": "whatever"},
			options: []webclient.Option{webclient.Key("two words")}, httpStatus: 400, reason: "IDEMPOTENCY_KEY_INVALID",
		},
		{
			name: "a backend that does not exist", client: client, method: post, path: buckets, body: map[string]string{"name": "whatever", "backend": "moon"},
			httpStatus: 400, reason: "BACKEND_UNKNOWN", field: "backend",
		},
		{
			name: "a negative quota", client: client, method: post, path: buckets, body: map[string]string{"name": "whatever", "quotaBytes": "-1"},
			httpStatus: 400, reason: "REQUEST_INVALID", field: "quota_bytes",
		},
	} {
		t.Run(r.name, r.check)
	}
}

// csrfOf reads the CSRF token of a login.
func csrfOf(t *testing.T, client *webclient.Client) string {
	t.Helper()
	var answer struct{ CSRFToken string }
	do(t, client, http.MethodGet, "/v1/me/csrf", nil, &answer)
	return answer.CSRFToken
}

func TestAPageTokenIsGoodForItsOwnListAlone(t *testing.T) {
	client := browser(t, anna)
	account, other := newAccount(t, client), newAccount(t, client)
	for range 2 {
		newBucket(t, client, account, nil)
	}
	var first struct {
		Buckets       []bucket
		NextPageToken string
	}
	do(t, client, http.MethodGet, bucketsOf(account)+"?pageSize=1", nil, &first)
	token := first.NextPageToken
	if len(first.Buckets) != 1 || token == "" {
		t.Fatalf("the first page is %+v", first)
	}
	do(t, client, http.MethodGet, bucketsOf(account)+"?pageSize=1&pageToken="+token, nil, &first)
	for name, path := range map[string]string{
		"one that was made up":         bucketsOf(account) + "?pageToken=abc",
		"one that was changed":         bucketsOf(account) + "?pageToken=" + token[:len(token)-2] + "AA",
		"one of another account":       bucketsOf(other) + "?pageToken=" + token,
		"one of another filter":        bucketsOf(account) + "?customerReference=x&pageToken=" + token,
		"one of another list":          "/v1/accounts/" + account + "/accessKeys?pageToken=" + token,
		"one of another service":       "/v1/accounts/" + account + "/auditEntries?pageToken=" + token,
		"one in a list of one's own":   "/v1/accounts?pageToken=" + token,
		"one of a list of the service": "/v1/accounts/" + account + "/storageOperations?pageToken=" + token,
	} {
		t.Run(name, refusal{
			client: client, method: http.MethodGet, path: path, httpStatus: 400, reason: "PAGE_TOKEN_INVALID",
		}.check)
	}
}

func TestAChangeOfWhatTheCallerHasNotSeenIsRefused(t *testing.T) {
	client := browser(t, anna)
	account := newAccount(t, client)
	made := newBucket(t, client, account, nil)
	path := bucketsOf(account, made.Name)
	ifMatch := func(etag string) []webclient.Option { return []webclient.Option{webclient.Header("If-Match", etag)} }
	do(t, client, http.MethodPatch, path, map[string]string{"quotaBytes": "1048576"}, nil, ifMatch(`"`+made.Etag+`"`)...)
	for _, r := range []refusal{
		{name: "a stale etag of an update", method: http.MethodPatch, path: path, body: map[string]string{"quotaBytes": "5"}, options: ifMatch(`"` + made.Etag + `"`)},
		{name: "a stale etag of a deletion", method: http.MethodDelete, path: path, options: ifMatch(`"` + made.Etag + `"`)},
		{name: "an etag that never was", method: http.MethodDelete, path: path, options: ifMatch(`"999"`)},
		{name: "a stale etag of an account", method: http.MethodPatch, path: "/v1/accounts/" + account, body: map[string]string{"displayName": "x"}, options: ifMatch(`"999"`)},
	} {
		r.client, r.httpStatus, r.reason, r.says = client, http.StatusPreconditionFailed, "ETAG_MISMATCH", "read it again"
		t.Run(r.name, r.check)
	}
	var now bucket
	do(t, client, http.MethodGet, path, nil, &now)
	if now.QuotaBytes != "1048576" || now.State != "BUCKET_STATE_READY" {
		t.Errorf("the bucket is %+v", now)
	}
}

func TestTheSameIsRefusedOverGRPC(t *testing.T) {
	client := browser(t, anna)
	account, other := newAccount(t, client), newAccount(t, client)
	ctx := rpc.WithBearer(t.Context(), bearer(t, newAPIKey(t, client, account, "ROLE_DEVELOPER", "storage.read", "storage.write")))
	buckets := storagev1.NewBucketServiceClient(wire(t, "storage-provisioning"))
	name, keyed := unique("wire"), rpc.WithIdempotencyKey(ctx, unique("key"))
	made, err := buckets.CreateBucket(keyed, &storagev1.CreateBucketRequest{AccountId: account, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := buckets.UpdateBucket(ctx, &storagev1.UpdateBucketRequest{AccountId: account, BucketName: name, Bucket: &storagev1.Bucket{QuotaBytes: 1 << 20}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		call   func() error
		kind   errs.Kind
		reason string
	}{
		{"no login", func() error {
			_, err := buckets.ListBuckets(t.Context(), &storagev1.ListBucketsRequest{AccountId: account})
			return err
		}, errs.Unauthenticated, "LOGIN_REQUIRED"},
		{"another account", func() error {
			_, err := buckets.ListBuckets(ctx, &storagev1.ListBucketsRequest{AccountId: other})
			return err
		}, errs.NotFound, "NOT_FOUND"},
		{"a taken name", func() error {
			_, err := buckets.CreateBucket(ctx, &storagev1.CreateBucketRequest{AccountId: account, Name: name})
			return err
		}, errs.AlreadyExists, "BUCKET_NAME_TAKEN"},
		{"a bad page token", func() error {
			_, err := buckets.ListBuckets(ctx, &storagev1.ListBucketsRequest{AccountId: account, PageToken: "abc"})
			return err
		}, errs.InvalidArgument, "PAGE_TOKEN_INVALID"},
		{"a stale etag", func() error {
			_, err := buckets.DeleteBucket(ctx, &storagev1.DeleteBucketRequest{AccountId: account, Bucket: name, Etag: made.GetBucket().GetEtag()})
			return err
		}, errs.Aborted, "ETAG_MISMATCH"},
		{"a reused idempotency key", func() error {
			_, err := buckets.CreateBucket(keyed, &storagev1.CreateBucketRequest{AccountId: account, Name: name + "-2"})
			return err
		}, errs.InvalidArgument, "IDEMPOTENCY_KEY_REUSED"},
		{"a field that breaks a rule", func() error {
			_, err := buckets.CreateBucket(ctx, &storagev1.CreateBucketRequest{AccountId: account, Name: unique("e2e"), QuotaBytes: -1})
			return err
		}, errs.InvalidArgument, "REQUEST_INVALID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, ok := errs.As(c.call())
			if !ok || e.Kind() != c.kind || e.Reason() != c.reason || e.Message() == "" {
				t.Errorf("got %v, want %s", e, c.reason)
			}
		})
	}
}

func TestAReusedIdempotencyKeyIsRefused(t *testing.T) {
	client := browser(t, anna)
	account, name := newAccount(t, client), unique("reused")
	key := webclient.Key(unique("key"))
	do(t, client, http.MethodPost, bucketsOf(account), map[string]any{"name": name}, nil, key)
	accountKey := webclient.Key(unique("key"))
	do(t, client, http.MethodPost, "/v1/accounts", map[string]any{"displayName": "once"}, nil, accountKey)
	for _, r := range []refusal{
		{name: "with another name", path: bucketsOf(account), body: map[string]any{"name": name + "-2"}, options: []webclient.Option{key}},
		{name: "with another quota", path: bucketsOf(account), body: map[string]any{"name": name, "quotaBytes": "7"}, options: []webclient.Option{key}},
		{name: "for another account", path: "/v1/accounts", body: map[string]any{"displayName": "twice"}, options: []webclient.Option{accountKey}},
	} {
		r.client, r.method, r.httpStatus, r.reason = client, http.MethodPost, http.StatusBadRequest, "IDEMPOTENCY_KEY_REUSED"
		t.Run(r.name, r.check)
	}
	t.Run("while somebody else may have the same key", func(t *testing.T) {
		other := browser(t, bert)
		do(t, other, http.MethodPost, bucketsOf(newAccount(t, other)), map[string]any{"name": name + "-3"}, nil, key)
	})
}
