package bucket

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

// maxRounds bounds the looks at a backend in one attempt. Two are usual: one that finds
// what is to be done, one that sees it done.
const maxRounds = 6

// identityDue is when the reconciler looks after an identity that this attempt sees to
// itself.
const identityDue = 15 * time.Second

// job is one attempt to bring a backend to what is recorded.
type job struct {
	bucket Bucket
	// operation is the open one; nil when there is none.
	operation *operation.Operation
	lease     reconcile.Lease
	// background says that the reconciler acts, not the call itself.
	background bool

	// found is what was different at the first look.
	found []drift.Difference
	// acted says that the backend was changed.
	acted bool
	// foreign says that something that is not ours was found in the bucket's place.
	foreign bool
	// access is the generation of the account's identity that has the bucket in it.
	access int64
	// granted says that the identity was seen to.
	granted bool
}

// converge looks, acts on the difference and looks again, until the backend is as wanted.
// It is the same for the call itself and for the reconciler, and may be repeated and
// broken off anywhere.
func (s *Service) converge(ctx context.Context, j *job) error {
	backend, err := s.Backends.Backend(j.bucket.Backend)
	if err != nil {
		return err
	}
	for round := range maxRounds {
		observed, err := backend.Reader.ObserveBucket(ctx, j.bucket.Name)
		if err != nil {
			return err
		}
		if round == 0 {
			j.found = unforeseen(j.bucket, differences(j.bucket, observed))
		}
		done, err := s.step(ctx, j, backend, observed)
		if errors.Is(err, ErrVanished) {
			continue // it went away under our hands: look again
		}
		if err != nil || done {
			return err
		}
	}
	return change.Unsettled(maxRounds)
}

// step acts on one observation; done says that nothing was to do.
func (s *Service) step(ctx context.Context, j *job, backend Backend, observed Observed) (done bool, err error) {
	switch verdict := Judge(j.bucket, observed); verdict {
	case Agrees:
		if err := s.own(ctx, j); err != nil {
			return false, err
		}
		return true, s.grant(ctx, j)
	case Adoptable:
		j.acted = true
		return false, backend.Settings.SetBucketTags(ctx, j.bucket.Name, j.bucket.Mark(), observed.Spec.Tags)
	case NothingToAdopt:
		return false, ErrNothingToAdopt
	case Taken:
		j.acted = true
		return false, backend.Writer.UnmarkBucket(ctx, j.bucket.Name, observed.Spec.Tags)
	case IsMissing:
		return false, s.make(ctx, j, backend)
	case Differs:
		j.acted = true
		return false, s.shape(ctx, j, backend, observed.Spec)
	case Unmarked:
		return false, s.settleUnmarked(ctx, j, backend)
	case Leftover:
		return false, s.remove(ctx, j, backend)
	case Foreign:
		return false, s.conflict(j)
	default:
		return false, fmt.Errorf("bucket: no such verdict: %d", verdict)
	}
}

// make makes a bucket that is not there. That it was not there is recorded first: should
// we die before it is marked, an unmarked empty bucket is known to be ours.
func (s *Service) make(ctx context.Context, j *job, backend Backend) error {
	b := &j.bucket
	b.seenGone(s.Clock.Now())
	err := s.Store.InAccount(ctx, b.AccountID, func(ctx context.Context, tx Tx) error {
		if err := tx.Buckets.Note(ctx, *b); err != nil {
			return err
		}
		var err error
		// Should we die, the sweep sees to the identity once the time of this attempt is over.
		j.access, err = tx.Access.Touch(ctx, b.AccountID, b.Backend, s.Clock.Now().Add(identityDue))
		return err
	})
	if err != nil {
		return err
	}
	j.acted = true
	newBucket := backend.Writer.MakeBucket
	if b.Spec.Lock.Enabled {
		newBucket = backend.Settings.MakeLockedBucket
	}
	if err := newBucket(ctx, b.Name); err != nil {
		if errors.Is(err, ErrExists) {
			return nil // somebody, or an earlier request of ours, was faster: look again
		}
		return err
	}
	return all([]func() error{
		func() error {
			if err := backend.Writer.MarkBucket(ctx, b.Name, b.Mark()); err != nil {
				return err
			}
			return set(ctx, *b, backend, fresh(*b))
		},
		func() error { return s.grant(ctx, j) },
	})
}

// shape sets what differs, and sees to the account's identity meanwhile. Mark and settings go
// one after the other: the backend keeps them in one document that it reads and writes
// without a lock, so that of two at once one is lost.
func (s *Service) shape(ctx context.Context, j *job, backend Backend, have Spec) error {
	return all([]func() error{
		func() error { return set(ctx, j.bucket, backend, have) },
		func() error { return s.grant(ctx, j) },
	})
}

