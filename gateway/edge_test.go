package gateway_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

const buckets = "/v1/accounts/acc_1/buckets"

func TestA_request_becomes_a_call_and_its_answer_JSON(t *testing.T) {
	w := newWorld(t)
	c := w.as("usr_1", "acc_1")
	made := c.do("POST", buckets, `{"name": "b1", "quotaBytes": "9007199254740993", "lifecycle_rules": [{"id": "r", "expireAfterDays": 3}]}`,
		"Idempotency-Key", "k-1", "X-Request-Id", "mine", "User-Agent", "curl/8").ok(t)
	if got := made.json(t); got["name"] != "b1" || got["quotaBytes"] != "9007199254740993" || got["versioning"] != "VERSIONING_UNSPECIFIED" {
		t.Errorf("got %v", got)
	}
	for name, want := range map[string]string{
		"ETag": `"e1"`, "Primecloud-Operation-Id": "opn_1", "X-Request-Id": "mine", "Content-Type": "application/json", "Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "",
	} {
		if got := made.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	call := w.storage.last(t)
	if request := call.request.(*storagev1.CreateBucketRequest); request.GetAccountId() != "acc_1" || request.GetLifecycleRules()[0].GetExpireAfterDays() != 3 {
		t.Errorf("the service was asked %v", request)
	}
	for name, want := range map[string]string{
		"idempotency-key": "k-1", "x-request-id": "mine", "x-primecloud-client-address": "127.0.0.1", "x-primecloud-user-agent": "curl/8",
	} {
		if got := call.metadata.Get(name); len(got) != 1 || got[0] != want {
			t.Errorf("the service was told %s %q, want %q", name, got, want)
		}
	}
	if p := call.principal; p.ID != "usr_1" || p.AccountID != "acc_1" || p.Peer != "gateway" || p.Address != "127.0.0.1" {
		t.Errorf("the service took the caller for %+v", p)
	}
	got := c.get(buckets + "/b1").ok(t)
	if got.header.Get("ETag") != `"e1"` || !strings.HasPrefix(got.header.Get("X-Request-Id"), "req_") || got.json(t)["name"] != "b1" {
		t.Errorf("got %v %s", got.header, got.body)
	}
	if a := c.do("DELETE", buckets+"/b1", nil).ok(t); strings.TrimSpace(a.body) != "{}" {
		t.Errorf("got %q", a.body)
	}
}

func TestNothing_that_a_client_sends_passes_for_the_gateways_word(t *testing.T) {
	w := newWorld(t)
	w.storage.put(&storagev1.Bucket{Name: "b1"})
	w.as("usr_1", "acc_1").get(buckets+"/b1",
		"Grpc-Metadata-X-Primecloud-Client-Address", "6.6.6.6", "X-Primecloud-Client-Address", "6.6.6.6",
		"Grpc-Metadata-Authorization", "Bearer forged", "Grpc-Metadata-X-Primecloud-User-Agent", "forged",
		"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil.example", "Grpc-Timeout", "1n", "Grpc-Metadata-Idempotency-Key", "forged",
		"X-Http-Method-Override", "DELETE", "Te", "trailers", "X-Request-Id", "not fit\tto be logged").ok(t)
	call := w.storage.last(t)
	var names []string
	for name, values := range call.metadata {
		names = append(names, name)
		for _, value := range values {
			if strings.Contains(value, "6.6.6.6") || strings.Contains(value, "forged") || strings.Contains(value, "evil") {
				t.Errorf("the service was told %s %q", name, value)
			}
		}
	}
	slices.Sort(names)
	allowed := []string{"authorization", "traceparent", "user-agent", "x-primecloud-client-address", "x-primecloud-user-agent", "x-request-id"}
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			t.Errorf("the service was told %s, which is not on the list", name)
		}
	}
	if call.principal.Address != "127.0.0.1" || call.principal.ID != "usr_1" {
		t.Errorf("the service took the caller for %+v", call.principal)
	}
}

