package grant

import (
	"context"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Rows are grants and members, in the transaction. Whoever locks several locks the member
// first, then buckets by id, then grants.
type Rows interface {
	Ends
	// Member returns what was heard of a person, and locks it; one of version zero when
	// that is nothing.
	Member(ctx context.Context, accountID, userID string) (Member, error)
	// SaveMember writes it.
	SaveMember(ctx context.Context, m Member, at time.Time) error
	// Bucket returns the account's visible bucket of that name, and keeps it from changing.
	Bucket(ctx context.Context, accountID, name string) (b Bucket, ok bool, err error)
	// BucketByID is the same by id.
	BucketByID(ctx context.Context, accountID, id string) (b Bucket, ok bool, err error)
	// Find returns the grant of a person on a bucket, and locks it.
	Find(ctx context.Context, b Bucket, userID string) (g Grant, ok bool, err error)
	// Insert writes a new grant.
	Insert(ctx context.Context, g Grant) error
	// Save writes reach, version and time of a grant.
	Save(ctx context.Context, g Grant) error
	// EndOne removes a grant.
	EndOne(ctx context.Context, id string) error
	// EndEarlier removes, and returns, the grants of a person that belong to an earlier
	// version of their membership.
	EndEarlier(ctx context.Context, accountID, userID string, before int64) ([]Grant, error)
}

// Ends is what the removal of a bucket needs.
type Ends interface {
	// EndOfBucket removes all grants on a bucket, and returns them.
	EndOfBucket(ctx context.Context, bucketID string) ([]Grant, error)
}

// Calls recognise a repeated call.
type Calls interface {
	// Once claims the call's idempotency key, if it has one, and records the call as done.
	// When an earlier call with the key has succeeded, again is true.
	Once(ctx context.Context, accountID string, resource operation.Resource) (again bool, err error)
}

// Tx is a transaction.
type Tx struct {
	Grants Rows
	Calls  Calls
	Record change.Record
}

// Query asks for a page of an account's grants, oldest first.
type Query struct {
	AccountID string
	// Bucket (its name) and UserID narrow the list unless empty.
	Bucket, UserID string
	// After is the id of the last grant shown; empty for the first page.
	After string
	// Limit is how many at most.
	Limit int
}

// Store keeps grants.
type Store interface {
	Lookup
	// InAccount runs fn in a transaction in which only that account's rows exist. fn may
	// run several times.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// List returns one page.
	List(ctx context.Context, query Query) ([]Grant, error)
	// HasBucket reports whether the account has a visible bucket of that name.
	HasBucket(ctx context.Context, accountID, bucket string) (bool, error)
	// RoleOf returns the role of a person as far as it was heard of, or "".
	RoleOf(ctx context.Context, accountID, userID string) (string, error)
}

// tell records a change and publishes it: before is nil for a new grant, after for one that
// ended.
func tell(ctx context.Context, record change.Record, before, after *Grant) error {
	last, verb := after, "update"
	switch {
	case before == nil:
		verb = "create"
	case after == nil:
		gone := *before
		gone.Version++
		last, verb = &gone, "delete"
	}
	err := record.Audit(ctx, audit.Entry{
		Action: Kind + "." + verb, Severity: audit.Notice, Outcome: audit.Succeeded, AccountID: last.AccountID,
		Target: audit.Target{Kind: Kind, ID: last.ID, Name: last.Bucket}, Before: described(before), After: described(after),
	})
	if err != nil {
		return err
	}
	return record.Publish(ctx, change.Event{
		Kind: Kind, Verb: verb + "d", AccountID: last.AccountID, ID: last.ID, Version: last.Version, Snapshot: *last,
	})
}

// described is a grant as the audit trail shows it.
func described(g *Grant) map[string]any {
	if g == nil {
		return nil
	}
	told := map[string]any{
		"bucket": g.Bucket, "bucket_id": g.BucketID, "user_id": g.UserID, "permission": string(g.Permission),
	}
	if len(g.Prefixes) > 0 {
		told["prefixes"] = strings.Join(g.Prefixes, " ")
	}
	return told
}

// EndWithBucket removes all grants on a bucket that is removed, in the transaction that
// does so.
func EndWithBucket(ctx context.Context, ends Ends, record change.Record, bucketID string) error {
	ended, err := ends.EndOfBucket(ctx, bucketID)
	if err != nil {
		return err
	}
	return tellEnded(ctx, record, ended)
}

func tellEnded(ctx context.Context, record change.Record, ended []Grant) error {
	for i := range ended {
		if err := tell(ctx, record, &ended[i], nil); err != nil {
			return err
		}
	}
	return nil
}
