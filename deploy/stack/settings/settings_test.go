package settings_test

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/gateway"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/services/identity"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

func TestATakenPortIsNamedWithItsSetting(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	port := taken.Addr().(*net.TCPAddr).Port
	err = settings.Ports{StorageAdmin: port}.Free(t.Context())
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(port)) || !strings.Contains(err.Error(), "PRIMECLOUD_STACK_STORAGE_ADMIN_PORT") {
		t.Errorf("got %v", err)
	}
	if err := (settings.Ports{}).Free(t.Context()); err != nil {
		t.Errorf("free ports: %v", err)
	}
}

func TestChosenPortsAreFreeAndLieApartFromThoseOfServers(t *testing.T) {
	ports, err := settings.ChoosePorts(t.Context(), 200)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if seen[port] || port < 10000 || port >= 20000 {
			t.Errorf("port %d", port)
		}
		seen[port] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d ports", len(seen))
	}
}

func TestEveryProcessAcceptsItsSettings(t *testing.T) {
	dir, err := os.MkdirTemp("", "primecloud-settings-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ports := settings.Ports{Gateway: 1, Identity: 2, Storage: 3, IdentityAdmin: 4, StorageAdmin: 5}
	around, err := environment.Start(t.Context(), environment.Config{Dir: dir, Nouns: []string{"identity", "storage"}, Callback: ports.Callback(), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := around.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	suite := settings.Suite{Environment: around, Dir: dir, Ports: ports, LogLevel: "info"}
	check := func(name string, source config.Source, err error, into any, owned string) {
		t.Run(name, func(t *testing.T) {
			if err != nil {
				t.Fatal(err)
			}
			if err := config.Load(into, source, owned); err != nil {
				t.Error(err)
			}
		})
	}
	source, err := suite.Identity()
	check("identity", source, err, &identity.Config{}, "PRIMECLOUD_IDENTITY_")
	source, err = suite.Storage()
	check("storage-provisioning", source, err, &storage.Config{}, "PRIMECLOUD_STORAGE_")
	source, err = suite.Gateway()
	check("gateway", source, err, &gateway.Config{}, "PRIMECLOUD_GATEWAY_")
}