func TestForwarded_addresses_are_believed_of_trusted_proxies_alone(t *testing.T) {
	w := newWorld(t, set("TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.9"))
	w.storage.put(&storagev1.Bucket{Name: "b1"})
	w.as("usr_1", "acc_1").get(buckets+"/b1", "X-Forwarded-For", "6.6.6.6, 203.0.113.7, 10.0.0.9").ok(t)
	if got := w.storage.last(t).principal.Address; got != "203.0.113.7" {
		t.Errorf("the address is %s", got)
	}
}

func TestA_body_that_is_not_what_the_method_takes_is_refused(t *testing.T) {
	w := newWorld(t, set("BODY_LIMIT", "2000"))
	c := w.as("usr_1", "acc_1")
	field := func(details map[string]map[string]any) any {
		violations, _ := details["BadRequest"]["fieldViolations"].([]any)
		if len(violations) == 0 {
			return nil
		}
		return violations[0].(map[string]any)["field"]
	}
	cases := []struct{ name, method, path, body, field string }{
		{"an unknown field", "POST", buckets, `{"name": "b1", "quotaByte": 5}`, "quotaByte"},
		{"an unknown field deep inside", "POST", buckets, `{"name": "b1", "lifecycleRules": [{"id": "r", "days": 5}]}`, "days"},
		{"an unknown field of a body that is one field", "PATCH", buckets + "/b1", `{"quotaByte": 5}`, "quotaByte"},
		{"a value of another type", "POST", buckets, `{"name": 5}`, "name"},
		{"an unknown enum value", "POST", buckets, `{"name": "b1", "versioning": "MAYBE"}`, "versioning"},
		{"half a body", "POST", buckets, `{"name": `, ""},
		{"something behind the value", "POST", buckets, `{"name": "b1"} {"name": "b2"}`, ""},
		{"a list", "POST", buckets, `[1]`, ""},
		{"a field twice", "POST", buckets, `{"name": "b1", "name": "b2"}`, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name+" is refused", func(t *testing.T) {
			details := c.do(tc.method, tc.path, tc.body).wants(t, 400, "BODY_INVALID")
			if got := field(details); tc.field != "" && got != tc.field {
				t.Errorf("the violation names %v, want %s", got, tc.field)
			}
			if details["ErrorInfo"]["domain"] != "primecloud.gateway" {
				t.Errorf("got %v", details)
			}
		})
	}
	t.Run("a body beyond the limit is refused", func(t *testing.T) {
		c.do("POST", buckets, `{"name": "`+strings.Repeat("a", 3000)+`"}`).wants(t, 413, "BODY_TOO_LARGE")
	})
	t.Run("a body beyond the limit is refused when its length was not announced", func(t *testing.T) {
		chunked := io.MultiReader(strings.NewReader(`{"name": "`), strings.NewReader(strings.Repeat("a", 3000)+`"}`))
		c.do("POST", buckets, chunked).wants(t, 413, "BODY_TOO_LARGE")
	})
	t.Run("a body that is not JSON is refused", func(t *testing.T) {
		c.do("POST", buckets, `name=b1`, "Content-Type", "", "Content-Type", "application/x-www-form-urlencoded").wants(t, 415, "BODY_INVALID")
	})
	t.Run("the service's own rules are answered with its domain and the fields", func(t *testing.T) {
		details := c.do("POST", buckets, `{"quotaBytes": -1}`).wants(t, 400, "REQUEST_INVALID")
		if details["ErrorInfo"]["domain"] != "primecloud.storage" || field(details) == nil {
			t.Errorf("got %v", details)
		}
	})
	if w.storage.count("CreateBucket")+w.storage.count("UpdateBucket") != 0 {
		t.Error("a refused body reached the service")
	}
}

