package quota

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// RequestResource is the kind of a request in events and in the audit trail.
const RequestResource = "quota_request"

// State is where a request stands.
type State string

// The states.
const (
	Open      State = "OPEN"
	Approved  State = "APPROVED"
	Refused   State = "REFUSED"
	Withdrawn State = "WITHDRAWN"
)

// Request asks for higher hard limits.
type Request struct {
	// ID is `qrq_…`.
	ID string
	// AccountID is the account.
	AccountID string
	// Storage, Buckets and AccessKeys are the hard limits that should be; zero where no more
	// is asked for.
	Storage, Buckets, AccessKeys int64
	// Note is why.
	Note string
	// State is where it stands.
	State State
	// CreatedBy asked, DecidedBy decided or withdrew it.
	CreatedBy, DecidedBy string
	// DecisionNote is what the operator who decided had to say.
	DecisionNote string
	// Version grows with every change.
	Version int64
	// CreatedAt and DecidedAt are by our clock; DecidedAt is zero while it is open.
	CreatedAt, DecidedAt time.Time
}

// ETag changes with every change.
func (r Request) ETag() string { return r.ID + "." + strconv.FormatInt(r.Version, 10) }

func (r Request) of(k Kind) int64 {
	switch k {
	case Buckets:
		return r.Buckets
	case AccessKeys:
		return r.AccessKeys
	default:
		return r.Storage
	}
}

var (
	// ErrRequestNotFound is for a request that the account does not have.
	ErrRequestNotFound = errs.New(errs.NotFound, "QUOTA_REQUEST_NOT_FOUND", "the account has no quota request of this id")
	errRequestClosed   = errs.New(errs.FailedPrecondition, "QUOTA_REQUEST_CLOSED",
		"the quota request was decided or withdrawn already; make a new one if it is still meant")
	errRequestOpen = errs.New(errs.FailedPrecondition, "QUOTA_REQUEST_OPEN",
		"the account has an open quota request; wait for its answer, or withdraw it")
	errRequestInvalid = errs.New(errs.InvalidArgument, "QUOTA_REQUEST_INVALID",
		"the quota request asks for no more than there is; see the violations")
)

// fields are what a request's figures are called.
var fields = map[Kind]string{Storage: "storage_hard_bytes", Buckets: "buckets_hard", AccessKeys: "access_keys_hard"}

// check refuses a request for no more than the limits allow.
func (r Request) check(limits Limits) error {
	refusal, asked := errRequestInvalid, false
	for _, k := range Kinds {
		switch wanted, hard := r.of(k), limits.Of(k).Hard; {
		case wanted == 0:
		case hard == 0 || wanted <= hard:
			refusal = refusal.WithViolation(errs.Violation{
				Field: fields[k], Rule: "NOT_MORE", Description: "must lie above the present limit, and there must be one",
			})
		default:
			asked = true
		}
	}
	if refusal == errRequestInvalid && !asked {
		refusal = refusal.WithViolation(errs.Violation{Field: fields[Storage], Rule: "NOTHING_ASKED", Description: "ask for at least one higher limit"})
	}
	if refusal == errRequestInvalid {
		return nil
	}
	return refusal
}

// raised returns the limits with those asked for that are higher; a soft one keeps its
// proportion.
func (r Request) raised(limits Limits) Limits {
	for k, limit := range map[Kind]*Limit{Storage: &limits.Storage, Buckets: &limits.Buckets, AccessKeys: &limits.AccessKeys} {
		if wanted := r.of(k); limit.Hard > 0 && wanted > limit.Hard {
			*limit = Limit{Soft: scaled(limit.Soft, wanted, limit.Hard), Hard: wanted}
		}
	}
	return limits
}

// Ask makes a request. A repetition with the same idempotency key gives the account's newest.
func (s *Service) Ask(ctx context.Context, r Request) (Request, error) {
	r.ID, r.State, r.CreatedAt, r.Version = id.New("qrq", s.now()), Open, s.now(), 1
	r.CreatedBy = personOf(ctx)
	again := false
	err := s.Store.InAccount(ctx, r.AccountID, func(ctx context.Context, tx Tx) error {
		var err error
		again, err = tx.Calls.Once(ctx, r.AccountID, operation.Resource{Kind: RequestResource, ID: r.AccountID})
		if err != nil || again {
			return err
		}
		q, err := s.lock(ctx, tx, r.AccountID)
		if err != nil {
			return err
		}
		if err := r.check(q.Limits); err != nil {
			return err
		}
		inserted, err := tx.Requests.InsertRequest(ctx, r)
		switch {
		case err != nil:
			return err
		case !inserted:
			return errRequestOpen
		default:
			return tellRequest(ctx, tx, nil, r)
		}
	})
	if err != nil || !again {
		return r, err
	}
	list, err := s.Store.ListRequests(ctx, RequestQuery{AccountID: r.AccountID, Limit: 1})
	if err == nil && len(list) == 0 {
		err = ErrRequestNotFound
	}
	if err != nil {
		return Request{}, err
	}
	return list[0], nil
}

