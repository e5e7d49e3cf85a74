package suite

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/gateway"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/services/identity"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

// parts are the services and the gateway in this one process.
type parts struct {
	identity *identity.Service
	storage  *storage.Service
	logs     []*os.File
	group    *lifecycle.Group
}

// telemetry of one part, with a log file of its own.
func (s *Suite) telemetry(ctx context.Context, name string, cfg observe.Config) (*observe.Telemetry, error) {
	file, err := os.OpenFile(filepath.Join(s.config.Dir, "logs", name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	s.parts.logs = append(s.parts.logs, file)
	cfg.Service, cfg.LogWriter = name, file
	return observe.New(ctx, cfg)
}

func listen(ctx context.Context, address, setting string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; set %s to a free port", err, setting)
	}
	return listener, nil
}

// build makes every part; nothing serves before Run.
func (s *Suite) build(ctx context.Context) error {
	from := s.settings()
	if err := s.buildIdentity(ctx, from); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if err := s.buildStorage(ctx, from); err != nil {
		return fmt.Errorf("storage-provisioning: %w", err)
	}
	if err := s.buildGateway(ctx, from); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// arrive adds a part to the group; its Ready tells when it serves.
func (s *Suite) arrive(name string, run func(context.Context) error) {
	s.parts.group.Add(lifecycle.Component{Name: name, Run: run, StopWithin: 30 * time.Second})
}

func (s *Suite) buildIdentity(ctx context.Context, from settings.Suite) error {
	source, err := from.Identity()
	if err != nil {
		return err
	}
	var c identity.Config
	if err := config.Load(&c, source, "PRIMECLOUD_IDENTITY_"); err != nil {
		return err
	}
	deps := identity.Deps{Clock: clock.System()}
	if deps.Telemetry, err = s.telemetry(ctx, identity.Name, c.Observe); err != nil {
		return err
	}
	if err := identity.Migrate(ctx, c, deps.Telemetry.Logger); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	files, _ := c.PKI()
	if deps.TLS, err = files.ServerTLS(); err != nil {
		return err
	}
	if deps.Listener, err = listen(ctx, c.Listen, "PRIMECLOUD_STACK_IDENTITY_PORT"); err != nil {
		return err
	}
	if s.parts.identity, err = identity.New(ctx, c, deps); err != nil {
		return errors.Join(err, deps.Listener.Close())
	}
	s.arrive(identity.Name, s.parts.identity.Run)
	return nil
}

func (s *Suite) buildStorage(ctx context.Context, from settings.Suite) error {
	source, err := from.Storage()
	if err != nil {
		return err
	}
	var c storage.Config
	if err := config.Load(&c, source, "PRIMECLOUD_STORAGE_"); err != nil {
		return err
	}
	deps := storage.Deps{Clock: clock.System(), Identity: s.parts.identity.Channel(storage.Name)}
	if deps.Telemetry, err = s.telemetry(ctx, storage.Name, c.Observe); err != nil {
		return err
	}
	if err := storage.Migrate(ctx, c, deps.Telemetry.Logger); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	files, _ := c.PKI()
	if deps.TLS, err = files.ServerTLS(); err != nil {
		return err
	}
	if deps.Listener, err = listen(ctx, c.Listen, "PRIMECLOUD_STACK_STORAGE_PORT"); err != nil {
		return err
	}
	if s.parts.storage, err = storage.New(ctx, c, deps); err != nil {
		return errors.Join(err, deps.Listener.Close())
	}
	s.arrive(storage.Name, s.parts.storage.Run)
	return nil
}

func (s *Suite) buildGateway(ctx context.Context, from settings.Suite) error {
	source, err := from.Gateway()
	if err != nil {
		return err
	}
	var c gateway.Config
	if err := config.Load(&c, source, "PRIMECLOUD_GATEWAY_"); err != nil {
		return err
	}
	deps := gateway.Deps{
		Clock: clock.System(), Identity: s.parts.identity.Channel(gateway.Name), Storage: s.parts.storage.Channel(gateway.Name),
	}
	if deps.Telemetry, err = s.telemetry(ctx, gateway.Name, c.Observe); err != nil {
		return err
	}
	if deps.Listener, err = listen(ctx, c.Listen, "PRIMECLOUD_STACK_GATEWAY_PORT"); err != nil {
		return err
	}
	edge, err := gateway.New(ctx, c, deps)
	if err != nil {
		return errors.Join(err, deps.Listener.Close())
	}
	s.arrive(gateway.Name, edge.Run)
	return nil
}

// until returns once the check passes; a nil check passes at once.
func until(ctx context.Context, check func(context.Context) error) error {
	for check != nil {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// ready asks a part over HTTP whether it serves.
func ready(ctx context.Context, base string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: HTTP %d", base, response.StatusCode)
	}
	return nil
}
