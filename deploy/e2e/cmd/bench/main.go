// bench measures the suite beside a bare program and writes the figures into
// docs/benchmarks.md; `make bench` runs it in the repository's root. `bench door` measures what
// the S3 door costs and prints its table.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/primecloud/primecloud/deploy/e2e/bench"
	"github.com/primecloud/primecloud/pkg/command"
)

func main() {
	// As every process of the suite does; the yardstick is to have it no worse.
	command.TuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 1 {
		switch args[0] {
		case "suite":
			return bench.Serve(ctx, bench.Suite)
		case "bare":
			return bench.Serve(ctx, bench.Bare)
		}
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	c := bench.Config{}
	flags.IntVar(&c.Rounds, "rounds", 7, "how often both sides are measured")
	flags.DurationVar(&c.For, "for", 2*time.Second, "how long each measurement takes")
	flags.IntVar(&c.Callers, "callers", 32, "how many calls are under way at a time")
	flags.IntVar(&c.Creates, "creates", 15, "how many buckets each side makes in a round")
	flags.IntVar(&c.Revocations, "revocations", 300, "how many API keys are revoked")
	flags.DurationVar(&c.TrailFor, "trail", time.Minute, "how long audit entries are made as fast as they can be")
	flags.StringVar(&c.Profile, "profile", "", "folder for CPU profiles of both sides")
	only := flags.String("only", "", "comparisons to make, by comma, such as rest-one,rest-list,grpc-one,grpc-list,write,create,separate-one,separate-list,revoke,trail")
	page := flags.String("write", "", "page to write the figures into")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *only != "" {
		c.Only = strings.Split(*only, ",")
	}
	if flags.Arg(0) == "door" {
		table, err := bench.DoorCost(ctx, c, out)
		if err == nil {
			_, err = io.WriteString(out, "\n"+table)
		}
		return err
	}
	report, err := bench.Run(ctx, c, out)
	if err != nil || *page == "" {
		return err
	}
	return report.Write(*page, "make bench")
}