// GetRequest returns the account's request of that id.
func (s *Service) GetRequest(ctx context.Context, accountID, requestID string) (Request, error) {
	r, ok, err := s.Store.Request(ctx, accountID, requestID)
	if err == nil && !ok {
		err = ErrRequestNotFound
	}
	return r, err
}

// The lists of requests that page tokens are bound to.
const (
	ListRequestsMethod         = "/primecloud.storage.v1.QuotaService/ListQuotaRequests"
	ListPlatformRequestsMethod = "/primecloud.storage.v1.PlatformQuotaService/ListPlatformQuotaRequests"
)

// ListRequests returns a page of requests, newest first, and the token of the next page. Of
// the query it takes the filter.
func (s *Service) ListRequests(ctx context.Context, q RequestQuery, size int32, token string) ([]Request, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: ListRequestsMethod, Account: q.AccountID, Query: []string{string(q.State)}}}
	if q.AccountID == "" {
		r.Binding.Method = ListPlatformRequestsMethod
	}
	return page.List(s.Pages, r, func(after page.Position, limit int) ([]Request, error) {
		q.Before, q.Limit = after.At(0), limit
		return s.Store.ListRequests(ctx, q)
	}, func(x Request) page.Position { return page.Position{x.ID} })
}

// Decision ends a request.
type Decision struct {
	AccountID, RequestID string
	// State is how: Approved, Refused or Withdrawn.
	State State
	// Note is what there is to say about it.
	Note string
}

// Decide ends an open request; an approval raises the limits to what was asked for. A
// repetition with the same idempotency key gives the request as it is by now.
func (s *Service) Decide(ctx context.Context, d Decision) (Request, error) {
	var r Request
	turned := false
	err := s.Store.InAccount(ctx, d.AccountID, func(ctx context.Context, tx Tx) error {
		again, err := tx.Calls.Once(ctx, d.AccountID, operation.Resource{Kind: RequestResource, ID: d.RequestID})
		if err != nil {
			return err
		}
		q, err := s.lock(ctx, tx, d.AccountID)
		if err != nil {
			return err
		}
		was, ok, err := tx.Requests.LockRequest(ctx, d.AccountID, d.RequestID)
		switch {
		case err != nil:
			return err
		case !ok:
			return ErrRequestNotFound
		case again:
			r = was
			return nil
		case was.State != Open:
			return errRequestClosed
		}
		r = was
		r.State, r.DecidedBy, r.DecisionNote, r.DecidedAt = d.State, personOf(ctx), d.Note, s.now()
		r.Version++
		if err := tx.Requests.SaveRequest(ctx, r); err != nil {
			return err
		}
		if err := tellRequest(ctx, tx, &was, r); err != nil || d.State != Approved {
			return err
		}
		_, turned, err = s.limit(ctx, tx, q, r.raised(q.Limits), "quota request "+r.ID+" was approved")
		return err
	})
	if err == nil && turned {
		s.enforce(ctx, d.AccountID)
	}
	return r, err
}

// personOf returns who calls.
func personOf(ctx context.Context) string {
	p := principal.FromContext(ctx)
	if p.UserID != "" {
		return p.UserID
	}
	return p.ID
}

// verbs are what happened to a request that is in a state.
var verbs = map[State][2]string{
	Open: {"create", "created"}, Approved: {"approve", "approved"}, Refused: {"refuse", "refused"}, Withdrawn: {"withdraw", "withdrawn"},
}

func tellRequest(ctx context.Context, tx Tx, before *Request, r Request) error {
	e := audit.Entry{
		Action: RequestResource + "." + verbs[r.State][0], Severity: audit.Notice, Outcome: audit.Succeeded, AccountID: r.AccountID,
		Target: audit.Target{Kind: RequestResource, ID: r.ID}, After: describedRequest(r),
	}
	if before != nil {
		e.Before = describedRequest(*before)
	}
	if err := tx.Record.Audit(ctx, e); err != nil {
		return err
	}
	return tx.Record.Publish(ctx, change.Event{
		Kind: RequestResource, Verb: verbs[r.State][1], AccountID: r.AccountID, ID: r.ID, Version: r.Version, Snapshot: r,
	})
}

// describedRequest is a request as the audit trail shows it.
func describedRequest(r Request) map[string]any {
	return map[string]any{
		"storage_hard": fmt.Sprint(r.Storage), "buckets_hard": fmt.Sprint(r.Buckets), "access_keys_hard": fmt.Sprint(r.AccessKeys),
		"note": r.Note, "state": string(r.State), "decision_note": r.DecisionNote,
	}
}