func TestWhat_a_request_changes_follows_from_its_body(t *testing.T) {
	w := newWorld(t)
	c := w.as("usr_1", "acc_1")
	a := c.do("PATCH", buckets+"/b1", `{"quotaBytes": "0", "lifecycleRules": []}`, "If-Match", `"e1"`).ok(t)
	request := w.storage.last(t).request.(*storagev1.UpdateBucketRequest)
	paths := request.GetUpdateMask().GetPaths()
	slices.Sort(paths)
	if !slices.Equal(paths, []string{"lifecycle_rules", "quota_bytes"}) || request.GetEtag() != "e1" || request.GetBucketName() != "b1" {
		t.Errorf("the service was asked %v", request)
	}
	if a.header.Get("ETag") != `"e2"` {
		t.Errorf("got %v", a.header)
	}
	c.do("PATCH", buckets+"/b1?updateMask=quotaBytes", `{"quotaBytes": "5", "customerReference": "x"}`).ok(t)
	if got := w.storage.last(t).request.(*storagev1.UpdateBucketRequest).GetUpdateMask().GetPaths(); !slices.Equal(got, []string{"quota_bytes"}) {
		t.Errorf("the mask of the query became %v", got)
	}
	if c.do("PATCH", buckets+"/b1", nil).status != 400 {
		t.Error("a change of nothing was accepted")
	}
}

func TestIf_Match_is_the_etag_that_was_read(t *testing.T) {
	w := newWorld(t)
	c := w.as("usr_1", "acc_1")
	t.Run("a stale one is refused", func(t *testing.T) {
		details := c.do("PATCH", buckets+"/b1", `{"quotaBytes": "5"}`, "If-Match", `"e0"`).wants(t, 412, "ETAG_MISMATCH")
		if details["ErrorInfo"]["domain"] != "primecloud.storage" {
			t.Errorf("got %v", details)
		}
	})
	t.Run("it reaches a method without a body", func(t *testing.T) {
		c.do("DELETE", buckets+"/b1", nil, "If-Match", `"e1"`).ok(t)
		if got := w.storage.last(t).request.(*storagev1.DeleteBucketRequest).GetEtag(); got != "e1" {
			t.Errorf("the etag is %q", got)
		}
	})
	t.Run("any etag will do for a star", func(t *testing.T) {
		c.do("DELETE", buckets+"/b1", nil, "If-Match", "*").ok(t)
		c.do("DELETE", buckets+"/b1", `{"etag": "e1"}`).wants(t, 400, "BODY_INVALID")
		if got := w.storage.last(t).request.(*storagev1.DeleteBucketRequest).GetEtag(); got != "" {
			t.Errorf("the etag is %q", got)
		}
	})
	for _, bad := range []string{"e1", `W/"e1"`, `"e1", "e2"`, `""`} {
		t.Run(bad+" is refused", func(t *testing.T) {
			c.do("DELETE", buckets+"/b1", nil, "If-Match", bad).wants(t, 400, "REQUEST_INVALID")
		})
	}
	t.Run("a method that takes none refuses it rather than ignore it", func(t *testing.T) {
		c.do("POST", buckets, `{"name": "b1"}`, "If-Match", `"e1"`).wants(t, 400, "REQUEST_INVALID")
	})
}

func TestParameters_and_headers_are_checked(t *testing.T) {
	w := newWorld(t)
	c := w.as("usr_1", "acc_1")
	if got := c.get(buckets + "?pageSize=7&customer_reference=x").ok(t).json(t)["nextPageToken"]; got != "7" {
		t.Errorf("the page size became %v", got)
	}
	for _, bad := range []string{"?customerRef=x", "?page%5Fsiz=7", "?accountId=acc_2", "?pageSize=seven", "?pageSize=1&pageSize=2"} {
		t.Run(bad+" is refused", func(t *testing.T) { c.get(buckets+bad).wants(t, 400, "REQUEST_INVALID") })
	}
	for _, bad := range []string{"with a blank", strings.Repeat("k", 256), "ümlaut"} {
		t.Run("the idempotency key "+bad[:5]+"… is refused", func(t *testing.T) {
			c.do("POST", buckets, `{"name": "b1"}`, "Idempotency-Key", bad).wants(t, 400, "IDEMPOTENCY_KEY_INVALID")
		})
	}
	t.Run("two idempotency keys are refused", func(t *testing.T) {
		c.do("POST", buckets, `{"name": "b1"}`, "Idempotency-Key", "a", "Idempotency-Key", "b").wants(t, 400, "IDEMPOTENCY_KEY_INVALID")
	})
}

