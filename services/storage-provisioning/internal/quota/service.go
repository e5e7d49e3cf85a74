package quota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Settings are what an operator sets.
type Settings struct {
	// Defaults are the limits of accounts without their own.
	Defaults Limits
	// Resume is the mark below which stopped writes come back, in hundredths of the limit.
	Resume int64
	// Tick is how often there is a pass, Slow how often every bucket is counted at least.
	Tick, Slow time.Duration
	// Rate is how many bytes per second an account is taken to write at most.
	Rate int64
	// Upload is what is reserved for an upload of no declared size.
	Upload int64
}

// Deps is what the use cases need.
type Deps struct {
	Store    Store
	Measures Measures
	Meters   Meters
	Standing Standing
	Access   Access
	Pages    *page.Codec
	Clock    clock.Clock
	Logger   *slog.Logger
	Settings Settings
}

// Service is the use cases of quotas.
type Service struct {
	Deps
	// passing is held by the pass that measures.
	passing sync.Mutex
}

// NewService returns the use cases.
func NewService(d Deps) *Service { return &Service{Deps: d} }

// now is the time to what the database keeps.
func (s *Service) now() time.Time { return s.Clock.Now().Truncate(time.Microsecond) }

// effective returns the quota with the limits that count.
func (s *Service) effective(q Quota) Quota {
	if !q.Own {
		q.Limits = s.Settings.Defaults
	}
	return q
}

func (s *Service) view(q Quota, u Usage) View {
	return View{Quota: q, Usage: u, ResumeBelow: share(q.Limits.Storage.Hard, s.Settings.Resume)}
}

// Get returns the account's quota and what is used of it.
func (s *Service) Get(ctx context.Context, accountID string) (View, error) {
	held, err := s.Store.Get(ctx, accountID)
	return s.view(s.effective(held.Quota), held.Usage), err
}

// ListMethod is the list that page tokens are bound to.
const ListMethod = "/primecloud.storage.v1.PlatformQuotaService/ListPlatformQuotas"

// List returns a page of the quotas of accounts with limits of their own or with writes
// stopped, and the token of the next page.
func (s *Service) List(ctx context.Context, stopped bool, size int32, token string) ([]View, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: ListMethod, Query: []string{strconv.FormatBool(stopped)}}}
	held, next, err := page.List(s.Pages, r, func(after page.Position, limit int) ([]Held, error) {
		return s.Store.List(ctx, Query{Stopped: stopped, After: after.At(0), Limit: limit})
	}, func(h Held) page.Position { return page.Position{h.Quota.AccountID} })
	if err != nil {
		return nil, "", err
	}
	list := make([]View, len(held))
	for i, h := range held {
		list[i] = s.view(s.effective(h.Quota), h.Usage)
	}
	return list, next, nil
}

// NewLimits are limits that an operator gives an account.
type NewLimits struct {
	AccountID string
	Limits    Limits
	// Reason is why, for the record.
	Reason string
	// ETag is that of the quota which the caller has seen; empty for any.
	ETag string
}

// Set gives the account limits of its own, and has what follows from them happen: writes stop
// where more is used, and come back where a confirmed figure lets them. A repetition with the
// same idempotency key gives the quota as it is by now.
func (s *Service) Set(ctx context.Context, in NewLimits) (View, error) {
	if err := in.Limits.Check(); err != nil {
		return View{}, err
	}
	var v View
	turned := false
	err := s.Store.InAccount(ctx, in.AccountID, func(ctx context.Context, tx Tx) error {
		again, err := tx.Calls.Once(ctx, in.AccountID, operation.Resource{Kind: Resource, ID: in.AccountID})
		if err != nil {
			return err
		}
		q, err := s.lock(ctx, tx, in.AccountID)
		switch {
		case err != nil:
			return err
		case !again && in.ETag != "" && in.ETag != q.ETag():
			return ErrETagMismatch
		case !again:
			v, turned, err = s.limit(ctx, tx, q, in.Limits, in.Reason)
			return err
		}
		u, err := tx.Quotas.Usage(ctx, in.AccountID)
		v = s.view(q, u)
		return err
	})
	if err == nil && turned {
		s.enforce(ctx, in.AccountID)
	}
	return v, err
}

// lock returns the account's quota with the limits that count, locked.
func (s *Service) lock(ctx context.Context, tx Tx, accountID string) (Quota, error) {
	q, err := tx.Quotas.Lock(ctx, accountID)
	return s.effective(q), err
}

