package bench

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"time"

	"github.com/primecloud/primecloud/deploy/e2e/bench/bare"
	"github.com/primecloud/primecloud/deploy/stack/demo"
	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/deploy/stack/suite"
	"github.com/primecloud/primecloud/pkg/config"
)

// connections is what every pool may have, in the suite (its default) and in the yardstick.
const connections = 16

// suiteConfig is what the suite's process goes by.
type suiteConfig struct {
	Dir      string
	Separate bool
}

// suitePlace is where a suite is, with the keys to its back doors.
type suitePlace struct {
	Target demo.Target
	// Identity and Storage are their gRPC addresses, CA is who made their certificates.
	Identity, Storage, CA string
	// IdentityURL, StorageURL and RootURL lead to the database, as serving roles and superuser.
	IdentityURL, StorageURL, RootURL string
	// Profile is where a CPU profile of the process can be had.
	Profile string
}

// settingsOfSuite are production's defaults but for these: nobody is slowed down, and a
// token lives as long as the measuring takes.
func settingsOfSuite() config.Source {
	return config.Source{
		"PRIMECLOUD_GATEWAY_RATE_LIMIT":      "0",
		"PRIMECLOUD_IDENTITY_TOKEN_LIFETIME": "1h",
	}
}

// Suite is the part that runs the whole suite with real servers around it.
func Suite(ctx context.Context, configuration []byte, ready func(place any) error) error {
	var c suiteConfig
	if err := json.Unmarshal(configuration, &c); err != nil {
		return err
	}
	ports, err := settings.ChoosePorts(ctx, 5)
	if err != nil {
		return err
	}
	where := settings.Ports{Gateway: ports[0], Identity: ports[1], Storage: ports[2], IdentityAdmin: ports[3], StorageAdmin: ports[4]}
	s, err := suite.Start(ctx, suite.Config{
		Dir: c.Dir, LogLevel: "info", Separate: c.Separate, Processes: where, Overrides: settingsOfSuite(),
	}, os.Stderr)
	if err != nil {
		return err
	}
	profile, err := profiler(ctx)
	if err != nil {
		return err
	}
	around := s.Environment()
	failed := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	defer stop()
	err = s.Run(running, func() {
		if err := ready(suitePlace{
			Target: s.Target(), Identity: settings.Address(where.Identity), Storage: settings.Address(where.Storage),
			CA:          filepath.Join(c.Dir, "pki", "ca.crt"),
			IdentityURL: around.AppDSN("identity"), StorageURL: around.AppDSN("storage"),
			RootURL: around.Postgres.SuperuserDSN(environment.Database), Profile: profile,
		}); err != nil {
			failed <- err
			stop()
		}
	})
	select {
	case told := <-failed:
		return errors.Join(err, told)
	default:
		return err
	}
}

// profiler offers CPU profiles of this process on loopback.
func profiler(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: http.HandlerFunc(pprof.Profile), ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// barePlace is where the yardstick listens.
type barePlace struct{ Address, Profile string }

// Bare is the part that runs the yardstick.
func Bare(ctx context.Context, configuration []byte, ready func(place any) error) error {
	var c bare.Config
	if err := json.Unmarshal(configuration, &c); err != nil {
		return err
	}
	profile, err := profiler(ctx)
	if err != nil {
		return err
	}
	return bare.Serve(ctx, c, func(address string) error { return ready(barePlace{Address: address, Profile: profile}) })
}