func TestWhat_is_no_text_is_refused_before_a_service_is_asked(t *testing.T) {
	w := newWorld(t)
	c := w.as("usr_1", "acc_1")
	for _, path := range []string{
		buckets + "/%ff", "/v1/accounts/acc_%ff/buckets", buckets + "?customerReference=%ff", buckets + "?%ff=1", buckets + "?%ff=1&x=%zz",
	} {
		t.Run(path, func(t *testing.T) { c.get(path).wants(t, 400, "REQUEST_INVALID") })
	}
	t.Run("an etag", func(t *testing.T) {
		c.do("DELETE", buckets+"/b1", nil, "If-Match", "\"\xff\"").wants(t, 400, "REQUEST_INVALID")
	})
	t.Run("a body", func(t *testing.T) { c.do("POST", buckets, "\xff").wants(t, 400, "BODY_INVALID") })
	if n := w.storage.count("GetBucket") + w.storage.count("ListBuckets") + w.storage.count("DeleteBucket"); n != 0 {
		t.Errorf("the service was asked %d times", n)
	}
}

func TestA_path_that_does_not_exist_is_said_not_to(t *testing.T) {
	w := newWorld(t)
	c := w.as("usr_1", "acc_1")
	for _, path := range []string{"/v1/nothing", "/nothing", "/auth/nothing", "/v1/accounts//buckets/b1/x/y", "/v1//evil"} {
		t.Run(path, func(t *testing.T) { c.get(path).wants(t, 404, "ROUTE_NOT_FOUND") })
	}
	for path, allow := range map[string]string{buckets: "GET, POST", buckets + "/b1": "DELETE, GET, PATCH", "/auth/logout": "POST", "/v1/me/csrf": "GET", "/readyz": "GET"} {
		t.Run("PUT "+path, func(t *testing.T) {
			a := c.do("PUT", path, `{}`)
			a.wants(t, 405, "ROUTE_NOT_FOUND")
			if a.header.Get("Allow") != allow {
				t.Errorf("Allow is %q, want %q", a.header.Get("Allow"), allow)
			}
		})
	}
}

func TestLogins_that_do_not_count_are_refused(t *testing.T) {
	w := newWorld(t)
	w.storage.put(&storagev1.Bucket{Name: "b1"})
	old := w.bearer("usr_1", "acc_1")
	cases := []struct {
		name, authorization string
		status              int
		reason              string
	}{
		{"none", "", 401, "LOGIN_REQUIRED"},
		{"a forged token", "Bearer " + old[:len(old)-4] + "AAAA", 401, "TOKEN_INVALID"},
		{"no token", "Bearer nonsense", 401, "TOKEN_INVALID"},
		{"another scheme", "Basic dXNlcjpwYXNz", 401, "TOKEN_INVALID"},
		{"a token with a line break", "Bearer a\u00a0b", 401, "TOKEN_INVALID"},
		{"a token for another account", "Bearer " + w.bearer("usr_1", "acc_2"), 404, "NOT_FOUND"},
	}
	for _, tc := range cases {
		t.Run(tc.name+" is refused", func(t *testing.T) {
			var header []string
			if tc.authorization != "" {
				header = []string{"Authorization", tc.authorization}
			}
			a := w.client(header...).get(buckets + "/b1")
			a.wants(t, tc.status, tc.reason)
			if tc.status == 401 && a.header.Get("WWW-Authenticate") == "" {
				t.Error("nothing says how to log in")
			}
		})
	}
	t.Run("an expired token is refused", func(t *testing.T) {
		w.clock.Advance(time.Hour)
		w.client("Authorization", "Bearer "+old).get(buckets+"/b1").wants(t, 401, "TOKEN_EXPIRED")
	})
}

