package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/primecloud/primecloud/pkg/command"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/services/identity"
)

const auditUsage = `identity audit verify [-anchors DIR] [-keys FILE]
	verifies the audit trail in the database of PRIMECLOUD_IDENTITY_DATABASE_URL
identity audit verify-export [-anchors DIR] [-keys FILE] FILE
	verifies an export, offline; - reads it from standard input`

// auditTool verifies the audit trail. It exits with 0 when all is whole and 1 when not.
func auditTool(ctx context.Context, call command.Call) error {
	usage := fmt.Errorf("%w: %s", command.ErrUsage, auditUsage)
	if len(call.Args) == 0 {
		return usage
	}
	var check identity.TrailCheck
	flags := flag.NewFlagSet("audit", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&check.Anchors, "anchors", "", "")
	flags.StringVar(&check.Keys, "keys", "", "")
	if err := flags.Parse(call.Args[1:]); err != nil {
		return usage
	}
	switch call.Args[0] {
	case "verify":
		if flags.NArg() != 0 {
			return usage
		}
		return verifyTrail(ctx, call, check)
	case "verify-export":
		if flags.NArg() == 0 {
			return usage
		}
		file := flags.Arg(0)
		// Flags may stand behind the file too.
		if err := flags.Parse(flags.Args()[1:]); err != nil || flags.NArg() != 0 {
			return usage
		}
		return verifyExport(call, file, check)
	default:
		return usage
	}
}

func verifyTrail(ctx context.Context, call command.Call, check identity.TrailCheck) error {
	var c struct {
		URL config.Secret `env:"PRIMECLOUD_IDENTITY_DATABASE_URL" required:"true" doc:"PostgreSQL URL of the serving role."`
	}
	if err := config.Load(&c, call.Environment); err != nil {
		return err
	}
	return identity.VerifyTrail(ctx, c.URL, check, call.Out)
}

func verifyExport(call command.Call, name string, check identity.TrailCheck) error {
	if name == "-" {
		return identity.VerifyExport(os.Stdin, check, call.Out)
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return identity.VerifyExport(file, check, call.Out)
}
