package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func user(noun string, grants ...bus.Grant) servers.NATSUser {
	p := bus.PermissionsOf(noun, grants...)
	return servers.NATSUser{Name: noun, Password: "secret-" + noun, Publish: p.Publish, Subscribe: p.Subscribe}
}

func TestPermissions_suffice_for_everything_a_service_does_and_no_more(t *testing.T) {
	n := testkit.NATS(t,
		user("storage", bus.MayReadBucket("revocations")),
		user("identity", bus.MayConsume("storage", "identity-audit"), bus.MayWriteBucket("revocations")),
	)
	as := func(noun string) *bus.Conn {
		conn := connect(t, bus.Config{URL: n.URL(), User: noun, Password: config.Secret("secret-" + noun), Service: noun, Noun: noun})
		testkit.Eventually(t, 10*time.Second, func() error { return conn.Check(t.Context()) })
		return conn
	}
	storage, identity := as("storage"), as("identity")
	ctx := testkit.Context(t)

	t.Run("storage makes its stream and publishes", func(t *testing.T) {
		if _, err := bus.EnsureStream(ctx, storage.JetStream(), "storage"); err != nil {
			t.Fatal(err)
		}
		w := &world{conn: storage}
		w.publish(t, someEvent("e1"), "1")
	})
	t.Run("identity consumes it", func(t *testing.T) {
		w := &world{conn: identity, db: testkit.DB(t, "identity")}
		w.consume(t, func(c *bus.Consumer) {
			c.Name = "identity-audit"
			c.Subjects = []string{"primecloud.storage.bucket.>", "primecloud.storage.audit.>"}
		})
		w.expectOnce(t, "e1")
		(&world{conn: storage}).publish(t, someEvent("e2"), "2")
		w.expectOnce(t, "e1", "e2")
	})
	t.Run("identity writes revocations and storage watches them", func(t *testing.T) {
		bucket, err := identity.JetStream().CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "revocations"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bucket.Put(ctx, "k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		reader, err := storage.JetStream().KeyValue(ctx, "revocations")
		if err != nil {
			t.Fatal(err)
		}
		watch, err := reader.WatchAll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = watch.Stop() }()
		select {
		case entry := <-watch.Updates():
			if string(entry.Value()) != "v" {
				t.Errorf("got %q", entry.Value())
			}
		case <-ctx.Done():
			t.Fatal("nothing came")
		}
		if entry, err := reader.Get(ctx, "k"); err != nil || string(entry.Value()) != "v" {
			t.Errorf("got %v, %v", entry, err)
		}
	})
	t.Run("storage cannot", func(t *testing.T) {
		short := func() context.Context {
			ctx, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}
		js := storage.JetStream()
		for name, try := range map[string]func() error{
			"publish as identity": func() error {
				_, err := js.Publish(short(), "primecloud.identity.account.created.v1", nil)
				return err
			},
			"make identity's stream": func() error {
				_, err := bus.EnsureStream(short(), js, "identity")
				return err
			},
			"remove its own stream": func() error { return js.DeleteStream(short(), "STORAGE") },
			"consume in identity's name": func() error {
				_, err := js.CreateOrUpdateConsumer(short(), "STORAGE", jetstream.ConsumerConfig{Durable: "identity-audit", AckPolicy: jetstream.AckExplicitPolicy})
				return err
			},
			"write a revocation": func() error {
				bucket, err := js.KeyValue(short(), "revocations")
				if err != nil {
					t.Errorf("it cannot even read them: %v", err)
					return err
				}
				_, err = bucket.Put(short(), "k", []byte("mine"))
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				if err := try(); err == nil {
					t.Error("it may")
				}
			})
		}
	})
	t.Run("nobody listens to what another gets", func(t *testing.T) {
		complaints := make(chan error, 10)
		raw, err := nats.Connect(n.URL(), nats.UserInfo("storage", "secret-storage"),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { complaints <- err }))
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		for _, subject := range []string{"_INBOX_identity.>", "_INBOX.>", ">", "primecloud.identity.>"} {
			if _, err := raw.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			if err := raw.FlushWithContext(ctx); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-complaints:
				if !errors.Is(err, nats.ErrPermissionViolation) {
					t.Errorf("%s: %v", subject, err)
				}
			case <-ctx.Done():
				t.Fatalf("%s may be listened to", subject)
			}
		}
	})
}
