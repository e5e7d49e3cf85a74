// Package bench measures what the suite costs beside the least that could do the same. It
// owns the comparisons of docs/benchmarks.md: which work, beside what, in how many rounds,
// and what is wanted of each.
//
// It guarantees that both sides of a comparison give the same answer, that they are measured
// in the same run, in alternating order, on the same rows, and that what was written is taken
// away before the next measurement. Figures depend on the machine; ratios much less.
//
// The suite, the yardstick and the load are processes of their own.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/primecloud/primecloud/deploy/e2e/bench/bare"
)

// Config says how to measure.
type Config struct {
	// Rounds is how often both sides are measured; five at least give a spread.
	Rounds int
	// For is how long each measurement takes.
	For time.Duration
	// Callers is how many calls are under way at a time.
	Callers int
	// Creates is how many buckets are made in a round.
	Creates int
	// Revocations is how many API keys are revoked, one after the other.
	Revocations int
	// TrailFor is how long audit entries are made as fast as they can be.
	TrailFor time.Duration
	// Only names the comparisons to make; all of them when empty.
	Only []string
	// Profile is a folder for CPU profiles of both sides; none are taken when empty.
	Profile string
}

// bench is one run.
type bench struct {
	config Config
	out    io.Writer
	// The suite and what is in it, and the yardstick.
	place     suitePlace
	bare      barePlace
	world     *world
	outcomes  []outcome
	creations []creation
	reaches   []revocations
	trails    []trail
}

// Run measures the suite in both shapes and returns the report.
func Run(ctx context.Context, c Config, out io.Writer) (*Report, error) {
	if err := os.MkdirAll(c.Profile+string(filepath.Separator), 0o755); c.Profile != "" && err != nil {
		return nil, err
	}
	b := &bench{config: c, out: out}
	for _, separate := range []bool{false, true} {
		if err := b.shape(ctx, separate); err != nil {
			return nil, err
		}
	}
	return &Report{config: c, outcomes: b.outcomes, creations: b.creations, reaches: b.reaches, trails: b.trails}, nil
}

// shape starts the suite in one shape, the yardstick beside it, and makes the comparisons.
func (b *bench) shape(ctx context.Context, separate bool) (err error) {
	dir, err := os.MkdirTemp("", "primecloud-bench-")
	if err != nil {
		return err
	}
	started := false
	defer func() {
		if started { // else its logs say why
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	// PostgreSQL may run as another user.
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // secrets in it have modes of their own
		return err
	}
	fmt.Fprintf(b.out, "starting the suite; separate processes: %v\n", separate)
	b.place = suitePlace{}
	suite, err := start(ctx, "suite", suiteConfig{Dir: dir, Separate: separate}, &b.place)
	if err != nil {
		return err
	}
	started = true
	defer func() { err = errors.Join(err, suite.stop()) }()
	if b.world, err = seed(ctx, b.place); err != nil {
		return err
	}
	yardstick, err := start(ctx, "bare", bare.Config{
		StorageURL: b.place.StorageURL, IdentityURL: b.place.IdentityURL, Connections: connections,
		Keys: b.world.keys, Issuer: "primecloud", Audience: "primecloud", Account: b.world.sample,
	}, &b.bare)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, yardstick.stop()) }()
	return b.compare(ctx, separate)
}

// wanted tells whether a comparison is to be made.
func (b *bench) wanted(name string) bool {
	for _, only := range b.config.Only {
		if only == name {
			return true
		}
	}
	return len(b.config.Only) == 0
}

// compare makes the comparisons of a shape.
func (b *bench) compare(ctx context.Context, separate bool) error {
	duels := b.oneProcess()
	if separate {
		duels = b.separateProcesses()
	}
	if err := b.sameAnswers(ctx); err != nil {
		return err
	}
	// The first, since the others' writes keep the disk busy for a while after; MinIO waits for it.
	if !separate && b.wanted("create") {
		created, err := b.create(ctx)
		if err != nil {
			return err
		}
		b.creations = append(b.creations, created)
	}
	for _, d := range duels {
		if !b.wanted(d.name) {
			continue
		}
		o, err := b.fight(ctx, d)
		if err != nil {
			return err
		}
		b.outcomes = append(b.outcomes, o)
	}
	if separate {
		if !b.wanted("revoke") {
			return nil
		}
		reached, err := b.revoke(ctx)
		if err == nil {
			b.reaches = append(b.reaches, reached)
		}
		return err
	}
	if !b.wanted("trail") {
		return nil
	}
	for _, way := range []string{overGRPC, overREST} {
		made, err := b.trail(ctx, way)
		if err != nil {
			return err
		}
		b.trails = append(b.trails, made)
	}
	return nil
}

// profile takes a CPU profile of one side while it is measured, if they are asked for.
func (b *bench) profile(ctx context.Context, name string, wanted, ours bool) (stop func()) {
	if !wanted || b.config.Profile == "" {
		return func() {}
	}
	from, side := b.bare.Profile, "bare"
	if ours {
		from, side = b.place.Profile, "ours"
	}
	taken := make(chan error, 1)
	go func() { taken <- b.fetch(ctx, from, filepath.Join(b.config.Profile, name+"-"+side+".pprof")) }()
	return func() {
		if err := <-taken; err != nil {
			fmt.Fprintln(b.out, "no profile:", err)
		}
	}
}

func (b *bench) fetch(ctx context.Context, from, file string) error {
	seconds := max(1, int(b.config.For.Seconds()))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?seconds=%d", from, seconds), http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	to, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, response.Body)
	return errors.Join(err, to.Close())
}
