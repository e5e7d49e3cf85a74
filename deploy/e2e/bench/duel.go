package bench

import (
	"context"
	"fmt"
	"slices"

	"github.com/primecloud/primecloud/deploy/e2e/bench/load"
)

// duel compares the suite with a yardstick. Both sides are measured in every round, in
// alternating order, and each round gives one ratio.
type duel struct {
	title string
	// target is the ratio to reach; zero for a comparison that only informs.
	target float64
	// ours and theirs make callers of the suite and of the yardstick.
	ours, theirs func(context.Context) (load.Caller, error)
	// reset puts the tables back before each measurement; nil when nothing is written.
	reset func(context.Context) error
	// name is the short one, for the command line.
	name string
}

// sample is what one side came to in each round.
type sample []float64

func (s sample) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

func (s sample) min() float64 { return slices.Min(s) }
func (s sample) max() float64 { return slices.Max(s) }

// side is what one side of a duel came to.
type side struct {
	// rate is calls per second, cost is the processor time of everything that took part per
	// call, in microseconds.
	rate, cost sample
}

// outcome is how a duel went.
type outcome struct {
	title        string
	target       float64
	ours, theirs side
	// ratios are those of the rates, costs those of the processor time, in each round.
	ratios, costs sample
}

func (o outcome) met() bool { return o.ratios.median() >= o.target }

// fight measures both sides in every round.
func (b *bench) fight(ctx context.Context, d duel) (outcome, error) {
	o := outcome{title: d.title, target: d.target}
	for round := range b.config.Rounds {
		sides := []func() error{
			func() error { return b.measure(ctx, d, true, &o.ours) },
			func() error { return b.measure(ctx, d, false, &o.theirs) },
		}
		if round%2 == 1 {
			slices.Reverse(sides)
		}
		for _, measure := range sides {
			if err := measure(); err != nil {
				return o, fmt.Errorf("%s: %w", d.title, err)
			}
		}
		o.ratios = append(o.ratios, o.ours.rate[round]/o.theirs.rate[round])
		o.costs = append(o.costs, o.theirs.cost[round]/o.ours.cost[round])
	}
	fmt.Fprintf(b.out, "%-58s %6.0f/s beside %6.0f/s: %3.0f %% (%.0f to %.0f); %4.0f us of processor beside %4.0f: %3.0f %%\n", d.title,
		o.ours.rate.median(), o.theirs.rate.median(), 100*o.ratios.median(), 100*o.ratios.min(), 100*o.ratios.max(),
		o.ours.cost.median(), o.theirs.cost.median(), 100*o.costs.median())
	return o, nil
}

// measure measures one side once.
func (b *bench) measure(ctx context.Context, d duel, ours bool, to *side) error {
	if d.reset != nil {
		if err := d.reset(ctx); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
	dial := d.theirs
	if ours {
		dial = d.ours
	}
	stop := b.profile(ctx, d.name, len(to.rate) == 0, ours)
	before := used()
	result, err := load.Run(ctx, load.Plan{Dial: dial, Callers: b.config.Callers, For: b.config.For})
	stop()
	if err != nil {
		return err
	}
	to.rate = append(to.rate, result.PerSecond)
	to.cost = append(to.cost, (used()-before)/float64(result.Calls)*1e6)
	return nil
}
