package suite_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/rpc"
)

// The people who can log in.
const (
	anna = 0
	bert = 1
)

// login is a fresh login of one of the stack's people.
func login(t *testing.T, person int) *webclient.Client {
	t.Helper()
	who := environment.People()[person]
	client := webclient.New(running.suite.Target().Gateway)
	if err := client.Login(t.Context(), who.Email, who.Password); err != nil {
		t.Fatal(err)
	}
	return client
}

// browser is a person's browser, logged in once for all tests.
func browser(t *testing.T, person int) *webclient.Client {
	t.Helper()
	if running.browsers[person] == nil {
		running.browsers[person] = login(t, person)
	}
	return running.browsers[person]
}

// nobody is a client without a login.
func nobody() *webclient.Client { return webclient.New(running.suite.Target().Gateway) }

// do makes a call that must succeed.
func do(t *testing.T, client *webclient.Client, method, path string, body, out any, options ...webclient.Option) http.Header {
	t.Helper()
	header, err := client.Call(t.Context(), method, path, body, out, options...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return header
}

func newAccount(t *testing.T, client *webclient.Client) string {
	t.Helper()
	var account struct{ ID string }
	name := t.Name()
	do(t, client, http.MethodPost, "/v1/accounts", map[string]string{"displayName": name[:min(len(name), 100)]}, &account)
	return account.ID
}

// unique makes a name that nobody has used.
func unique(prefix string) string { return fmt.Sprintf("%s-%x", prefix, time.Now().UnixNano()) }

// bucket is the part of a bucket that tests look at.
type bucket struct {
	ID, Name, State, Etag, QuotaBytes, Versioning string
}

// bucketsOf is the path of an account's buckets, or of one of them.
func bucketsOf(account string, name ...string) string {
	return strings.Join(append([]string{"/v1/accounts/" + account + "/buckets"}, name...), "/")
}

func newBucket(t *testing.T, client *webclient.Client, account string, fields map[string]any) bucket {
	t.Helper()
	request := map[string]any{"name": unique("e2e")}
	for name, value := range fields {
		request[name] = value
	}
	var made bucket
	do(t, client, http.MethodPost, bucketsOf(account), request, &made)
	return made
}

// apiKey is a machine's login.
type apiKey struct {
	APIKey struct{ ID string } `json:"apiKey"`
	Secret string
}

func newAPIKey(t *testing.T, client *webclient.Client, account, role string, scopes ...string) apiKey {
	t.Helper()
	var made apiKey
	do(t, client, http.MethodPost, "/v1/accounts/"+account+"/apiKeys", map[string]any{"displayName": "machine", "role": role, "scopes": scopes}, &made)
	return made
}

// exchange turns an API key into an access token.
func exchange(t *testing.T, key apiKey) (string, error) {
	t.Helper()
	var token struct{ AccessToken string }
	_, err := nobody().Call(t.Context(), http.MethodPost, "/v1/tokens:exchangeApiKey", map[string]string{"apiKey": key.Secret}, &token)
	return token.AccessToken, err
}

// bearer is a machine's access token.
func bearer(t *testing.T, key apiKey) string {
	t.Helper()
	token, err := exchange(t, key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// wire connects to a service over gRPC, as an internal team does: with TLS, and no
// certificate of its own.
func wire(t *testing.T, service string) *grpc.ClientConn {
	t.Helper()
	ports := running.config.Processes
	port := map[string]int{"identity": ports.Identity, "storage-provisioning": ports.Storage}[service]
	tls, err := pki.Files{CA: running.environment.Authority.CA()}.ClientTLS(pki.Peer{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := rpc.Dial(rpc.ClientConfig{Target: settings.Address(port), TLS: tls}, rpc.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// statusOf is the refusal in err.
func statusOf(t *testing.T, err error) *webclient.Status {
	t.Helper()
	var status *webclient.Status
	if !errors.As(err, &status) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return status
}

// detail is the refusal's detail of a type, such as ErrorInfo; nil when there is none.
func detail(status *webclient.Status, name string) map[string]any {
	for _, d := range status.Details {
		if d["@type"] == "type.googleapis.com/google.rpc."+name {
			return d
		}
	}
	return nil
}

// violations are the rules that fields of a refused request broke, as "field rule".
func violations(status *webclient.Status) []string {
	list, _ := detail(status, "BadRequest")["fieldViolations"].([]any)
	var found []string
	for _, one := range list {
		v := one.(map[string]any)
		found = append(found, fmt.Sprintf("%v %v", v["field"], v["reason"]))
		if v["description"] == "" {
			found = append(found, "and says nothing")
		}
	}
	slices.Sort(found)
	return found
}

// refused checks that a call was refused with an HTTP status and a reason, in the form
// that every refusal has: a reason that the contract explains, a sentence, a request id.
func refused(t *testing.T, err error, httpStatus int, reason string) *webclient.Status {
	t.Helper()
	status := statusOf(t, err)
	if status.HTTP != httpStatus || status.Reason() != reason {
		t.Errorf("got %v, want HTTP %d %s", err, httpStatus, reason)
	}
	if !slices.Contains(contractReasons(t), status.Reason()) {
		t.Errorf("the contract does not explain %s", status.Reason())
	}
	if status.Message == "" || detail(status, "ErrorInfo")["domain"] == "" || detail(status, "RequestInfo")["requestId"] == nil {
		t.Errorf("the refusal lacks a message, a domain or a request id: %+v", status)
	}
	return status
}

// contractReasons are the reasons that the published document explains.
var contractReasons = func() func(*testing.T) []string {
	var mu sync.Mutex
	var known []string
	return func(t *testing.T) []string {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if known != nil {
			return known
		}
		var document json.RawMessage
		do(t, nobody(), http.MethodGet, "/openapi.json", nil, &document)
		var any struct {
			Reasons []struct {
				Reasons []struct{ Reason, Meaning string }
			} `json:"x-error-reasons"`
		}
		if err := json.Unmarshal(document, &any); err != nil {
			t.Fatal(err)
		}
		for _, domain := range any.Reasons {
			for _, r := range domain.Reasons {
				if r.Meaning != "" {
					known = append(known, r.Reason)
				}
			}
		}
		return known
	}
}()
