// Package drift is a difference between a backend and what is recorded. It is data: found
// by whoever looks at a backend, kept, shown to the account, and closed once repaired.
//
// The package owns what a finding is and the reading of findings. It repairs nothing:
// each concept repairs what is its own, and what nobody made is never touched.
package drift

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/page"
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
}

// Rows writes findings in a transaction.
type Rows interface {
	// Record keeps a finding; one that is open already is left as it is, and fresh is
	// false.
	Record(ctx context.Context, finding Finding) (fresh bool, err error)
	// Repaired closes the open findings of a resource and returns how many there were.
	Repaired(ctx context.Context, resourceKind, resourceID string, at time.Time) (int64, error)
	// GoneExtras closes the open findings of resources that nobody made whose place begins
	// so and that are not there any more, and returns how many there were.
	GoneExtras(ctx context.Context, resourceKind, place string, still []string, at time.Time) (int64, error)
}

// Query asks for a page of an account's findings, newest first.
type Query struct {
	AccountID string
	// Before is the id of the last finding shown; empty for the first page.
	Before string
	// Limit is how many at most.
	Limit int
}

// Store reads findings.
type Store interface {
	// Drifts returns the findings of one page, newest first.
	Drifts(ctx context.Context, query Query) ([]Finding, error)
}

// New returns a finding with an id of its own, detected now.
func New(now time.Time, f Finding) Finding {
	f.ID, f.DetectedAt = id.New("dft", now), now
	return f
}

// Method is the list that page tokens are bound to.
const Method = "/primecloud.storage.v1.DriftService/ListDrifts"

// Service shows findings.
type Service struct {
	store Store
	pages *page.Codec
}

// NewService returns the service.
func NewService(store Store, pages *page.Codec) *Service { return &Service{store: store, pages: pages} }

// List returns a page of the account's findings and the token of the next page.
func (s *Service) List(ctx context.Context, accountID string, size int32, token string) ([]Finding, string, error) {
	limit, err := page.Size(size, page.DefaultSize, page.MaxSize)
	if err != nil {
		return nil, "", err
	}
	binding := page.Binding{Method: Method, Account: accountID}
	position, err := s.pages.Decode(token, binding)
	if err != nil {
		return nil, "", err
	}
	query := Query{AccountID: accountID, Limit: limit + 1}
	if len(position) == 1 {
		query.Before = position[0]
	}
	findings, err := s.store.Drifts(ctx, query)
	if err != nil || len(findings) <= limit {
		return findings, "", err
	}
	findings = findings[:limit]
	return findings, s.pages.Encode(page.Position{findings[limit-1].ID}, binding), nil
}
