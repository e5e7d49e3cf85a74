package quota

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
)

// fleet is three backends and what is recorded of one account that has a bucket on each. The
// first one never answers, the last one refuses reports and counts.
type fleet struct {
	Measures
	mu     sync.Mutex
	listed []string
}

// place is one of them.
type place struct {
	*fleet
	name string
}

func (*fleet) MeterNames() []string                 { return []string{"hung", "sound", "strict"} }
func (f *fleet) Meter(name string) (Meter, error)   { return place{f, name}, nil }
func (*fleet) Keep(context.Context, Measured) error { return nil }
func (*fleet) Holdings(context.Context) (map[string]Holding, error) {
	return map[string]Holding{"acc_1": {Quota: Quota{AccountID: "acc_1", Own: true}}}, nil
}

func (f *fleet) Figures(context.Context) ([]Figure, error) {
	var list []Figure
	for _, name := range f.MeterNames() {
		list = append(list, Figure{BucketID: "bkt_" + name, AccountID: "acc_1", Backend: name, Name: "photos"})
	}
	return list, nil
}

func (*fleet) Expected(context.Context, Figure) (map[string]time.Time, error) { return nil, nil }

func (p place) ReportUsage(ctx context.Context) (map[string]Size, error) {
	switch p.name {
	case "hung":
		<-ctx.Done()
		return nil, errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "no answer").Wrap(ctx.Err())
	case "strict":
		return nil, errs.New(errs.FailedPrecondition, "BACKEND_REFUSED", "no report")
	}
	return map[string]Size{}, nil
}

func (p place) TallyBucket(context.Context, string, string, map[string]time.Time) (Stretch, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listed = append(p.listed, p.name)
	return Stretch{Size: Size{Bytes: 1, Versions: 1}}, nil
}

func TestMeasure_counts_on_the_backends_that_answer_while_one_hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &fleet{}
		s := NewService(Deps{
			Measures: all, Meters: all, Clock: clock.System(), Logger: slog.New(slog.DiscardHandler),
			// A beat that is shorter than what the hung one takes.
			Settings: Settings{Tick: time.Second, Slow: time.Hour, Rate: 1, Resume: 90},
		})
		began := time.Now()
		if err := s.Measure(t.Context(), began); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(all.listed); !slices.Equal(all.listed, []string{"sound", "strict"}) {
			t.Errorf("counted on %v", all.listed)
		}
		if took := time.Since(began); took > reportWithin {
			t.Errorf("it took %s", took)
		}
	})
}
