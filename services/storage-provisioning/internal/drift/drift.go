// Package drift is a difference between a backend and what is recorded. It is data: found
// by whoever looks at a backend, kept, shown to the account, and closed once repaired.
//
// The package owns what a finding is, the reading of findings, and that somebody accepts
// one. It repairs nothing: each concept repairs what is its own when the reconciler looks at
// it, and what nobody made is never touched.
package drift

import (
	"context"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

// Kind says what kind of difference a finding is.
type Kind string

// The kinds.
const (
	// Missing is in the record and not on the backend.
	Missing Kind = "MISSING"
	// Extra is on the backend and not in the record. It is never touched.
	Extra Kind = "EXTRA"
	// Different is in both, not alike.
	Different Kind = "DIFFERENT"
)

// Finding is one difference. While it is open, a resource has at most one of a kind and
// field.
type Finding struct {
	// ID is `dft_…`.
	ID string
	// AccountID is the account concerned; empty for what belongs to nobody known.
	AccountID string
	// ResourceKind is snake case, such as "bucket".
	ResourceKind string
	// ResourceID is the resource's id; for something that nobody made, its place:
	// backend/name.
	ResourceID string
	// ResourceName is its name on the backend, unless that is a secret.
	ResourceName string
	// Kind says what kind of difference it is.
	Kind Kind
	// Field is the field that differs; empty for the whole.
	Field string
	// Desired and Observed are the two sides in words, without secrets.
	Desired, Observed string
	// DetectedAt is when it was first seen.
	DetectedAt time.Time
	// RepairedAt is zero while it stands.
	RepairedAt time.Time
	// IgnoredAt is when somebody accepted it, zero when nobody did; IgnoreReason is why.
	IgnoredAt    time.Time
	IgnoreReason string
}

// Rows writes findings in a transaction.
type Rows interface {
	// Record keeps a finding; one that is open already is left as it is, and fresh is
	// false.
	Record(ctx context.Context, finding Finding) (fresh bool, err error)
	// Repaired closes the open findings of a resource and returns how many there were.
	Repaired(ctx context.Context, resourceKind, resourceID string, at time.Time) (int64, error)
	// OpenExtras returns the places, which begin so, of resources that nobody made and whose
	// findings are open, ignored ones included.
	OpenExtras(ctx context.Context, resourceKind, place string) ([]string, error)
	// GoneExtras closes the open findings of resources that nobody made whose place begins
	// so and that are not there any more, and returns how many there were.
	GoneExtras(ctx context.Context, resourceKind, place string, still []string, at time.Time) (int64, error)
}

// Standing says whether a finding still stands. Its zero value is any.
type Standing string

// The standings.
const (
	// Open is neither repaired nor ignored.
	Open Standing = "OPEN"
	// Ignored is accepted, and not repaired.
	Ignored Standing = "IGNORED"
	// Repaired does not stand any more.
	Repaired Standing = "REPAIRED"
)

// Query asks for a page of findings, newest first.
type Query struct {
	// AccountID is whose; at the platform, empty is everybody's.
	AccountID string
	// Platform looks across accounts, for operators; Unowned then at what is nobody's alone.
	Platform, Unowned bool
	// ResourceKind and Standing narrow the list unless empty.
	ResourceKind string
	Standing     Standing
	// Before is the id of the last finding shown; empty for the first page.
	Before string
	// Limit is how many at most.
	Limit int
}

// Store keeps findings.
type Store interface {
	// Drifts returns the findings of one page, newest first.
	Drifts(ctx context.Context, query Query) ([]Finding, error)
	// Drift returns one finding of the account.
	Drift(ctx context.Context, accountID, id string) (f Finding, ok bool, err error)
	// InScope runs fn in a transaction of the account, or of the platform when there is none.
	// fn may run several times.
	InScope(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
}

// New returns a finding with an id of its own, detected now.
func New(now time.Time, f Finding) Finding {
	f.ID, f.DetectedAt = id.New("dft", now), now
	return f
}

// The lists that page tokens are bound to.
const (
	Method         = "/primecloud.storage.v1.DriftService/ListDrifts"
	PlatformMethod = "/primecloud.storage.v1.PlatformDriftService/ListPlatformDrifts"
)

// Deps is what the use cases need. All must be set, but Wake.
type Deps struct {
	Store Store
	Pages *page.Codec
	Clock clock.Clock
	// Wake asks the reconciler of this process to look at a resource now; may be nil.
	Wake func(reconcile.Ref)
}

// Service is the use cases of findings.
type Service struct {
	store Store
	pages *page.Codec
	clock clock.Clock
	wake  func(reconcile.Ref)
}

// NewService returns the use cases.
func NewService(d Deps) *Service {
	if d.Wake == nil {
		d.Wake = func(reconcile.Ref) {}
	}
	return &Service{store: d.Store, pages: d.Pages, clock: d.Clock, wake: d.Wake}
}

// Get returns a finding of the account.
func (s *Service) Get(ctx context.Context, accountID, id string) (Finding, error) {
	f, ok, err := s.store.Drift(ctx, accountID, id)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return f, err
}

// List returns a page of findings and the token of the next page. Of the query it takes the
// filter.
func (s *Service) List(ctx context.Context, query Query, size int32, token string) ([]Finding, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{
		Method: Method, Account: query.AccountID, Query: []string{query.ResourceKind, string(query.Standing), strconv.FormatBool(query.Unowned)},
	}}
	if query.Platform {
		r.Binding.Method = PlatformMethod
	}
	return page.List(s.pages, r, func(after page.Position, limit int) ([]Finding, error) {
		query.Before, query.Limit = after.At(0), limit
		return s.store.Drifts(ctx, query)
	}, func(f Finding) page.Position { return page.Position{f.ID} })
}
