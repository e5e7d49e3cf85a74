package quota

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

const (
	// longestPass is how long one pass works at most; what it has not got to is next.
	longestPass = 30 * time.Second
	// reportWithin is how long a backend has for its report, which it only reads out. One that
	// needs longer hangs, and no time is spent on it in this pass.
	reportWithin = 5 * time.Second
	// lowerAfter is how soon a report of less than we know is looked into.
	lowerAfter = 10 * time.Minute
	// lateReservation is how long after its end a reservation of an account far from its
	// limit is kept, which nobody counts for.
	lateReservation = time.Hour
)

// account is one account in a pass.
type account struct {
	holding Holding
	figures []Figure
	// left is its headroom when the pass began.
	left int64
}

// usage returns what the account uses as far as the pass knows.
func (a *account) usage() Usage {
	u := Usage{Reserved: a.holding.Reserved, Buckets: a.holding.Buckets, AccessKeys: a.holding.AccessKeys, Confirmed: true}
	for _, f := range a.figures {
		u.Bytes, u.Versions = sum(u.Bytes, f.Bytes), sum(u.Versions, f.Versions)
		if f.Source != Listing {
			u.Confirmed = false
		}
		if u.ListedAt.IsZero() || f.ListedAt.Before(u.ListedAt) {
			u.ListedAt = f.ListedAt
		}
	}
	return u
}

// pass is one look at everything.
type pass struct {
	*Service
	pace    pace
	reports map[string]map[string]Size
	// silent are the backends that did not answer for their report: nothing is counted there, so
	// that waiting for them takes no time from the others.
	silent map[string]bool
	// until is when it begins nothing more.
	until    time.Time
	failures []error
}

// Measure looks at what every account uses and has follow what follows from it. What it cannot
// reach keeps the figure that it has, and the next pass tries again. It is
// idempotent; of two at once in a process the second does nothing, and two processes do some
// of it twice.
func (s *Service) Measure(ctx context.Context, _ time.Time) error {
	if !s.passing.TryLock() {
		return nil
	}
	defer s.passing.Unlock()
	set := s.Settings
	p := &pass{
		Service: s, pace: pace{tick: set.Tick, slow: set.Slow, lower: lowerAfter, rate: set.Rate},
		reports: map[string]map[string]Size{}, silent: map[string]bool{},
	}
	p.hearAll(ctx)
	accounts, err := p.survey(ctx)
	if err != nil {
		return err
	}
	// Half of the time: an account near its limit is counted at the next one, whatever else there is to count.
	p.until = s.Clock.Now().Add(min(set.Tick/2, longestPass))
	for _, a := range accounts {
		p.failures = append(p.failures, p.attend(ctx, a))
	}
	if err := errors.Join(p.failures...); err != nil {
		// The next pass is the next try.
		s.Logger.WarnContext(ctx, "not all usage could be measured", "error", err)
	}
	return nil
}

// hearAll asks all backends at once for their reports.
func (p *pass) hearAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	names := p.Meters.MeterNames()
	reports, failures := make([]map[string]Size, len(names)), make([]error, len(names))
	var asked sync.WaitGroup
	for i, name := range names {
		asked.Go(func() {
			meter, err := p.Meters.Meter(name)
			if err == nil {
				reports[i], err = meter.ReportUsage(ctx)
			}
			failures[i] = err
		})
	}
	asked.Wait()
	for i, name := range names {
		p.reports[name] = reports[i]
		// One that refuses a report still has what we count ourselves; one that does not answer has nothing for now.
		p.silent[name] = failures[i] != nil && change.InDoubt(failures[i])
	}
	p.failures = append(p.failures, failures...)
}