func TestErrors_of_services_pass_with_all_they_say(t *testing.T) {
	w := newWorld(t)
	c := w.as("usr_1", "acc_1")
	details := c.get(buckets+"/none").wants(t, 404, "BUCKET_NOT_FOUND")
	if details["ErrorInfo"]["domain"] != "primecloud.storage" {
		t.Errorf("got %v", details)
	}
	w.storage.breakWith(errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "the backend is away").With("backend", "eu-1").WithRetryAfter(1500 * time.Millisecond))
	a := c.get(buckets + "/b1")
	details = a.wants(t, 503, "BACKEND_UNAVAILABLE")
	if a.header.Get("Retry-After") != "2" || details["RetryInfo"]["retryDelay"] != "1.500s" ||
		details["ErrorInfo"]["metadata"].(map[string]any)["backend"] != "eu-1" {
		t.Errorf("got %v %v", a.header, details)
	}
	t.Run("a defect shows nothing of itself", func(t *testing.T) {
		a := c.do("POST", buckets+"/b1:reconcile", nil)
		a.wants(t, 500, "INTERNAL")
		if strings.Contains(a.body, "defect") {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("a method that the service lacks is unimplemented", func(t *testing.T) {
		c.get("/v1/accounts/acc_1/memberships").wants(t, 501, "UNIMPLEMENTED")
	})
}

func TestA_service_that_is_away_is_said_to_be_away(t *testing.T) {
	gone := listen(t)
	must(t, gone.Close())
	conn, err := rpc.Dial(rpc.ClientConfig{Target: gone.Addr().String(), Service: "gateway"}, rpc.Deps{})
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	w := &world{t: t, listener: listen(t), clock: clock.NewManual(time.Now()), signer: token.NewSigner()}
	key, err := token.NewSigningKey()
	must(t, err)
	must(t, w.signer.Use(token.Ring{Current: key}))
	w.start(conn, conn)
	c := w.as("usr_1", "acc_1")
	details := c.get(buckets).wants(t, 503, "DEPENDENCY_UNAVAILABLE")
	if details["ErrorInfo"]["domain"] != "primecloud.gateway" || details["ErrorInfo"]["metadata"].(map[string]any)["dependency"] != "storage-provisioning" {
		t.Errorf("got %v", details)
	}
	w.client("Cookie", "primecloud_session=secret").get("/v1/me").wants(t, 503, "DEPENDENCY_UNAVAILABLE")
	c.get("/auth/login").wants(t, 503, "DEPENDENCY_UNAVAILABLE")
	ready := c.get("/readyz").ok(t).json(t)
	if told, _ := ready["details"].(map[string]any); ready["ready"] != true || !strings.Contains(told["identity"].(string), "DEPENDENCY_UNAVAILABLE") {
		t.Errorf("got %v", ready)
	}
	c.get("/healthz").ok(t)
}

func TestCORS_is_for_the_listed_origins(t *testing.T) {
	const panel = "https://panel.example.com"
	w := newWorld(t, set("CORS_ORIGINS", panel))
	w.storage.put(&storagev1.Bucket{Name: "b1"})
	preflight := func(origin string) answer {
		return w.client().do("OPTIONS", buckets, nil, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-csrf-token")
	}
	listed := preflight(panel)
	if h := listed.header; listed.status != 204 || h.Get("Access-Control-Allow-Origin") != panel || h.Get("Access-Control-Allow-Credentials") != "true" ||
		!strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "X-CSRF-Token") || h.Get("Vary") != "Origin" {
		t.Errorf("got %d %v", listed.status, h)
	}
	for _, origin := range []string{"https://evil.example.com", "null", "https://panel.example.com.evil.example", "http://panel.example.com"} {
		if got := preflight(origin); got.header.Get("Access-Control-Allow-Origin") != "" || got.status < 400 {
			t.Errorf("%s got %d %v", origin, got.status, got.header)
		}
		if got := w.as("usr_1", "acc_1").get(buckets+"/b1", "Origin", origin).ok(t); got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may read: %v", origin, got.header)
		}
	}
	got := w.as("usr_1", "acc_1").get(buckets+"/b1", "Origin", panel).ok(t)
	if got.header.Get("Access-Control-Allow-Origin") != panel || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), "ETag") {
		t.Errorf("got %v", got.header)
	}
}

