package suite_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/credentials"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// oauth gets a token as an OAuth 2.0 client, and returns the HTTP status and the answer.
func oauth(t *testing.T, key apiKey, scope string) (int, map[string]any) {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, running.suite.Target().Gateway+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(key.APIKey.ID, key.Secret)
	response, err := nobody().HTTP().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatalf("HTTP %d: %v", response.StatusCode, err)
	}
	return response.StatusCode, answer
}

// loggedIn connects to storage over gRPC with a key, as an internal team does.
func loggedIn(t *testing.T, key credentials.Key) grpc.ClientConnInterface {
	t.Helper()
	login, err := credentials.New(credentials.Config{Identity: wire(t, "identity"), Key: key, Clock: clock.System()})
	if err != nil {
		t.Fatal(err)
	}
	tls, err := pki.Files{CA: running.environment.Authority.CA()}.ClientTLS(pki.Peer{Service: "storage-provisioning"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := rpc.Dial(rpc.ClientConfig{Target: settings.Address(running.config.Processes.Storage), TLS: tls, Credentials: login}, rpc.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return login.Conn(conn)
}

func TestMachinesAreOAuthClientsAndOutliveARotation(t *testing.T) {
	owner := browser(t, anna)
	account := newAccount(t, owner)
	b := newBucket(t, owner, account, nil)
	key := newAPIKey(t, owner, account, "ROLE_DEVELOPER", "storage.read", "storage.write")
	status, given := oauth(t, key, "storage.read")
	if status != http.StatusOK || given["scope"] != "storage.read" {
		t.Fatalf("HTTP %d %v", status, given)
	}
	narrow := nobody().WithBearer(given["access_token"].(string))
	do(t, narrow, http.MethodGet, bucketsOf(account, b.Name), nil, nil)
	_, err := narrow.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": unique("e2e")}, nil)
	refused(t, err, http.StatusForbidden, "SCOPE_MISSING")

	secret := key.Secret
	buckets := storagev1.NewBucketServiceClient(loggedIn(t, func() (string, error) { return secret, nil }))
	list := func() {
		t.Helper()
		found, err := buckets.ListBuckets(t.Context(), &storagev1.ListBucketsRequest{AccountId: account})
		if err != nil || len(found.GetBuckets()) != 1 {
			t.Fatalf("over gRPC: %v, %v", found, err)
		}
	}
	list()
	var rotated apiKey
	do(t, owner, http.MethodPost, "/v1/accounts/"+account+"/apiKeys/"+key.APIKey.ID+":rotate", map[string]any{"overlap": "0s"}, &rotated)
	if rotated.Secret == "" || rotated.Secret == key.Secret || rotated.APIKey.ID != key.APIKey.ID {
		t.Fatalf("rotated %s to %s", key.APIKey.ID, rotated.APIKey.ID)
	}
	secret = rotated.Secret
	list() // with a token that storage may hear of as revoked in the middle of it
	if status, given := oauth(t, key, ""); status != http.StatusUnauthorized || given["error"] != "invalid_client" {
		t.Errorf("the former secret gives HTTP %d %v", status, given)
	}
	if status, given := oauth(t, rotated, ""); status != http.StatusOK || given["scope"] != "storage.read storage.write" {
		t.Errorf("the new one gives HTTP %d %v", status, given)
	}
}

func TestAPersonalKeyReachesStorageAsItsPerson(t *testing.T) {
	owner := browser(t, anna)
	account := newAccount(t, owner)
	b := newBucket(t, owner, account, nil)
	var key apiKey
	do(t, owner, http.MethodPost, "/v1/accounts/"+account+"/personalApiKeys", map[string]any{
		"displayName": "laptop", "scopes": []string{"storage.read"}, "allowedNetworks": []string{"127.0.0.0/8", "::1"},
	}, &key)
	do(t, nobody().WithBearer(bearer(t, key)), http.MethodGet, bucketsOf(account, b.Name), nil, nil)
	do(t, owner, http.MethodPatch, "/v1/accounts/"+account+"/personalApiKeys/"+key.APIKey.ID, map[string]any{"allowedNetworks": []string{"192.0.2.0/24"}}, nil)
	_, err := exchange(t, key)
	refused(t, err, http.StatusUnauthorized, "API_KEY_INVALID")
}
