// What the containers need once, beside the services' own `migrate`: `secrets` makes
// secrets and certificates and hands them out, `database` makes roles and schemas,
// `target` says where the suite is, for `stack demo`, and `config` lists the settings.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/primecloud/primecloud/deploy/stack/demo"
	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/handout"
	"github.com/primecloud/primecloud/pkg/config"
)

// settings are all that this program reads.
type settings struct {
	// Handout says what to hand out.
	Handout handout.Config
	// Database is what was handed out to make the database with.
	Database string `env:"PRIMECLOUD_SETUP_DATABASE" default:"/run/primecloud" doc:"Folder with the passwords that the database is made with."`
	// S3 is where clients reach the storage.
	S3 string `env:"PRIMECLOUD_SETUP_S3_URL" default:"http://127.0.0.1:9000" doc:"Public address of the S3 door."`
	// MinIO is where the demo looks inside.
	MinIO string `env:"PRIMECLOUD_SETUP_MINIO_URL" default:"http://127.0.0.1:19000" doc:"Address at which the demo reads MinIO's own view, when compose.demo.yml opens it."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	commands := map[string]func(context.Context, settings, io.Writer) error{
		"secrets": func(_ context.Context, s settings, _ io.Writer) error { return handout.Write(s.Handout) },
		"database": func(ctx context.Context, s settings, _ io.Writer) error {
			return handout.Database(ctx, s.Database, s.Handout.Postgres)
		},
		"target": func(_ context.Context, s settings, out io.Writer) error { return target(s, out) },
		"config": func(_ context.Context, s settings, out io.Writer) error { return config.Document(out, &s) },
	}
	if len(args) != 1 || commands[args[0]] == nil {
		return errors.New("usage: setup secrets|database|target|config")
	}
	var s settings
	if err := config.Load(&s, config.Environ(), "PRIMECLOUD_SETUP_"); err != nil {
		return err
	}
	return commands[args[0]](ctx, s, out)
}

// target prints what `stack demo` reads as stack.json.
func target(s settings, out io.Writer) error {
	secrets, err := environment.OpenSecrets(s.Handout.Vault)
	if err != nil {
		return err
	}
	person := environment.People()[0]
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(demo.Target{
		Gateway: s.Handout.Gateway, S3: s.S3, Region: environment.Region,
		MinIO: s.MinIO, MinIOUser: environment.MinIOAdmin, MinIOPassword: secrets.Get("minio-root"),
		Login: person.Email, Password: person.Password,
	})
}
