package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// State is where an account stands; its names are those that tokens carry.
type State string

// The states.
const (
	// Pending waits for an operator's approval.
	Pending State = "pending"
	// Active is in use.
	Active State = "active"
	// Suspended is stopped until an operator restores it.
	Suspended State = "suspended"
	// Closing is stopped, and closed for good when the retention period has ended.
	Closing State = "closing"
	// Closed is the end.
	Closed State = "closed"
)

// Step is how an account came to stand where it does.
type Step struct {
	// Reason is why, in the words of whoever did it.
	Reason string
	// ActorKind and ActorID are who.
	ActorKind, ActorID string
	// Time is when.
	Time time.Time
}

// Act is a declared step between two states.
type Act string

// The acts. Their names are those of the audit trail.
const (
	// Approve begins the life of an account that waited, Reject ends it.
	Approve Act = "approve"
	Reject  Act = "reject"
	// Suspend stops, Restore ends that.
	Suspend Act = "suspend"
	Restore Act = "restore"
	// Close begins to close, Reopen takes that back, End is the end of the retention period.
	Close  Act = "close"
	Reopen Act = "reopen"
	End    Act = "end"
)

// transition is what an act does; to is empty where it leads back to where a closing began.
type transition struct {
	from []State
	to   State
	past string
}

// transitions are all there are.
var transitions = map[Act]transition{
	Approve: {from: []State{Pending}, to: Active, past: "approved"},
	Reject:  {from: []State{Pending}, to: Closed, past: "rejected"},
	Suspend: {from: []State{Active}, to: Suspended, past: "suspended"},
	Restore: {from: []State{Suspended}, to: Active, past: "restored"},
	Close:   {from: []State{Pending, Active, Suspended}, to: Closing, past: "closing"},
	Reopen:  {from: []State{Closing}, past: "reopened"},
	End:     {from: []State{Closing}, to: Closed, past: "closed"},
}

// The refusals.
var (
	// ErrStateInvalid is for an act that does not begin where the account stands.
	ErrStateInvalid = errs.New(errs.FailedPrecondition, "ACCOUNT_STATE_INVALID", "the account does not stand where this step begins; read it again")
	// ErrClosedByPlatform is for an owner who would take the platform's closing back.
	ErrClosedByPlatform = errs.New(errs.PermissionDenied, "CLOSED_BY_PLATFORM", "the platform is closing the account, and it alone can reopen it; ask its support")
	// ErrReasonInvalid is for a missing or overlong reason.
	ErrReasonInvalid = errs.New(errs.InvalidArgument, "STATE_REASON_INVALID", "say why, in 1 to 500 characters without control characters").
				WithViolation(errs.Violation{Field: "reason", Rule: "STATE_REASON_INVALID", Description: "give 1 to 500 characters"})
	// ErrTrialInvalid is for a trial that cannot be.
	ErrTrialInvalid = errs.New(errs.InvalidArgument, "TRIAL_INVALID", "a trial ends in the future, of an account that is not closing or closed").
			WithViolation(errs.Violation{Field: "trial_end_time", Rule: "TRIAL_INVALID", Description: "give a later time, or none"})
)

// maxReason is the longest reason, in characters.
const maxReason = 500

// Policy is what the platform makes of its accounts.
type Policy struct {
	// Approval has new accounts wait for an operator.
	Approval bool
	// Trial is how long the trial of a new account lasts; zero is none.
	Trial time.Duration
	// Retention is how long a closing can be taken back.
	Retention time.Duration
}

// begin puts a new account where its life begins.
func (p Policy) begin(a *Account, maker principal.Principal) {
	a.State, a.Last = Active, Step{ActorKind: string(maker.Kind), ActorID: maker.ID, Time: a.CreateTime}
	if p.Approval {
		a.State = Pending
		return
	}
	p.beginTrial(a, a.CreateTime)
}

func (p Policy) beginTrial(a *Account, now time.Time) {
	if p.Trial > 0 {
		a.TrialEndTime = now.Add(p.Trial)
	}
}

// after returns the account after the act, or ErrStateInvalid. It is the whole of the rules.
func (p Policy) after(a Account, act Act, step Step) (Account, error) {
	t, known := transitions[act]
	if !known || !slices.Contains(t.from, a.State) {
		return Account{}, ErrStateInvalid.With("state", string(a.State)).With("act", string(act))
	}
	was, closer := a.State, a.Last.ActorKind
	a.State, a.Last, a.Version, a.UpdateTime = t.to, step, a.Version+1, step.Time
	switch act {
	case Approve:
		// One that an operator gave it while it waited holds, unless it is over.
		if !a.TrialEndTime.After(step.Time) {
			a.TrialEndTime = time.Time{}
			p.beginTrial(&a, step.Time)
		}
	case Restore:
		// A trial that ended would end it again in a minute.
		if !a.TrialEndTime.After(step.Time) {
			a.TrialEndTime = time.Time{}
		}
	case Close:
		a.Resumes, a.CloseTime = was, step.Time.Add(p.Retention)
	case Reopen:
		if closer == string(principal.Operator) && step.ActorKind != closer {
			return Account{}, ErrClosedByPlatform
		}
		if !step.Time.Before(a.CloseTime) {
			return Account{}, ErrStateInvalid.With("state", string(Closed)).With("act", string(act))
		}
		a.State, a.Resumes, a.CloseTime = a.Resumes, "", time.Time{}
	case End:
		a.Resumes, a.CloseTime = "", time.Time{}
	case Reject, Suspend:
	}
	return a, nil
}

