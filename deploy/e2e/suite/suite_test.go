package suite_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/demo"
	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/deploy/stack/suite"
	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// running is the suite that all tests of this package share.
var running *suite.Suite

// TestMain runs every test twice: against the suite in one process, and against the same
// suite as separate processes.
func TestMain(m *testing.M) {
	for _, separate := range []bool{false, true} {
		fmt.Printf("=== the suite as separate processes: %v\n", separate)
		code, err := withSuite(separate, m.Run)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if code != 0 {
			os.Exit(code)
		}
	}
}

func withSuite(separate bool, tests func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "primecloud-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return 1, err
	}
	ports, err := freePorts(5)
	if err != nil {
		return 1, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	running, err = suite.Start(ctx, suite.Config{
		Dir: dir, LogLevel: "info", Volatile: true, Separate: separate,
		Processes: settings.Ports{Gateway: ports[0], Identity: ports[1], Storage: ports[2], IdentityAdmin: ports[3], StorageAdmin: ports[4]},
	}, os.Stderr)
	if err != nil {
		return 1, err
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- running.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		return 1, err
	}
	code = tests()
	cancel()
	return code, <-ended
}

// freePorts asks the system for ports that nobody uses now.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = listener.Close() }()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// browser is a logged-in browser of one of the stack's people.
func browser(t *testing.T, person int) *webclient.Client {
	t.Helper()
	who := environment.People()[person]
	client := webclient.New(running.Target().Gateway)
	if err := client.Login(t.Context(), who.Email, who.Password); err != nil {
		t.Fatal(err)
	}
	return client
}

func newAccount(t *testing.T, client *webclient.Client) string {
	t.Helper()
	var account struct{ ID string }
	if _, err := client.Call(t.Context(), http.MethodPost, "/v1/accounts", map[string]string{"displayName": t.Name()}, &account); err != nil {
		t.Fatal(err)
	}
	return account.ID
}

// refused checks that a call was refused with an HTTP status and a reason.
func refused(t *testing.T, err error, httpStatus int, reason string) {
	t.Helper()
	var status *webclient.Status
	if !errors.As(err, &status) || status.HTTP != httpStatus || status.Reason() != reason {
		t.Errorf("got %v, want HTTP %d %s", err, httpStatus, reason)
	}
}

