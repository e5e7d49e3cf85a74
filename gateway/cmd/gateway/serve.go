package main

import (
	"context"
	"io"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/gateway"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/command"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/rpc"
)

func serve(ctx context.Context, environment config.Source) error {
	var c gateway.Config
	if err := config.Load(&c, environment, prefix); err != nil {
		return err
	}
	return command.Observed(ctx, gateway.Name, c.Observe, func(telemetry *observe.Telemetry) error {
		return run(ctx, c, telemetry)
	})
}

func run(ctx context.Context, c gateway.Config, telemetry *observe.Telemetry) error {
	if _, set := c.PKI(); !set {
		telemetry.Logger.WarnContext(ctx, "no certificate is set: calls travel in plain text, and services do not know the gateway")
	}
	deps := gateway.Deps{Telemetry: telemetry, Clock: clock.System()}
	for service, to := range map[string]struct {
		target string
		conn   *grpc.ClientConnInterface
	}{
		"identity":             {c.Identity, &deps.Identity},
		"storage-provisioning": {c.Storage, &deps.Storage},
	} {
		conn, err := dial(c, service, to.target, telemetry)
		if err != nil {
			return err
		}
		defer closing(conn)
		*to.conn = conn
	}
	g, err := gateway.New(ctx, c, deps)
	if err != nil {
		return err
	}
	return g.Run(ctx)
}

func closing(c io.Closer) { _ = c.Close() }

func dial(c gateway.Config, service, target string, telemetry *observe.Telemetry) (*grpc.ClientConn, error) {
	client := rpc.ClientConfig{Target: target, Service: gateway.Name, Timeout: c.Timeout}
	if files, set := c.PKI(); set {
		files.Logger = telemetry.Logger
		var err error
		if client.TLS, err = files.ClientTLS(pki.Peer{Service: service}); err != nil {
			return nil, err
		}
	}
	return rpc.Dial(client, rpc.Deps{Logger: telemetry.Logger, Tracer: telemetry.Tracer, Meter: telemetry.Meter})
}