func TestEvery_principal_has_a_budget(t *testing.T) {
	w := newWorld(t, set("RATE_LIMIT", "5"), set("LOGIN_RATE_LIMIT", "2"))
	anna, bert := w.as("usr_anna", "acc_1"), w.as("usr_bert", "acc_1")
	for i := range 5 {
		a := anna.get(buckets).ok(t)
		h := a.header
		if h.Get("RateLimit-Limit") != "5" || h.Get("RateLimit-Remaining") != string(rune('4'-i)) || h.Get("RateLimit-Policy") != `"default";q=5;w=60` {
			t.Errorf("request %d got %v", i, h)
		}
	}
	refused := anna.get(buckets)
	refused.wants(t, http.StatusTooManyRequests, "RATE_LIMITED")
	if refused.header.Get("Retry-After") != "12" || refused.header.Get("RateLimit-Remaining") != "0" {
		t.Errorf("got %v", refused.header)
	}
	again := w.as("usr_anna", "acc_1")
	again.get(buckets).wants(t, http.StatusTooManyRequests, "RATE_LIMITED") // another token, the same person
	bert.get(buckets).ok(t)
	w.clock.Advance(12 * time.Second)
	anna.get(buckets).ok(t)
	t.Run("made-up tokens share the budget of the address", func(t *testing.T) {
		for i := range 5 {
			w.client("Authorization", "Bearer made-up-"+string(rune('a'+i))).get(buckets).wants(t, 401, "TOKEN_INVALID")
		}
		w.client("Cookie", "primecloud_session=made-up").get("/v1/me").wants(t, http.StatusTooManyRequests, "RATE_LIMITED")
		if n := w.identity.count("ExchangeSession"); n != 0 {
			t.Errorf("%d exchanges beyond the budget", n)
		}
	})
	t.Run("logins have a budget of their own", func(t *testing.T) {
		for range 2 {
			w.client().get("/auth/login").wants(t, 503, "DEPENDENCY_UNAVAILABLE")
		}
		w.client().get("/auth/login").wants(t, http.StatusTooManyRequests, "RATE_LIMITED")
	})
}

func TestPublic_methods_need_no_login_and_suffer_from_no_stale_one(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]*client{
		"nobody":          w.client(),
		"a stale cookie":  w.client("Cookie", "primecloud_session=stale"),
		"a foolish token": w.client("Authorization", "Bearer nonsense"),
		"a browser":       w.inBrowser("usr_1"),
	} {
		t.Run(name, func(t *testing.T) {
			c.do("POST", "/v1/tokens:exchangeApiKey", `{"apiKey": "pck_1"}`).ok(t)
			if md := w.identity.last(t).metadata; len(md.Get("authorization")) != 0 {
				t.Errorf("a public method was shown a login: %v", md)
			}
		})
	}
	if got := w.identity.last(t).request.(*identityv1.ExchangeApiKeyRequest).GetApiKey(); got != "pck_1" {
		t.Errorf("the key is %q", got)
	}
}

func TestA_client_s_trace_does_not_go_on_in_the_service(t *testing.T) {
	w := newWorld(t)
	const id = "0af7651916cd43dd8448eb211c80319c"
	w.as("usr_1", "acc_1").get(buckets, "Traceparent", "00-"+id+"-b7ad6b7169203331-01").ok(t)
	if got := w.storage.last(t).metadata.Get("traceparent"); slices.ContainsFunc(got, func(v string) bool { return strings.Contains(v, id) }) {
		t.Errorf("the service was told %q", got)
	}
}

func TestA_service_that_does_not_answer_in_time_is_given_up(t *testing.T) {
	w := newWorld(t, set("TIMEOUT", "200ms"))
	began := time.Now()
	w.as("usr_1", "acc_1").do("POST", buckets, `{"name": "b1", "backend": "slow"}`).wants(t, http.StatusGatewayTimeout, "DEADLINE_EXCEEDED")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
