package suite_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// made is what a tenant has, by the names of path parameters.
type made map[string]string

// tenant makes an account with one of everything.
func tenant(t *testing.T, client *webclient.Client) made {
	t.Helper()
	account := newAccount(t, client)
	var me struct{ User struct{ ID string } }
	do(t, client, http.MethodGet, "/v1/me", nil, &me)
	var b bucket
	header := do(t, client, http.MethodPost, bucketsOf(account), map[string]any{"name": unique("mine")}, &b)
	var key struct {
		AccessKey struct{ ID string }
	}
	do(t, client, http.MethodPost, "/v1/accounts/"+account+"/accessKeys", map[string]any{
		"displayName": "k", "grants": []map[string]string{{"bucket": b.Name, "permission": "PERMISSION_READ"}},
	}, &key)
	var invitation struct{ ID string }
	do(t, client, http.MethodPost, "/v1/accounts/"+account+"/invitations", map[string]string{"email": unique("x") + "@example.com", "role": "ROLE_VIEWER"}, &invitation)
	all := made{
		"account_id": account, "invitation_id": invitation.ID, "ownership_transfer_id": newTransfer(t, client, account), "bucket": b.Name, "key_id": key.AccessKey.ID, "user_id": me.User.ID,
		"api_key_id": newAPIKey(t, client, account, "ROLE_VIEWER", "account.read").APIKey.ID, "operation_id": header.Get("Primecloud-Operation-Id"),
	}
	storing(t, client, all)
	return all
}

// storing adds what there is about buckets. Of drift and requests for more there is none: those
// are asked for by an id that nothing has.
func storing(t *testing.T, client *webclient.Client, all made) {
	t.Helper()
	mine := bucketsOf(all["account_id"], all["bucket"])
	var rule, share, upload, purge struct {
		ID       string
		UploadID string
		Share    struct{ ID string }
	}
	do(t, client, http.MethodPost, mine+"/lifecycleRules", map[string]any{"id": "old", "prefix": "x/", "expireAfterDays": 7}, &rule)
	do(t, client, http.MethodPost, mine+"/shares", map[string]string{"scope": "SHARE_SCOPE_OBJECT", "path": "k"}, &share)
	do(t, client, http.MethodPost, mine+"/multipartUploads", map[string]string{"key": "k"}, &upload)
	var going bucket
	do(t, client, http.MethodPost, bucketsOf(all["account_id"]), map[string]any{"name": unique("going")}, &going)
	do(t, client, http.MethodPost, bucketsOf(all["account_id"], going.Name)+":purge", map[string]string{"confirmBucket": going.Name}, &purge)
	all["rule_id"], all["share_id"], all["upload_id"], all["purge_id"] = rule.ID, share.Share.ID, upload.UploadID, purge.ID
	all["drift_id"], all["quota_request_id"] = absent["drift_id"], absent["quota_request_id"]
}

// absent names what never was.
var absent = made{
	"account_id": "acc_00000000000000000000000000", "invitation_id": "inv_00000000000000000000000000", "ownership_transfer_id": "otr_00000000000000000000000000", "bucket": "never-was", "key_id": "key_00000000000000000000000000",
	"user_id": "usr_00000000000000000000000000", "api_key_id": "apk_00000000000000000000000000", "operation_id": "opn_00000000000000000000000000",
	"rule_id": "never", "share_id": "shr_00000000000000000000000000", "purge_id": "bpg_00000000000000000000000000",
	"drift_id": "dft_00000000000000000000000000", "quota_request_id": "qrq_00000000000000000000000000",
	// As the backend makes them; this one it never made.
	"upload_id": "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwLjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMHgwMDAwMDAwMDAwMDAwMDAwMDAw",
}

var pathParameter = regexp.MustCompile(`\{[a-zA-Z_]+\}`)

// route is one method of the published contract that is about an account.
type route struct{ method, path string }

// fill puts the things into the path.
func (r route) fill(t *testing.T, things made) string {
	t.Helper()
	return pathParameter.ReplaceAllStringFunc(r.path, func(name string) string {
		thing := things[strings.Trim(name, "{}")]
		if thing == "" {
			t.Fatalf("%s: this test knows no %s; add it", r.path, name)
		}
		return thing
	}) + r.ending(queries)
}

// about are the requests of methods that want to know more than the path says, by how the path
// goes on.
var about = map[string]string{
	"lifecycleRules:preview": `{"lifecycleRule": {"id": "old", "expireAfterDays": 1}}`,
	"lifecycleRules":         `{"id": "more", "expireAfterDays": 1}`,
	"multipartUploads":       `{"key": "k"}`,
	":abort":                 `{"key": "k"}`,
	":complete":              `{"key": "k", "parts": [{"partNumber": 1, "etag": "d41d8cd98f00b204e9800998ecf8427e"}]}`,
	":signParts":             `{"key": "k", "partNumbers": [1]}`,
	":batchDelete":           `{"objects": [{"key": "k"}]}`,
	"objects:copy":           `{"key": "k", "destinationKey": "l"}`,
	"objects:move":           `{"key": "k", "destinationKey": "l"}`,
	"objects:delete":         `{"key": "k"}`,
	":restoreVersion":        `{"key": "k", "versionId": "null"}`,
	":setTags":               `{"key": "k", "tags": {"a": "b"}}`,
	":undelete":              `{"key": "k"}`,
	":presignPost":           `{"key": "k"}`,
	"{bucket}/shares":        `{"scope": "SHARE_SCOPE_OBJECT", "path": "k"}`,
	"{drift_id}:ignore":      `{"reason": "r"}`,
	"/quota":                 `{"reason": "r"}`,
	"{rule_id}":              `{"prefix": "y/"}`,
}