// Move takes a step in the account's life, for the reason.
func (s *Accounts) Move(ctx context.Context, accountID string, act Act, reason, etag string) (Account, error) {
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n == 0 || n > maxReason || strings.ContainsFunc(reason, unicode.IsControl) {
		return Account{}, ErrReasonInvalid
	}
	return s.once(ctx, accountID, func(ctx context.Context, tx Tx) (Account, error) {
		before, err := s.locked(ctx, tx, accountID, etag)
		if err != nil {
			return Account{}, err
		}
		return s.move(ctx, tx, before, act, reason)
	})
}

func (s *Accounts) move(ctx context.Context, tx Tx, before Account, act Act, reason string) (Account, error) {
	caller, now := principal.FromContext(ctx), unit.Now(s.clock)
	after, err := s.policy.after(before, act, Step{Reason: reason, ActorKind: string(caller.Kind), ActorID: caller.ID, Time: now})
	if err != nil {
		return Account{}, err
	}
	if err := tx.UpdateAccount(ctx, after); err != nil {
		return Account{}, err
	}
	// Tokens carry the state: those with the old one end, so that the new one holds at once.
	if err := tx.Revoke(ctx, revocation.New(revocation.Account, after.ID, now)); err != nil {
		return Account{}, err
	}
	return after, tell(ctx, tx, string(act), transitions[act].past, &before, after)
}

// SetTrial moves the end of the account's trial; the zero time takes it away.
func (s *Accounts) SetTrial(ctx context.Context, accountID string, end time.Time, etag string) (Account, error) {
	return s.once(ctx, accountID, func(ctx context.Context, tx Tx) (Account, error) {
		before, err := s.locked(ctx, tx, accountID, etag)
		if err != nil {
			return Account{}, err
		}
		now := unit.Now(s.clock)
		if before.State == Closing || before.State == Closed || !end.IsZero() && !end.After(now) {
			return Account{}, ErrTrialInvalid
		}
		after := before
		if after.TrialEndTime = end.Truncate(time.Microsecond); after == before {
			return before, nil
		}
		after.Version, after.UpdateTime = before.Version+1, now
		if err := tx.UpdateAccount(ctx, after); err != nil {
			return Account{}, err
		}
		return after, tell(ctx, tx, "set_trial", "updated", &before, after)
	})
}

// locked returns the account, locked, as the caller has seen it.
func (s *Accounts) locked(ctx context.Context, tx Tx, accountID, etag string) (Account, error) {
	a, err := tx.AccountForUpdate(ctx, accountID)
	if err != nil {
		return Account{}, err
	}
	return a, unit.CheckETag(etag, a.ETag())
}

// once runs a change of the account once per idempotency key.
func (s *Accounts) once(ctx context.Context, accountID string, do func(context.Context, Tx) (Account, error)) (Account, error) {
	var result Account
	err := s.store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		var err error
		result, err = unit.Once(ctx, tx, Account{ID: accountID}.resource(), tx.AccountForUpdate,
			func(ctx context.Context) (Account, error) { return do(ctx, tx) })
		return err
	})
	return result, err
}

// dueBatch is how many accounts one round of Advance looks at.
const dueBatch = 100

// Advance does what time does to accounts: it ends trials and retention periods, and
// returns how many. Two replicas may do so at once; the lock lets one step happen.
func (s *Accounts) Advance(ctx context.Context) (int64, error) {
	now := unit.Now(s.clock)
	due, err := s.store.DueAccounts(ctx, now, dueBatch)
	if err != nil {
		return 0, err
	}
	var count int64
	var failed []error
	for _, accountID := range due {
		err := s.store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
			a, err := tx.AccountForUpdate(ctx, accountID)
			if err != nil {
				return err
			}
			switch {
			case a.State == Active && !a.TrialEndTime.IsZero() && !a.TrialEndTime.After(now):
				_, err = s.move(ctx, tx, a, Suspend, "the trial has ended")
			case a.State == Closing && !a.CloseTime.After(now):
				_, err = s.move(ctx, tx, a, End, "the retention period has ended")
			default:
				return nil // another replica was faster
			}
			if err == nil {
				count++
			}
			return err
		})
		// One that fails must not keep the others waiting.
		if err != nil {
			failed = append(failed, fmt.Errorf("account %s: %w", accountID, err))
		}
	}
	return count, errors.Join(failed...)
}

// Filter narrows a list of accounts; empty fields do not.
type Filter struct {
	// State is where they stand.
	State State
	// Query is an id or slug, or how a display name begins, whatever its case.
	Query string
}

// Position is where a page of accounts ends.
type Position struct {
	// CreateTime and ID are those of the last account shown.
	CreateTime time.Time
	ID         string
}

// Find returns a page of all tenants' accounts, newest first.
func (s *Accounts) Find(ctx context.Context, f Filter, after Position, limit int) ([]Account, error) {
	return s.store.FindAccounts(ctx, f, after, limit)
}
