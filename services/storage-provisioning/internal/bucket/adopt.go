package bucket

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// Adoption asks for a bucket that stands on a backend to be taken over for an account.
type Adoption struct {
	AccountID string
	// Backend is the default one when empty.
	Backend, Name     string
	CustomerReference string
	// Reason is why, for the trail.
	Reason string
}

// Adopt takes a bucket that nobody manages under management for an account, as it is set up
// there, content and all. All that it changes on the backend is our mark, and should it be
// given up, that is taken off again: what is adopted is never made and never removed. One
// that carries the account's own mark, as after a database was restored, gets the id it had;
// one of the account that lost its mark is ours again. With another account's mark it is
// ErrConflict.
func (s *Service) Adopt(ctx context.Context, in Adoption) (Done, error) {
	backend, err := s.Backends.Backend(in.Backend)
	if err != nil {
		return Done{}, err
	}
	in.Backend = backend.Name
	observed, err := backend.Reader.ObserveBucket(ctx, in.Name)
	if err != nil {
		return Done{}, err
	}
	return s.introduce(ctx, in.AccountID, func(ctx context.Context, tx Tx) (Bucket, *previous, error) {
		b, back, err := s.takeOver(ctx, tx, in, observed)
		b.note = in.Reason
		return b, back, err
	})
}

// takeOver reserves the name for a bucket as it was observed; or has one whose adoption was
// given up, and that is not put back yet, be adopted after all; or has the account's own that
// lost its mark be ours again: back is then what an abandoned adoption goes back to.
func (s *Service) takeOver(ctx context.Context, tx Tx, in Adoption, o Observed) (b Bucket, back *previous, err error) {
	kept, ok, err := tx.Buckets.ByName(ctx, in.AccountID, in.Name)
	again := ok && kept.Adopting && kept.Desired == Absent && kept.Backend == in.Backend
	switch {
	case err != nil:
		return Bucket{}, nil, err
	case !o.Exists:
		return Bucket{}, nil, ErrNothingToAdopt
	case ok && kept.Visible() && kept.State == Conflict && kept.Backend == in.Backend && (o.Mark == Mark{} || o.Mark == kept.Mark()):
		was := before(kept)
		kept.State, kept.Adopting, kept.SightedAt, kept.UpdatedAt = Updating, true, time.Time{}, s.Clock.Now()
		kept.Version, err = tx.Buckets.Save(ctx, kept)
		return kept, &was, err
	case ok && !again:
		return Bucket{}, nil, ErrNameTaken
	case o.Mark != Mark{} && o.Mark.AccountID != in.AccountID:
		return Bucket{}, nil, ErrConflict
	}
	ended, err := tx.Standings.Ended(ctx, in.AccountID)
	switch {
	case err != nil:
		return Bucket{}, nil, err
	case ended:
		return Bucket{}, nil, errAdoptionUnsupported.WithMessage("the account is closed; name another one")
	}
	spec := o.Spec.Normal()
	if spec.Public.Other || spec.Encryption == EncryptionOther {
		return Bucket{}, nil, errAdoptionUnsupported.WithMessage(
			"the bucket has a policy or an encryption on the backend that is none of ours; remove it there first")
	}
	if err := CheckSpec(spec); err != nil {
		return Bucket{}, nil, errAdoptionUnsupported.WithMessage(
			"the bucket has a setting on the backend that no bucket of ours can have; change it there first: %v", err)
	}
	if err := s.Quota.Admit(ctx, tx.Quotas, in.AccountID, quota.Buckets); err != nil {
		return Bucket{}, nil, err
	}
	now := s.Clock.Now()
	b = Bucket{
		ID: o.Mark.ID, AccountID: in.AccountID, Backend: in.Backend, Name: in.Name, CustomerReference: in.CustomerReference,
		Spec: spec, Desired: Present, State: Creating, Adopting: true, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	if again {
		b.ID, b.Version, b.Unsure = kept.ID, kept.Version, kept.Unsure
		b.Version, err = tx.Buckets.Save(ctx, b)
		return b, nil, err
	}
	if b.ID == "" {
		b.ID = id.New("bkt", now)
	}
	reserved, err := tx.Buckets.Reserve(ctx, b)
	if err == nil && !reserved {
		err = ErrNameTaken
	}
	return b, nil, err
}

// own notes that a bucket that is taken over carries our mark by now, so that the account's
// keys may reach it.
func (s *Service) own(ctx context.Context, j *job) error {
	if !j.bucket.Adopting || j.bucket.Desired == Absent || j.bucket.Marked {
		return nil
	}
	j.bucket.Marked = true
	return s.Store.InAccount(ctx, j.bucket.AccountID, func(ctx context.Context, tx Tx) error {
		if err := tx.Buckets.Note(ctx, j.bucket); err != nil {
			return err
		}
		var err error
		j.access, err = tx.Access.Touch(ctx, j.bucket.AccountID, j.bucket.Backend, s.Clock.Now().Add(identityDue))
		return err
	})
}

// verb names what is being done to a bucket in this state, as the trail calls it.
func (b Bucket) verb(was State) string {
	if b.Adopting {
		return "adopt"
	}
	return verbOf(was)
}