// queries are those of methods that read and want to know more.
var queries = map[string]string{"objects:get": "?key=k", ":getTags": "?key=k", ":listParts": "?key=k"}

// ending returns what goes with the end of the path, the longest one.
func (r route) ending(of map[string]string) string {
	found, best := "", ""
	for end, value := range of {
		if strings.HasSuffix(r.path, end) && len(end) > len(best) {
			found, best = value, end
		}
	}
	return found
}

// body is one that the edge lets pass.
func (r route) body(things made) any {
	said := r.ending(about)
	switch {
	case strings.HasSuffix(r.path, "{bucket}:purge"):
		return map[string]string{"confirmBucket": things["bucket"]}
	case said != "" && r.method != http.MethodGet && r.method != http.MethodDelete:
		return json.RawMessage(said)
	case r.method == http.MethodGet || r.method == http.MethodDelete:
		return nil
	case r.method == http.MethodPost:
		return "{}"
	case r.method == http.MethodPut:
		return map[string]string{"permission": "PERMISSION_READ"}
	case strings.HasSuffix(r.path, "/profile"):
		return map[string]string{"legalName": "mine now"}
	case strings.HasSuffix(r.path, "{bucket}"):
		return map[string]string{"quotaBytes": "1"}
	case strings.HasSuffix(r.path, "{user_id}"):
		return map[string]string{"role": "ROLE_VIEWER"}
	default:
		return map[string]string{"displayName": "mine now"}
	}
}

// accountRoutes are all that a tenant's people and machines have, as the suite publishes its
// contract.
func accountRoutes(t *testing.T) []route {
	t.Helper()
	return routesBelow(t, "/v1/accounts/{account_id}", 25)
}

