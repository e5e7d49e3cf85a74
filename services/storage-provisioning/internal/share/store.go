package share

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// Rows are shares, in the transaction.
type Rows interface {
	Ends
	// Bucket returns the account's visible bucket of that name, and keeps it from changing.
	Bucket(ctx context.Context, accountID, name string) (b grant.Bucket, ok bool, err error)
	// Find returns a share of the account, and locks it.
	Find(ctx context.Context, accountID, id string) (s Share, ok bool, err error)
	// Insert writes a new share.
	Insert(ctx context.Context, s Share, token Hash) error
	// Save writes what its owner can change, and whether it was revoked.
	Save(ctx context.Context, s Share) error
	// Use counts a use of a share that is active at the moment, in one statement, and returns
	// how many that makes; ok is false when it is not, or may not be used once more.
	Use(ctx context.Context, id string, now time.Time) (count int64, ok bool, err error)
	// Log writes an entry of the access log.
	Log(ctx context.Context, a Access) error
	// Try counts a password that is about to be tried from an address, and returns how many
	// were since the window began, and when that was. What began at over or before does not
	// count any more.
	Try(ctx context.Context, s Share, address string, now, over time.Time) (count int, began time.Time, err error)
	// Untry takes one try back from each address, in this order: that in which they were
	// counted, or two at once would wait for each other.
	Untry(ctx context.Context, id string, addresses ...string) error
}

// Ends is what the removal of a bucket needs.
type Ends interface {
	// EndOfBucket removes all shares of a bucket, and returns them.
	EndOfBucket(ctx context.Context, bucketID string) ([]Share, error)
}

// Calls recognise a repeated call.
type Calls interface {
	// Once claims the call's idempotency key, if it has one, and records the call as done to
	// the resource. When an earlier call with the key has succeeded, again is true, and the
	// resource is that of the earlier one.
	Once(ctx context.Context, accountID string, to operation.Resource) (earlier operation.Resource, again bool, err error)
}

// Tx is a transaction of the account.
type Tx struct {
	Shares Rows
	Calls  Calls
	Record change.Record
}

// Query asks for a page of an account's shares, oldest first.
type Query struct {
	AccountID string
	// Bucket, its name, narrows the list unless empty.
	Bucket string
	// After is the id of the last share shown; empty for the first page.
	After string
	// Limit is how many at most.
	Limit int
}

// LogQuery asks for a page of an access log, newest first.
type LogQuery struct {
	AccountID, ShareID string
	// Before is the id of the last entry shown; empty for the first page.
	Before string
	// Limit is how many at most.
	Limit int
}

// Store keeps shares.
type Store interface {
	// InAccount runs fn in a transaction in which only that account's rows exist. fn may
	// run several times.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// ByToken returns the share of a token, whosever it is.
	ByToken(ctx context.Context, token Hash) (s Share, ok bool, err error)
	// Get returns a share of the account.
	Get(ctx context.Context, accountID, id string) (s Share, ok bool, err error)
	// List returns one page.
	List(ctx context.Context, query Query) ([]Share, error)
	// ListAccesses returns one page of an access log.
	ListAccesses(ctx context.Context, query LogQuery) ([]Access, error)
}

// tell records a change and publishes it: before is nil for a new share.
func tell(ctx context.Context, record change.Record, verb string, before, after *Share) error {
	err := record.Audit(ctx, audit.Entry{
		Action: Kind + "." + verb, Severity: audit.Notice, Outcome: audit.Succeeded, AccountID: after.AccountID,
		Target: target(*after), Before: described(before), After: described(after),
	})
	if err != nil {
		return err
	}
	past := map[string]string{"create": "created", "update": "updated", "revoke": "revoked"}[verb]
	return record.Publish(ctx, change.Event{
		Kind: Kind, Verb: past, AccountID: after.AccountID, ID: after.ID, Version: after.Version, Snapshot: after.seen(after.UpdatedAt),
	})
}

func target(s Share) audit.Target { return audit.Target{Kind: Kind, ID: s.ID, Name: s.DisplayName} }

// described is a share as the audit trail shows it: neither token nor password.
func described(s *Share) map[string]any {
	if s == nil {
		return nil
	}
	networks := make([]any, len(s.Networks))
	for i, n := range s.Networks {
		networks[i] = n.String()
	}
	d := map[string]any{
		"bucket": s.Bucket, "bucket_id": s.BucketID, "display_name": s.DisplayName, "scope": string(s.Scope), "path": s.Path,
		"protected": s.PasswordHash != "", "use_limit": s.UseLimit, "allowed_networks": networks,
		"max_upload_bytes": s.MaxUploadBytes, "revoked": !s.RevokedAt.IsZero(),
	}
	if !s.ExpireTime.IsZero() {
		d["expire_time"] = s.ExpireTime.UTC().Format(time.RFC3339)
	}
	return d
}

// EndWithBucket removes all shares of a bucket that is removed, in the transaction that does
// so, and with them their access logs.
func EndWithBucket(ctx context.Context, ends Ends, record change.Record, bucketID string, now time.Time) error {
	ended, err := ends.EndOfBucket(ctx, bucketID)
	if err != nil {
		return err
	}
	for _, before := range ended {
		if !before.RevokedAt.IsZero() {
			continue // that was told
		}
		after := before
		after.Version, after.UpdatedAt, after.RevokedAt = before.Version+1, now, now
		if err := tell(ctx, record, "revoke", &before, &after); err != nil {
			return err
		}
	}
	return nil
}