// survey returns all accounts, those with the least headroom first.
func (p *pass) survey(ctx context.Context) ([]*account, error) {
	holdings, err := p.Measures.Holdings(ctx)
	if err != nil {
		return nil, err
	}
	figures, err := p.Measures.Figures(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*account, len(holdings))
	var list []*account
	for _, h := range holdings {
		h.Quota = p.effective(h.Quota)
		a := &account{holding: h}
		byID[h.Quota.AccountID], list = a, append(list, a)
	}
	for _, f := range figures {
		if a := byID[f.AccountID]; a != nil {
			a.figures = append(a.figures, f)
		}
	}
	for _, a := range list {
		a.left, _ = headroom(a.holding.Quota, a.usage())
	}
	slices.SortFunc(list, func(a, b *account) int {
		return cmp.Or(cmp.Compare(a.left, b.left), cmp.Compare(a.holding.Quota.AccountID, b.holding.Quota.AccountID))
	})
	return list, nil
}

// attend measures the buckets of an account that are due, and judges it.
func (p *pass) attend(ctx context.Context, a *account) error {
	var failures []error
	q := a.holding.Quota
	for i, f := range a.figures {
		if report, ok := p.reports[f.Backend][f.Name]; ok {
			heard, changed := f.heard(report, p.now())
			if changed {
				if err := p.Measures.Keep(ctx, Measured{Before: f, Figure: heard}); err != nil {
					return err
				}
				a.figures[i] = heard
			}
		}
	}
	left, limited := headroom(q, a.usage())
	for i, f := range a.figures {
		if p.silent[f.Backend] || !p.pace.due(f, left, limited, p.reports[f.Backend][f.Name], p.now()) || !p.now().Before(p.until) {
			continue
		}
		counted, err := p.count(ctx, f)
		a.figures[i] = counted
		failures = append(failures, err)
	}
	u := a.usage()
	if _, news := judge(q, u, p.Settings.Resume, p.now()); len(news) > 0 || a.holding.Ended {
		failures = append(failures, p.decide(ctx, q.AccountID))
	}
	return errors.Join(failures...)
}

// count lists the bucket, as far as the pass has time, and keeps what that has shown.
func (p *pass) count(ctx context.Context, f Figure) (Figure, error) {
	meter, err := p.Meters.Meter(f.Backend)
	if err != nil {
		return f, err
	}
	before, began := f, p.now()
	expected, err := p.Measures.Expected(ctx, f)
	if err != nil {
		return f, err
	}
	f = f.begun(began)
	var seen []string
	for {
		at := p.now()
		stretch, err := meter.TallyBucket(ctx, f.Name, f.Tally.After, expected)
		if errors.Is(err, ErrNoBucket) {
			return before, nil
		}
		if err != nil {
			return before, err
		}
		seen = append(seen, stretch.Seen...)
		f = f.counted(stretch.Size, stretch.Next, p.reports[f.Backend][f.Name], p.now().Sub(at), p.now())
		if stretch.Next == "" || !p.now().Before(p.until) {
			break
		}
	}
	m := Measured{Before: before, Figure: f, Began: began}
	if f.Tally.Began.IsZero() {
		m.Seen = seen
	}
	return f, p.Measures.Keep(ctx, m)
}

// decide judges one account by what is recorded, and has the backends follow.
func (p *pass) decide(ctx context.Context, accountID string) error {
	turned := false
	err := p.Store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		q, err := p.lock(ctx, tx, accountID)
		if err != nil {
			return err
		}
		u, err := tx.Quotas.Usage(ctx, accountID)
		if err != nil {
			return err
		}
		late := time.Time{}
		if left, _ := headroom(q, u); left/p.pace.rate > int64(p.pace.slow/time.Second) {
			late = p.now().Add(-lateReservation)
		}
		if u.Reserved > 0 {
			if err := tx.Reservations.SweepReservations(ctx, accountID, late); err != nil {
				return err
			}
			if u, err = tx.Quotas.Usage(ctx, accountID); err != nil {
				return err
			}
		}
		_, turned, err = p.settle(ctx, tx, q, u)
		return err
	})
	if err == nil && turned {
		p.enforce(ctx, accountID)
	}
	return err
}
