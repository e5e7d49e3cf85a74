package main

import (
	"context"
	"errors"
	"net"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/command"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/port/traced"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

func serve(ctx context.Context, environment config.Source) error {
	var c storage.Config
	if err := config.Load(&c, environment, prefix); err != nil {
		return err
	}
	return command.Observed(ctx, storage.Name, c.Observe, func(telemetry *observe.Telemetry) error {
		return run(ctx, c, telemetry)
	})
}

func run(ctx context.Context, c storage.Config, telemetry *observe.Telemetry) (err error) {
	deps := storage.Deps{Telemetry: telemetry, Clock: clock.System()}
	if deps.Around, err = traced.Around(telemetry.Tracer, telemetry.Meter); err != nil {
		return err
	}
	if files, set := c.PKI(); set {
		files.Logger = telemetry.Logger
		if deps.TLS, err = files.ServerTLS(); err != nil {
			return err
		}
		if deps.IdentityTLS, err = files.ClientTLS(pki.Peer{Service: "identity"}); err != nil {
			return err
		}
	} else {
		telemetry.Logger.WarnContext(ctx, "no certificate is set: calls travel in plain text and no process can prove who it is")
	}
	if deps.Listener, err = new(net.ListenConfig).Listen(ctx, "tcp", c.Listen); err != nil {
		return err
	}
	service, err := storage.New(ctx, c, deps)
	if err != nil {
		return errors.Join(err, deps.Listener.Close())
	}
	return service.Run(ctx)
}

// migrate needs the owner's URL and nothing else, so it is not strict about the rest.
func migrate(ctx context.Context, environment config.Source) error {
	var c struct {
		OwnerURL config.Secret  `env:"PRIMECLOUD_STORAGE_DATABASE_OWNER_URL" required:"true" doc:"PostgreSQL URL of the owner."`
		Observe  observe.Config `prefix:"PRIMECLOUD_STORAGE_"`
	}
	if err := config.Load(&c, environment); err != nil {
		return err
	}
	return command.Observed(ctx, storage.Name, c.Observe, func(telemetry *observe.Telemetry) error {
		return storage.Migrate(ctx, storage.Config{DatabaseOwnerURL: c.OwnerURL}, telemetry.Logger)
	})
}
