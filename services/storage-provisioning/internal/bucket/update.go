package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Changes are the new values of what is to change; nil leaves it.
type Changes struct {
	Versioning        *Versioning
	QuotaBytes        *int64
	Lifecycle         *[]Rule
	CustomerReference *string
	Tags              *map[string]string
	Labels            *map[string]string
	Lock              *Lock
	Encryption        *Encryption
	Public            *Public
	// CORSRules is how many rules for other origins were asked for.
	CORSRules int
	// Rules changes the lifecycle rules as they then are; nil leaves them.
	Rules func([]Rule) ([]Rule, error)
}

// Update changes a bucket. etag is what the caller has seen, or empty. One that changes
// nothing, or only what the backend does not know, costs the backend nothing.
func (s *Service) Update(ctx context.Context, accountID, name, etag string, changes Changes) (Done, error) {
	window := s.Runner.Window(ctx)
	refusal, err := s.refusalOf(ctx, accountID, name, changes)
	if err != nil {
		return Done{}, err
	}
	var begun change.Begun
	var b Bucket
	var at *Done
	err = s.Store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		var err error
		if at, err = again(ctx, tx); err != nil || at != nil {
			return err
		}
		was, err := s.owned(ctx, tx, accountID, name, etag)
		if err != nil {
			return err
		}
		if refusal != nil {
			return refusal
		}
		if b, err = changes.apply(was); err != nil {
			return err
		}
		b.UpdatedAt = s.Clock.Now()
		if b.Spec.Equal(was.Spec) && was.State != Creating {
			done, err := s.rename(ctx, tx, was, b)
			at = &done
			return err
		}
		back := before(was)
		b.State, b.SightedAt = Updating, time.Time{}
		if b.Version, err = tx.Buckets.Save(ctx, b); err != nil {
			return err
		}
		begun, err = s.begin(ctx, tx, &b, &back, window)
		return err
	})
	if err != nil {
		return Done{}, err
	}
	if at != nil {
		return *at, nil
	}
	return s.run(ctx, begun, b)
}

// owned returns the account's bucket, locked, for a change by somebody who has seen etag.
func (s *Service) owned(ctx context.Context, tx Tx, accountID, name, etag string) (Bucket, error) {
	b, ok, err := tx.Buckets.ByName(ctx, accountID, name)
	if err != nil {
		return Bucket{}, err
	}
	if !ok || !b.Visible() {
		return Bucket{}, ErrNotFound
	}
	if _, open, err := tx.Operations.Open(ctx, operation.Resource{Kind: Kind, ID: b.ID}); err != nil || open {
		if err == nil && b.State == Deleting {
			return Bucket{}, ErrDeleting
		}
		if err == nil {
			err = operation.ErrInProgress
		}
		return Bucket{}, err
	}
	if b.State == Purging {
		return Bucket{}, ErrPurging
	}
	if etag != "" && etag != b.ETag() {
		return Bucket{}, ErrETagMismatch
	}
	return b, nil
}

// apply returns the bucket with the changes.
func (c Changes) apply(b Bucket) (Bucket, error) {
	was := b.Spec
	if c.Versioning != nil {
		b.Spec.Versioning = *c.Versioning
	}
	if c.QuotaBytes != nil {
		b.Spec.QuotaBytes = *c.QuotaBytes
	}
	if c.Lifecycle != nil {
		b.Spec.Lifecycle = *c.Lifecycle
	}
	if c.CustomerReference != nil {
		b.CustomerReference = *c.CustomerReference
	}
	if c.Rules != nil {
		var err error
		if b.Spec.Lifecycle, err = c.Rules(slices.Clone(was.Lifecycle)); err != nil {
			return Bucket{}, err
		}
	}
	c.applySettings(&b)
	if err := keepsLock(was, b.Spec); err != nil {
		return Bucket{}, err
	}
	b.Spec = b.Spec.Normal()
	if err := CheckSpec(b.Spec); err != nil {
		return Bucket{}, err
	}
	if was.Versioning != VersioningOff && b.Spec.Versioning == VersioningOff {
		return Bucket{}, ErrVersioningIrreversible
	}
	return b, nil
}

// applySettings sets what only some buckets have.
func (c Changes) applySettings(b *Bucket) {
	if c.Tags != nil {
		b.Spec.Tags = *c.Tags
	}
	if c.Labels != nil {
		b.Labels = *c.Labels
	}
	if c.Lock != nil {
		b.Spec.Lock = *c.Lock
	}
	if c.Encryption != nil {
		b.Spec.Encryption = *c.Encryption
	}
	if c.Public != nil {
		b.Spec.Public = *c.Public
	}
}

// keepsLock refuses a change that the object lock stands in the way of.
func keepsLock(was, now Spec) error {
	switch {
	case now.Lock.Enabled && !was.Lock.Enabled:
		return ErrLockOnlyAtCreation
	case was.Lock.Enabled && (!now.Lock.Enabled || now.Versioning != VersioningEnabled):
		return ErrLockIrreversible
	default:
		return nil
	}
}

// rename is an update that the backend has nothing to do with: it is done in T1.
func (s *Service) rename(ctx context.Context, tx Tx, was, b Bucket) (Done, error) {
	changed := was.CustomerReference != b.CustomerReference || !maps.Equal(was.Labels, b.Labels)
	if changed {
		var err error
		if b.Version, err = tx.Buckets.Save(ctx, b); err != nil {
			return Done{}, err
		}
	} else {
		b = was
	}
	o := s.Runner.Operation(ctx, b.Ref(), b.Generation)
	if err := tx.Operations.Begin(ctx, o); err != nil {
		return Done{}, err
	}
	result, err := json.Marshal(b)
	if err != nil {
		return Done{}, fmt.Errorf("encode the bucket: %w", err)
	}
	outcome := operation.Outcome{State: operation.Succeeded, Result: result, At: s.Clock.Now()}
	if _, err := tx.Operations.End(ctx, o.ID, outcome); err != nil || !changed {
		return Done{Bucket: b, OperationID: o.ID}, err
	}
	if err := tx.Record.Audit(ctx, audit.Entry{
		Action: Kind + ".update", Outcome: audit.Succeeded, Target: target(b), AccountID: b.AccountID,
		Before: described(was), After: described(b),
	}); err != nil {
		return Done{}, err
	}
	return Done{Bucket: b, OperationID: o.ID}, tx.Record.Publish(ctx, eventOf(b, "updated"))
}

func eventOf(b Bucket, verb string) change.Event {
	return change.Event{Kind: Kind, Verb: verb, AccountID: b.AccountID, ID: b.ID, Version: b.Version, Snapshot: b}
}
