package identity_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/credentials"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity"
)

// loggedIn is a connection of a program that logs in with a key.
func (w *world) loggedIn(c credentials.Config) (*credentials.Credentials, grpc.ClientConnInterface) {
	w.t.Helper()
	c.Identity, c.Clock = w.dial(""), w.clock
	login, err := credentials.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	files := w.files("identity")
	files.Cert, files.Key = "", ""
	tls, err := files.ClientTLS(pki.Peer{Service: identity.Name})
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := rpc.Dial(rpc.ClientConfig{Target: "passthrough:///" + w.address, TLS: tls, Credentials: login}, rpc.Deps{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return login, login.Conn(conn)
}

func TestA_program_stays_logged_in_over_rotations_of_its_key(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	created := anna.key(acme)
	file := filepath.Join(t.TempDir(), "key")
	write := func(secret string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(created.GetSecret())
	_, conn := w.loggedIn(credentials.Config{Key: credentials.File(file), Scopes: []string{"account.read"}})
	get := func() error {
		_, err := identityv1.NewAccountServiceClient(conn).GetAccount(testkit.Context(t), &identityv1.GetAccountRequest{AccountId: acme})
		return err
	}
	for range 3 {
		if err := get(); err != nil {
			t.Fatal(err)
		}
	}
	rotated := anna.rotate(created.GetApiKey(), time.Hour)
	write(rotated.GetSecret())
	w.clock.advance(2 * time.Hour)
	if err := get(); err != nil {
		t.Errorf("after the overlap: %v", err)
	}
	again := anna.rotate(created.GetApiKey(), 0)
	write(again.GetSecret())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := get(); err != nil {
				t.Errorf("after a rotation that revoked the token: %v", err)
			}
		})
	}
	group.Wait()
	anna.rotate(created.GetApiKey(), 0)
	wants(t, get(), "API_KEY_INVALID")
}

func TestA_program_survives_an_outage_of_identity_for_as_long_as_its_token_lives(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	login, _ := w.loggedIn(credentials.Config{Key: credentials.Literal(anna.key(anna.account("Acme").GetId()).GetSecret())})
	first, err := login.Token(testkit.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.clock.advance(4*time.Minute + 30*time.Second)
	for range 3 {
		if got, err := login.Token(testkit.Context(t)); err != nil || got != first {
			t.Fatalf("while the token lives: another one %v, %v", got != first, err)
		}
	}
	w.clock.advance(time.Minute)
	_, err = login.Token(testkit.Context(t))
	if err == nil {
		t.Error("a token that has ended is given out")
	}
}