func TestTheDemoDoesTheMainJobThroughPublicDoors(t *testing.T) {
	var out strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := demo.Run(ctx, running.Target(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}

func TestAnotherTenantsAccountLooksAbsent(t *testing.T) {
	account := newAccount(t, browser(t, 0))
	_, err := browser(t, 1).Call(t.Context(), http.MethodGet, "/v1/accounts/"+account, nil, nil)
	var status *webclient.Status
	if !errors.As(err, &status) || status.HTTP != http.StatusNotFound {
		t.Errorf("the other person gets %v, want HTTP 404", err)
	}
	_, absent := browser(t, 1).Call(t.Context(), http.MethodGet, "/v1/accounts/acc_00000000000000000000000000", nil, nil)
	var other *webclient.Status
	if !errors.As(absent, &other) || other.HTTP != status.HTTP || other.Reason() != status.Reason() {
		t.Errorf("an account that never was looks different: %v and %v", err, absent)
	}
}

func TestWhatTheEdgeRefuses(t *testing.T) {
	client := browser(t, 0)
	nobody := webclient.New(client.Base())
	cases := []struct {
		name       string
		call       func() error
		httpStatus int
		reason     string
	}{
		{"no login", func() error {
			_, err := nobody.Call(t.Context(), http.MethodGet, "/v1/me", nil, nil)
			return err
		}, http.StatusUnauthorized, "LOGIN_REQUIRED"},
		{"a forged token", func() error {
			_, err := nobody.WithBearer("eyJhbGciOiJub25lIn0.e30.").Call(t.Context(), http.MethodGet, "/v1/me", nil, nil)
			return err
		}, http.StatusUnauthorized, "TOKEN_INVALID"},
		{"a missing CSRF token", func() error {
			_, err := client.Call(t.Context(), http.MethodPost, "/v1/accounts", map[string]string{"displayName": "x"}, nil, webclient.Header("X-CSRF-Token", ""))
			return err
		}, http.StatusForbidden, "CSRF_TOKEN_INVALID"},
		{"an unknown JSON field", func() error {
			_, err := client.Call(t.Context(), http.MethodPost, "/v1/accounts", map[string]string{"displayName": "x", "owner": "me"}, nil)
			return err
		}, http.StatusBadRequest, "BODY_INVALID"},
		{"an oversized body", func() error {
			_, err := client.Call(t.Context(), http.MethodPost, "/v1/accounts", map[string]string{"displayName": strings.Repeat("x", 2<<20)}, nil)
			return err
		}, http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE"},
		{"a bad page token", func() error {
			_, err := client.Call(t.Context(), http.MethodGet, "/v1/accounts?pageToken=abc", nil, nil)
			return err
		}, http.StatusBadRequest, "PAGE_TOKEN_INVALID"},
		{"an unknown route", func() error {
			_, err := client.Call(t.Context(), http.MethodGet, "/v1/nothing", nil, nil)
			return err
		}, http.StatusNotFound, "ROUTE_NOT_FOUND"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { refused(t, c.call(), c.httpStatus, c.reason) })
	}
}

func TestAReusedIdempotencyKeyIsRefusedAndARepeatedCallIsOneCall(t *testing.T) {
	client := browser(t, 0)
	key := webclient.Key(fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano()))
	create := func(name string) (string, error) {
		var account struct{ ID string }
		_, err := client.Call(t.Context(), http.MethodPost, "/v1/accounts", map[string]string{"displayName": name}, &account, key)
		return account.ID, err
	}
	first, err := create("once")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := create("once"); err != nil || again != first {
		t.Errorf("the repeated call made %s, not %s: %v", again, first, err)
	}
	_, err = create("another")
	refused(t, err, http.StatusBadRequest, "IDEMPOTENCY_KEY_REUSED")
}

func TestASessionEndsWithLogout(t *testing.T) {
	client := browser(t, 0)
	if err := client.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := client.Call(t.Context(), http.MethodGet, "/v1/me", nil, nil)
	refused(t, err, http.StatusUnauthorized, "LOGIN_REQUIRED")
}

func TestAnAPIKeyLogsAMachineInToOneAccountWithinItsScopes(t *testing.T) {
	client := browser(t, 0)
	account := newAccount(t, client)
	var made struct {
		APIKey struct{ ID string } `json:"apiKey"`
		Secret string
	}
	_, err := client.Call(t.Context(), http.MethodPost, "/v1/accounts/"+account+"/apiKeys", map[string]any{
		"displayName": "machine", "role": "ROLE_DEVELOPER", "scopes": []string{"account.read"},
	}, &made)
	if err != nil {
		t.Fatal(err)
	}
	exchange := func() (string, error) {
		var token struct{ AccessToken string }
		_, err := webclient.New(client.Base()).Call(t.Context(), http.MethodPost, "/v1/tokens:exchangeApiKey", map[string]string{"apiKey": made.Secret}, &token)
		return token.AccessToken, err
	}
	token, err := exchange()
	if err != nil {
		t.Fatal(err)
	}
	machine := client.WithBearer(token)
	if _, err := machine.Call(t.Context(), http.MethodGet, "/v1/accounts/"+account, nil, nil); err != nil {
		t.Error(err)
	}
	t.Run("a scope it lacks is refused", func(t *testing.T) {
		_, err := machine.Call(t.Context(), http.MethodGet, "/v1/accounts/"+account+"/auditEntries", nil, nil)
		var status *webclient.Status
		if !errors.As(err, &status) || status.HTTP != http.StatusForbidden {
			t.Errorf("got %v, want HTTP 403", err)
		}
	})
	t.Run("another account looks absent", func(t *testing.T) {
		_, err := machine.Call(t.Context(), http.MethodGet, "/v1/accounts/"+newAccount(t, client), nil, nil)
		refused(t, err, http.StatusNotFound, "NOT_FOUND")
	})
	t.Run("a revoked key and its tokens end", func(t *testing.T) {
		if _, err := client.Call(t.Context(), http.MethodPost, "/v1/accounts/"+account+"/apiKeys/"+made.APIKey.ID+":revoke", "{}", nil); err != nil {
			t.Fatal(err)
		}
		_, err := exchange()
		refused(t, err, http.StatusUnauthorized, "API_KEY_INVALID")
		_, err = machine.Call(t.Context(), http.MethodGet, "/v1/accounts/"+account, nil, nil)
		refused(t, err, http.StatusUnauthorized, "TOKEN_REVOKED")
	})
}
