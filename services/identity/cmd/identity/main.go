// The identity service as a process: serve, migrate, healthcheck, config, audit.
package main

import (
	"context"

	"github.com/primecloud/primecloud/pkg/admin"
	"github.com/primecloud/primecloud/pkg/command"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/services/identity"
)

// prefix is that of every setting.
const prefix = "PRIMECLOUD_IDENTITY_"

func main() {
	command.Main(command.Process{
		Name:     identity.Name,
		Serve:    serve,
		Migrate:  migrate,
		Settings: []any{&identity.Config{}},
		Tools:    map[string]func(context.Context, command.Call) error{"audit": auditTool},
		Healthcheck: func(ctx context.Context, environment config.Source) error {
			var address struct {
				Listen string `env:"PRIMECLOUD_IDENTITY_ADMIN_LISTEN" default:"127.0.0.1:7101" doc:"Address for readiness."`
			}
			if err := config.Load(&address, environment); err != nil {
				return err
			}
			return admin.Check(ctx, address.Listen)
		},
	})
}