// routesBelow are the routes whose paths begin so, of which there are so many at least.
func routesBelow(t *testing.T, prefix string, atLeast int) []route {
	t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	do(t, nobody(), http.MethodGet, "/openapi.json", nil, &document)
	var all []route
	for path, methods := range document.Paths {
		for method := range methods {
			if strings.HasPrefix(path, prefix) && slices.Contains([]string{"get", "post", "put", "patch", "delete"}, method) {
				all = append(all, route{strings.ToUpper(method), path})
			}
		}
	}
	slices.SortFunc(all, func(a, b route) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	if len(all) < atLeast {
		t.Fatalf("the contract has only %d routes below %s", len(all), prefix)
	}
	return all
}

// TestEveryRouteOfThePlatformIsForItsOperatorsAlone holds that a tenant's people and machines
// get nothing there, and learn nothing of which accounts there are.
func TestEveryRouteOfThePlatformIsForItsOperatorsAlone(t *testing.T) {
	hers := tenant(t, browser(t, anna))
	hers["operator_access_id"] = "opa_00000000000000000000000000"
	absent := made{
		"account_id": absent["account_id"], "operator_access_id": hers["operator_access_id"],
		"drift_id": absent["drift_id"], "quota_request_id": absent["quota_request_id"],
	}
	machine := nobody().WithBearer(bearer(t, newAPIKey(t, browser(t, anna), hers["account_id"], "ROLE_OWNER",
		"account.read", "account.write", "audit.read", "storage.read", "storage.write")))
	for _, r := range routesBelow(t, "/v1/platform/", 10) {
		for who, c := range map[string]struct {
			client *webclient.Client
			reason string
		}{"an owner": {browser(t, anna), "NOT_AN_OPERATOR"}, "a machine": {machine, "CALLER_NOT_ALLOWED"}} {
			t.Run(r.method+" "+r.path+" by "+who, func(t *testing.T) {
				_, err := c.client.Call(t.Context(), r.method, r.fill(t, hers), r.body(hers), nil)
				theirs := refused(t, err, http.StatusForbidden, c.reason)
				_, err = c.client.Call(t.Context(), r.method, r.fill(t, absent), r.body(absent), nil)
				sameButForIDs(t, theirs, statusOf(t, err))
			})
		}
	}
}

var someID = regexp.MustCompile(`(acc|bkt|key|usr|apk|opn|req|inv|otr|opa|shr|bpg|dft|qrq)_[0-9a-z]{26}`)

// sameButForIDs fails the test unless two refusals cannot be told apart.
func sameButForIDs(t *testing.T, a, b *webclient.Status) {
	t.Helper()
	told := func(s *webclient.Status) string {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return someID.ReplaceAllString(string(raw), "$1_…")
	}
	if a.HTTP != b.HTTP || told(a) != told(b) {
		t.Errorf("HTTP %d %s\ndiffers from HTTP %d %s", a.HTTP, told(a), b.HTTP, told(b))
	}
	for _, header := range []string{"Etag", "Retry-After", "Www-Authenticate", "Content-Type", "Primecloud-Operation-Id"} {
		if a.Header.Get(header) != b.Header.Get(header) {
			t.Errorf("the header %s tells them apart: %q and %q", header, a.Header.Get(header), b.Header.Get(header))
		}
	}
}

// TestEveryRouteTreatsAnothersAccountLikeOneThatNeverWas is the matrix of tenant isolation,
// made from the published contract: no new route can be left out.
func TestEveryRouteTreatsAnothersAccountLikeOneThatNeverWas(t *testing.T) {
	hers := tenant(t, browser(t, anna))
	his := tenant(t, browser(t, bert))
	machine := nobody().WithBearer(bearer(t, newAPIKey(t, browser(t, bert), his["account_id"], "ROLE_ADMIN",
		"account.read", "audit.read", "storage.read", "storage.write")))
	for _, r := range accountRoutes(t) {
		for who, client := range map[string]*webclient.Client{"a person": browser(t, bert), "a machine": machine} {
			t.Run(r.method+" "+r.path+" by "+who, func(t *testing.T) {
				_, err := client.Call(t.Context(), r.method, r.fill(t, hers), r.body(hers), nil)
				theirs := statusOf(t, err)
				_, err = client.Call(t.Context(), r.method, r.fill(t, absent), r.body(absent), nil)
				never := statusOf(t, err)
				if theirs.HTTP != http.StatusNotFound {
					t.Errorf("got %v, want HTTP 404", theirs)
				}
				sameButForIDs(t, theirs, never)
			})
		}
	}
	t.Run("and nothing of hers was touched", func(t *testing.T) {
		for _, path := range []string{bucketsOf(hers["account_id"], hers["bucket"]), "/v1/accounts/" + hers["account_id"] + "/accessKeys/" + hers["key_id"]} {
			var still struct{ State string }
			do(t, browser(t, anna), http.MethodGet, path, nil, &still)
			if !strings.HasSuffix(still.State, "_READY") {
				t.Errorf("%s is %+v", path, still)
			}
		}
	})
}

func TestEveryRouteTreatsAnothersThingInOnesOwnAccountLikeOneThatNeverWas(t *testing.T) {
	hers := tenant(t, browser(t, anna))
	his := tenant(t, browser(t, bert))
	inHis := func(things made) made {
		mixed := made{}
		for name, thing := range things {
			mixed[name] = thing
		}
		mixed["account_id"] = his["account_id"]
		return mixed
	}
	for _, r := range accountRoutes(t) {
		if strings.Count(r.path, "{") < 2 {
			continue // it names nothing but the account
		}
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			ask := func(things made) *webclient.Status {
				body := r.body(things)
				if strings.Contains(r.path, ":presign") {
					body = map[string]string{"key": "a", "lifetime": "60s"}
				}
				_, err := browser(t, bert).Call(t.Context(), r.method, r.fill(t, inHis(things)), body, nil)
				return statusOf(t, err)
			}
			theirs, never := ask(hers), ask(absent)
			if theirs.HTTP != http.StatusNotFound {
				t.Errorf("got %v, want HTTP 404", theirs)
			}
			sameButForIDs(t, theirs, never)
		})
	}
	t.Run("also as a bucket that a key is to reach", func(t *testing.T) {
		ask := func(bucket string) *webclient.Status {
			_, err := browser(t, bert).Call(t.Context(), http.MethodPost, "/v1/accounts/"+his["account_id"]+"/accessKeys", map[string]any{
				"displayName": "k", "grants": []map[string]string{{"bucket": bucket, "permission": "PERMISSION_READ"}},
			}, nil)
			return refused(t, err, http.StatusBadRequest, "GRANT_INVALID")
		}
		sameButForIDs(t, ask(hers["bucket"]), ask(absent["bucket"]))
	})
}

// newTransfer proposes to hand the account over to somebody who has left it since.
func newTransfer(t *testing.T, client *webclient.Client, account string) string {
	t.Helper()
	type user struct{ User struct{ ID string } }
	var me, other user
	do(t, client, http.MethodGet, "/v1/me", nil, &me)
	for _, person := range []int{anna, bert} {
		if do(t, browser(t, person), http.MethodGet, "/v1/me", nil, &other); other != me {
			break
		}
	}
	members := "/v1/accounts/" + account + "/memberships"
	do(t, client, http.MethodPost, members, map[string]string{"userId": other.User.ID, "role": "ROLE_VIEWER"}, nil)
	var transfer struct{ ID string }
	do(t, client, http.MethodPost, "/v1/accounts/"+account+"/ownershipTransfers", map[string]string{"toUserId": other.User.ID}, &transfer)
	do(t, client, http.MethodDelete, members+"/"+other.User.ID, nil, nil)
	return transfer.ID
}
