// The storage-provisioning service as a process: serve, migrate, healthcheck, config.
package main

import (
	"context"

	"github.com/primecloud/primecloud/pkg/admin"
	"github.com/primecloud/primecloud/pkg/command"
	"github.com/primecloud/primecloud/pkg/config"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

// prefix is that of every setting.
const prefix = "PRIMECLOUD_STORAGE_"

func main() {
	command.Main(command.Process{
		Name:     storage.Name,
		Serve:    serve,
		Migrate:  migrate,
		Settings: []any{&storage.Config{}},
		Healthcheck: func(ctx context.Context, environment config.Source) error {
			var address struct {
				Listen string `env:"PRIMECLOUD_STORAGE_ADMIN_LISTEN" default:"127.0.0.1:7102" doc:"Address for readiness."`
			}
			if err := config.Load(&address, environment); err != nil {
				return err
			}
			return admin.Check(ctx, address.Listen)
		},
	})
}
