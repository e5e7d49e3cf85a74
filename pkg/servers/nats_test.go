package servers_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/primecloud/primecloud/pkg/servers"
)

func TestNATS_refuses_to_publish_under_the_noun_of_another(t *testing.T) {
	n, err := servers.StartNATS(t.Context(), servers.NATSConfig{Dir: t.TempDir(), Users: []servers.NATSUser{
		{Name: "identity", Password: "one", Publish: []string{"primecloud.identity.>"}},
		{Name: "storage", Password: "two", Publish: []string{"primecloud.storage.>"}, Subscribe: []string{"primecloud.>"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, n.Server)
	refused := make(chan error, 1)
	identity, err := nats.Connect(n.URL(), nats.UserInfo("identity", "one"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer identity.Close()
	storage, err := nats.Connect(n.URL(), nats.UserInfo("storage", "two"))
	if err != nil {
		t.Fatal(err)
	}
	defer storage.Close()
	heard, err := storage.SubscribeSync("primecloud.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.Flush(); err != nil {
		t.Fatal(err)
	}

	for _, subject := range []string{"primecloud.storage.bucket.created.v1", "primecloud.identity.account.created.v1"} {
		if err := identity.Publish(subject, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := identity.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("the refusal is %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("publishing under storage's noun was not refused to identity")
	}
	msg, err := heard.NextMsg(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if msg.Subject != "primecloud.identity.account.created.v1" {
		t.Errorf("storage hears %s first", msg.Subject)
	}
	if _, err := identity.SubscribeSync("primecloud.storage.>"); err != nil {
		t.Fatal(err)
	}
	if err := identity.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("the refusal is %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("a user with nothing to subscribe to may subscribe")
	}
	if _, err := nats.Connect(n.URL(), nats.UserInfo("identity", "two")); err == nil {
		t.Error("a wrong password was let in")
	}
}

func TestNATS_keeps_a_stream_through_a_restart_and_loses_it_with_its_store(t *testing.T) {
	n, err := servers.StartNATS(t.Context(), servers.NATSConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, n.Server)
	conn, err := nats.Connect(n.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"e.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "e.1", []byte("x")); err != nil {
		t.Fatal(err)
	}

	if err := n.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	if got := stream.CachedInfo().State.Msgs; got != 1 {
		t.Errorf("after a restart the stream holds %d messages", got)
	}

	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(n.Store); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), "EVENTS"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("with its store gone the stream is %v", err)
	}
}
