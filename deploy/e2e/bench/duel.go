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
	// others is what other processes took of the machine.
	others float64
}

func (o outcome) met() bool { return o.ratios.median() >= o.target }

// exchange is one round: both sides, ours first.
type exchange [2]struct{ rate, cost float64 }

// fight measures both sides in every round.
func (b *bench) fight(ctx context.Context, d duel) (outcome, error) {
	o := outcome{title: d.title, target: d.target}
	rounds, measured, err := quietest(b.config.Rounds, func(i int) (e exchange, err error) {
		order := []int{0, 1}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, side := range order {
			if e[side].rate, e[side].cost, err = b.measure(ctx, d, side == 0, i == 0); err != nil {
				return e, fmt.Errorf("%s: %w", d.title, err)
			}
		}
		return e, nil
	})
	if err != nil {
		return o, err
	}
	for _, r := range rounds {
		ours, theirs := r.value[0], r.value[1]
		o.ours.rate, o.ours.cost = append(o.ours.rate, ours.rate), append(o.ours.cost, ours.cost)
		o.theirs.rate, o.theirs.cost = append(o.theirs.rate, theirs.rate), append(o.theirs.cost, theirs.cost)
		o.ratios, o.costs = append(o.ratios, ours.rate/theirs.rate), append(o.costs, theirs.cost/ours.cost)
	}
	o.others = others(rounds)
	fmt.Fprintf(b.out, "%-58s %6.0f/s beside %6.0f/s: %3.0f %% (%.0f to %.0f); %4.0f us of processor beside %4.0f: %3.0f %%; others took %.0f %% (%d rounds)\n",
		d.title, o.ours.rate.median(), o.theirs.rate.median(), 100*o.ratios.median(), 100*o.ratios.min(), 100*o.ratios.max(),
		o.ours.cost.median(), o.theirs.cost.median(), 100*o.costs.median(), 100*o.others, measured)
	return o, nil
}

// measure measures one side once.
func (b *bench) measure(ctx context.Context, d duel, ours, first bool) (rate, cost float64, err error) {
	if d.reset != nil {
		if err := d.reset(ctx); err != nil {
			return 0, 0, fmt.Errorf("reset: %w", err)
		}
	}
	dial := d.theirs
	if ours {
		dial = d.ours
	}
	stop := b.profile(ctx, d.name, first, ours)
	before := used()
	result, err := load.Run(ctx, load.Plan{Dial: dial, Callers: b.config.Callers, For: b.config.For})
	stop()
	if err != nil {
		return 0, 0, err
	}
	return result.PerSecond, (used() - before) / float64(result.Calls) * 1e6, nil
}
