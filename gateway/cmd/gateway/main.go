// The gateway as a process: serve, healthcheck, config. It has no database to migrate.
package main

import (
	"context"

	"github.com/primecloud/primecloud/gateway"
	"github.com/primecloud/primecloud/pkg/admin"
	"github.com/primecloud/primecloud/pkg/command"
	"github.com/primecloud/primecloud/pkg/config"
)

// prefix is that of every setting.
const prefix = "PRIMECLOUD_GATEWAY_"

func main() {
	command.Main(command.Process{
		Name:        gateway.Name,
		Serve:       serve,
		Settings:    []any{&gateway.Config{}},
		Healthcheck: healthcheck,
	})
}

// healthcheck asks the running gateway on this machine, where it answers.
func healthcheck(ctx context.Context, environment config.Source) error {
	var address struct {
		Listen string `env:"PRIMECLOUD_GATEWAY_LISTEN" default:"127.0.0.1:8080" doc:"Where the REST server listens."`
		Admin  string `env:"PRIMECLOUD_GATEWAY_ADMIN_LISTEN" doc:"Where the admin server listens."`
		Cert   string `env:"PRIMECLOUD_GATEWAY_TLS_CERT" doc:"What makes the REST server speak TLS."`
	}
	if err := config.Load(&address, environment); err != nil {
		return err
	}
	switch {
	case address.Admin != "":
		return admin.Check(ctx, address.Admin)
	case address.Cert != "":
		return admin.CheckTLS(ctx, address.Listen)
	default:
		return admin.Check(ctx, address.Listen)
	}
}
