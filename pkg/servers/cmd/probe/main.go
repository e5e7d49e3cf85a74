// The health check of the third-party servers' containers, which hold no shell: asks one
// server once, in its own protocol, and ends with 0 when it is ready.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/primecloud/primecloud/pkg/servers/readiness"
)

// askWithin is less than the patience of a container's health check.
const askWithin = 3 * time.Second

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	err := run(ctx, os.Args[1:])
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 {
		args = append(args, "")
	}
	if len(args) != 3 {
		return errors.New("usage: probe nats HOST:PORT | minio HOST:PORT [REGION] | door [https://]HOST:PORT | dex HOST:PORT ISSUER")
	}
	switch name, address, more := args[0], args[1], args[2]; name {
	case "nats":
		return readiness.NATS(ctx, address)
	case "minio":
		return readiness.MinIO(ctx, address, more)
	case "door":
		return readiness.Door(ctx, address)
	case "dex":
		return readiness.Dex(ctx, address, more)
	default:
		return fmt.Errorf("%s is nothing to ask", name)
	}
}
