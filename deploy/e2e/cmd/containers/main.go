// Runs docker-compose.yml for real and holds it against its promises; see package containers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/primecloud/primecloud/deploy/e2e/containers"
)

func main() {
	options := containers.Options{Out: os.Stdout}
	flags := flag.NewFlagSet("containers", flag.ExitOnError)
	flags.BoolVar(&options.Prebuilt, "prebuilt", false, "make images of binaries of this machine, without a registry")
	flags.BoolVar(&options.Keep, "keep", false, "leave everything running")
	_ = flags.Parse(os.Args[1:]) // ends the process itself
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := containers.Run(ctx, options); err != nil {
		fmt.Fprintln(os.Stderr, "containers:", err)
		os.Exit(1)
	}
}
