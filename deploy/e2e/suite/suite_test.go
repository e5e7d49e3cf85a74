// Package suite_test drives the whole running suite through its public doors: REST, gRPC
// and S3. Every test runs twice, against all in one process and against separate
// processes. Looking behind the scenes, at PostgreSQL or MinIO, is for evidence alone.
package suite_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/demo"
	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// running is the house that all tests of this package share.
var running *house

// TestMain runs every test twice: against the suite in one process, and against the same
// suite as separate processes.
func TestMain(m *testing.M) {
	for _, separate := range []bool{false, true} {
		fmt.Printf("=== the suite as separate processes: %v\n", separate)
		code, err := inHouse(separate, m.Run)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if code != 0 {
			os.Exit(code)
		}
	}
}

// inHouse runs the tests against a suite that is up.
func inHouse(separate bool, tests func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "primecloud-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return 1, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if running, err = newHouse(ctx, dir, separate); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, running.demolish()) }()
	if err := running.open(ctx, nil); err != nil {
		return 1, err
	}
	return tests(), nil
}

func TestTheDemoDoesTheMainJobThroughPublicDoors(t *testing.T) {
	var out strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := demo.Run(ctx, running.suite.Target(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}

func TestARepeatedCallIsOneCall(t *testing.T) {
	client := browser(t, anna)
	account, key, name := newAccount(t, client), webclient.Key(unique("once")), unique("once")
	var first, again bucket
	do(t, client, http.MethodPost, bucketsOf(account), map[string]any{"name": name}, &first, key)
	do(t, client, http.MethodPost, bucketsOf(account), map[string]any{"name": name}, &again, key)
	if first != again || first.ID == "" {
		t.Errorf("the repeated call answers %+v, not %+v", again, first)
	}
}

func TestASessionEndsWithLogout(t *testing.T) {
	client := login(t, anna)
	if err := client.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := client.Call(t.Context(), http.MethodGet, "/v1/me", nil, nil)
	refused(t, err, http.StatusUnauthorized, "LOGIN_REQUIRED")
}