// fresh is how a bucket is right after it was made and marked.
func fresh(b Bucket) Spec {
	return Spec{Lock: Lock{Enabled: b.Spec.Lock.Enabled}}.Normal()
}

func set(ctx context.Context, b Bucket, backend Backend, have Spec) error {
	want, write := b.Wanted(), backend.Writer
	for _, d := range specDifferences(want, have) {
		var err error
		switch d.Field {
		case fieldVersioning:
			err = write.SetVersioning(ctx, b.Name, versioningToSet(want.Versioning))
		case fieldQuota:
			err = write.SetQuota(ctx, b.Name, want.QuotaBytes)
		case fieldRules:
			err = write.SetLifecycle(ctx, b.Name, ForBackend(want.Lifecycle))
		case fieldTags:
			err = backend.Settings.SetBucketTags(ctx, b.Name, b.Mark(), want.Tags)
		case fieldLock:
			err = backend.Settings.SetRetention(ctx, b.Name, want.Lock)
		case fieldEncryption:
			err = backend.Settings.SetEncryption(ctx, b.Name, want.Encryption)
		case fieldPublic:
			err = backend.Settings.SetPublic(ctx, b.Name, want.Public)
		default:
			err = fmt.Errorf("bucket: nobody sets %s", d.Field)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// versioningToSet is what to ask for: off cannot be, so it is suspended.
func versioningToSet(want Versioning) Versioning {
	if want == VersioningOff {
		return VersioningSuspended
	}
	return want
}

// grant sees to it that the account's identity reaches a bucket that is being made.
func (s *Service) grant(ctx context.Context, j *job) error {
	if j.bucket.State != Creating && !j.bucket.Adopting || j.bucket.Desired == Absent || j.granted {
		return nil
	}
	if err := s.Principals.Ensure(ctx, j.bucket.AccountID, j.bucket.Backend, j.access); err != nil {
		return err
	}
	j.granted = true
	return nil
}

// settleUnmarked deals with an unmarked bucket under a reservation of ours: empty, it is
// ours, from an attempt that ended before its mark; with content it is not.
func (s *Service) settleUnmarked(ctx context.Context, j *job, backend Backend) error {
	n, _, err := backend.Reader.CountContent(ctx, j.bucket.Name, 1)
	if err != nil {
		return err
	}
	if n > 0 {
		return s.conflict(j)
	}
	j.acted = true
	if j.bucket.Desired == Present {
		return backend.Writer.MarkBucket(ctx, j.bucket.Name, j.bucket.Mark())
	}
	return s.removeEmpty(ctx, j, backend)
}

// remove removes a bucket of ours that is not wanted any more, unless it has content.
func (s *Service) remove(ctx context.Context, j *job, backend Backend) error {
	n, more, err := backend.Reader.CountContent(ctx, j.bucket.Name, CountLimit)
	if err != nil {
		return err
	}
	if n == 0 {
		j.acted = true
		return s.removeEmpty(ctx, j, backend)
	}
	if j.operation == nil {
		// Its owner was told that it is gone, or never came to be, and yet there is
		// content: nobody's to remove.
		return s.conflict(j)
	}
	count := fmt.Sprint(n)
	if more {
		count += "+"
	}
	return ErrNotEmpty.With("objects", count).WithMessage(
		"the bucket still holds %s objects, old versions and incomplete uploads included; delete them first", count)
}

// removeEmpty removes a bucket. It is gone then, and what the next look finds empty and unmarked
// under its name is the backend's doing: see succeed.
func (s *Service) removeEmpty(ctx context.Context, j *job, backend Backend) error {
	err := backend.Writer.RemoveBucket(ctx, j.bucket.Name)
	switch {
	case errors.Is(err, ErrNotEmpty) && j.operation == nil:
		return s.conflict(j)
	case err != nil:
		return err
	}
	j.bucket.seenGone(s.Clock.Now())
	return nil
}

// conflict is the end of an attempt that found what is not ours.
func (s *Service) conflict(j *job) error {
	j.foreign = true
	if j.operation != nil && j.operation.Previous == nil {
		return ErrNameTaken
	}
	return ErrConflict
}

// all runs calls at once and returns the error that says most: a refusal for good before
// one that may pass.
func all(calls []func() error) error {
	failures := make([]error, len(calls))
	var running sync.WaitGroup
	for i, call := range calls {
		running.Go(func() { failures[i] = call() })
	}
	running.Wait()
	var first error
	for _, err := range failures {
		if err != nil && (first == nil || change.InDoubt(first) && !change.InDoubt(err)) {
			first = err
		}
	}
	return first
}
