package testkit

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/servers"
)

// NATS starts a NATS server with JetStream for this test alone. Without users everybody
// may do everything.
func NATS(t testing.TB, users ...servers.NATSUser) *servers.NATS {
	t.Helper()
	n, err := servers.StartNATS(Context(t), servers.NATSConfig{Dir: t.TempDir(), Users: users})
	if err != nil {
		t.Fatalf("start NATS: %v", err)
	}
	t.Cleanup(func() { kill(t, n.Server) })
	return n
}

// Storage is a MinIO with what its administrator needs.
type Storage struct {
	*servers.MinIO
	RootUser, RootPassword, Region string
}

var storage = sync.OnceValues(func() (*Storage, error) {
	dir, err := shared.folder("minio")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	s, err := startStorage(ctx, dir)
	if err == nil {
		shared.onStop(func(context.Context) error { return s.Kill() })
	}
	return s, err
})

// MinIO returns the process's MinIO, and starts it the first time. Tests share it: they
// name their buckets and users apart, and leave the server running.
func MinIO(t testing.TB) *Storage {
	t.Helper()
	s, err := storage()
	if err != nil {
		t.Fatalf("start MinIO: %v", err)
	}
	return s
}

// NewMinIO starts a MinIO for this test alone, which may stop, pause or kill it. Settings are
// those of MinIO's environment, such as WithKMS.
func NewMinIO(t testing.TB, settings ...string) *Storage {
	t.Helper()
	s, err := startStorage(Context(t), t.TempDir(), settings...)
	if err != nil {
		t.Fatalf("start MinIO: %v", err)
	}
	t.Cleanup(func() { kill(t, s.Server) })
	return s
}

// WithKMS is the setting of a MinIO that has a key management: one key, known to this test
// kit alone.
const WithKMS = "MINIO_KMS_SECRET_KEY=primecloud-test:IyqsU3kMFloCNup4BsZtf/rmfHVcTgznO2F25CkEH1g="

func startStorage(ctx context.Context, dir string, settings ...string) (*Storage, error) {
	s := &Storage{RootUser: "primecloud-root", RootPassword: "primecloud-root-password", Region: "local"}
	var err error
	s.MinIO, err = servers.StartMinIO(ctx, servers.MinIOConfig{
		Dir: dir, RootUser: s.RootUser, RootPassword: s.RootPassword, Region: s.Region,
		Env: append([]string{"MINIO_SCANNER_SPEED=fastest"}, settings...),
	})
	return s, err
}

// Door starts the door before a MinIO, for this test alone.
func Door(t testing.TB, upstream *servers.MinIO) *servers.Door {
	t.Helper()
	d, err := servers.StartDoor(Context(t), servers.DoorConfig{Dir: t.TempDir(), Upstream: upstream.Address()})
	if err != nil {
		t.Fatalf("start the door: %v", err)
	}
	t.Cleanup(func() { kill(t, d.Server) })
	return d
}

// Dex starts an OpenID Connect provider for this test alone. Dir and Port are the test's.
func Dex(t testing.TB, cfg servers.DexConfig) *servers.Dex {
	t.Helper()
	cfg.Dir, cfg.Port = t.TempDir(), 0
	d, err := servers.StartDex(Context(t), cfg)
	if err != nil {
		t.Fatalf("start Dex: %v", err)
	}
	t.Cleanup(func() { kill(t, d.Server) })
	return d
}

var provider struct {
	once sync.Once
	dex  *servers.Dex
	err  error
}

// SharedDex returns the process's OpenID Connect provider, and starts it the first time
// with cfg, which all callers give alike. Hashing its passwords takes long under the race
// detector, so tests that leave it running share it.
func SharedDex(t testing.TB, cfg servers.DexConfig) *servers.Dex {
	t.Helper()
	provider.once.Do(func() {
		if cfg.Dir, provider.err = shared.folder("dex"); provider.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if provider.dex, provider.err = servers.StartDex(ctx, cfg); provider.err == nil {
			shared.onStop(func(context.Context) error { return provider.dex.Kill() })
		}
	})
	if provider.err != nil {
		t.Fatalf("start Dex: %v", provider.err)
	}
	return provider.dex
}

// kill ends a server whose data nobody needs any more.
func kill(t testing.TB, s *servers.Server) {
	if err := s.Kill(); err != nil {
		t.Errorf("end %s: %v", s.Name(), err)
	}
}