// limit gives a locked quota limits of its own.
func (s *Service) limit(ctx context.Context, tx Tx, q Quota, limits Limits, reason string) (View, bool, error) {
	was := q
	q.Own, q.Limits, q.UpdatedAt = true, limits, s.now()
	q.Revision++
	q.Version++
	u, err := tx.Quotas.Usage(ctx, q.AccountID)
	if err != nil {
		return View{}, false, err
	}
	if err := tx.Quotas.Save(ctx, q); err != nil {
		return View{}, false, err
	}
	after := described(q)
	after["reason"] = reason
	if err := tx.Record.Audit(ctx, entry(q, "update", described(was), after)); err != nil {
		return View{}, false, err
	}
	if err := s.publish(ctx, tx, s.view(q, u), notice{verb: "updated"}); err != nil {
		return View{}, false, err
	}
	return s.settle(ctx, tx, q, u)
}

// settle has a locked quota stand where its usage puts it, and tells what is news. turned says
// that writes were stopped or have come back.
func (s *Service) settle(ctx context.Context, tx Tx, was Quota, u Usage) (v View, turned bool, err error) {
	q, news := judge(was, u, s.Settings.Resume, s.now())
	for _, n := range news {
		q.Version++
		if n.verb == "" {
			continue
		}
		if n.verb != softExceededVerb {
			turned = true
		}
		if err := s.tell(ctx, tx, s.view(q, u), n); err != nil {
			return View{}, false, err
		}
	}
	if len(news) > 0 {
		if err := tx.Quotas.Save(ctx, q); err != nil {
			return View{}, false, err
		}
	}
	if turned {
		if _, err := s.Standing.StopWrites(ctx, tx.Standings, q.AccountID, q.Stopped()); err != nil {
			return View{}, false, err
		}
	}
	return s.view(q, u), turned, nil
}

// actions are what the trail calls what is told.
var actions = map[string]string{exceededVerb: "stop_writes", recoveredVerb: "resume_writes", softExceededVerb: "exceed_soft_limit"}

// tell records and publishes one piece of news.
func (s *Service) tell(ctx context.Context, tx Tx, v View, n notice) error {
	after := map[string]any{
		"limit": string(n.kind), "soft": fmt.Sprint(v.Limits.Of(n.kind).Soft), "hard": fmt.Sprint(v.Limits.Of(n.kind).Hard),
		"used": fmt.Sprint(v.Usage.of(n.kind)), "reserved": fmt.Sprint(v.Usage.Reserved),
	}
	if err := tx.Record.Audit(ctx, entry(v.Quota, actions[n.verb], nil, after)); err != nil {
		return err
	}
	return s.publish(ctx, tx, v, n)
}

func (s *Service) publish(ctx context.Context, tx Tx, v View, n notice) error {
	return tx.Record.Publish(ctx, change.Event{
		Kind: Resource, Verb: n.verb, AccountID: v.AccountID, ID: v.AccountID, Version: v.Version, Snapshot: Told{View: v, Kind: n.kind},
	})
}

func entry(q Quota, verb string, before, after map[string]any) audit.Entry {
	return audit.Entry{
		Action: Resource + "." + verb, Severity: audit.Notice, Outcome: audit.Succeeded, AccountID: q.AccountID,
		Target: audit.Target{Kind: Resource, ID: q.AccountID}, Before: before, After: after,
	}
}

// described is a quota as the audit trail shows it.
func described(q Quota) map[string]any {
	d := map[string]any{"own_limits": q.Own}
	for _, k := range Kinds {
		d[string(k)+"_soft"], d[string(k)+"_hard"] = fmt.Sprint(q.Limits.Of(k).Soft), fmt.Sprint(q.Limits.Of(k).Hard)
	}
	return d
}

// enforceWithin is how long a backend may take to hear that writes are stopped, or are not,
// before the reconciler is left to see to it.
const enforceWithin = 3 * time.Second

// enforce has the backends follow at once. What fails is due already: the sweep does it.
func (s *Service) enforce(ctx context.Context, accountID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enforceWithin)
	defer cancel()
	var failures []error
	for _, backend := range s.Meters.MeterNames() {
		failures = append(failures, s.Access.Ensure(ctx, accountID, backend, 0))
	}
	if err := errors.Join(failures...); err != nil {
		s.Logger.WarnContext(ctx, "a backend has not heard yet whether an account may write", "account_id", accountID, "error", err)
	}
}

// Admit lets one more bucket or access key be made, in the transaction that makes it, or is
// QUOTA_EXCEEDED. It keeps others of the account from being made until that ends.
func (s *Service) Admit(ctx context.Context, rows Rows, accountID string, k Kind) error {
	q, err := rows.Find(ctx, accountID)
	if err != nil || s.effective(q).Limits.Of(k).Hard == 0 {
		return err
	}
	if q, err = rows.Lock(ctx, accountID); err != nil {
		return err
	}
	used, err := rows.Count(ctx, accountID, k)
	if hard := s.effective(q).Limits.Of(k).Hard; err == nil && hard > 0 && used >= hard {
		err = exceeded(k, hard, used)
	}
	return err
}
