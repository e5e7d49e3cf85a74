package bucket

import (
	"context"
	"errors"
	"time"

	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// NewBucket asks for a bucket.
type NewBucket struct {
	AccountID string
	Name      string
	// Backend is the default one when empty.
	Backend           string
	CustomerReference string
	// Labels are the owner's own; the backend does not know them.
	Labels map[string]string
	Spec   Spec
	// CORSRules is how many rules for other origins were asked for.
	CORSRules int
}

// Create makes a bucket. A name that exists, under whatever tenant, is ErrNameTaken.
func (s *Service) Create(ctx context.Context, in NewBucket) (Done, error) {
	in.Spec = in.Spec.Normal()
	if err := CheckName("name", in.Name); err != nil {
		return Done{}, err
	}
	if err := CheckSpec(in.Spec); err != nil {
		return Done{}, err
	}
	backend, err := s.Backends.Backend(in.Backend)
	if err != nil {
		return Done{}, err
	}
	in.Backend = backend.Name
	// Nobody is asked within a transaction.
	refusal := unsupported(ctx, backend, asked{spec: in.Spec, cors: in.CORSRules})
	return s.introduce(ctx, in.AccountID, func(ctx context.Context, tx Tx) (Bucket, *previous, error) {
		if refusal != nil {
			return Bucket{}, nil, refusal
		}
		if err := s.Quota.Admit(ctx, tx.Quotas, in.AccountID, quota.Buckets); err != nil {
			return Bucket{}, nil, err
		}
		b, err := s.reserve(ctx, tx, in)
		return b, nil, err
	})
}

// introduce makes a change after which the account's keys reach one bucket more, which want
// records in T1; back is what it goes back to when it is given up.
func (s *Service) introduce(
	ctx context.Context, accountID string, want func(ctx context.Context, tx Tx) (b Bucket, back *previous, err error),
) (Done, error) {
	window := s.Runner.Window(ctx)
	var begun change.Begun
	var b Bucket
	var replay *Done
	err := s.Store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		var back *previous
		var err error
		if replay, err = again(ctx, tx); err != nil || replay != nil {
			return err
		}
		if b, back, err = want(ctx, tx); errors.Is(err, ErrNameTaken) {
			// Perhaps by this very call, which came twice at once: the other one is committed by now.
			if replay, err = again(ctx, tx); err == nil && replay == nil {
				err = ErrNameTaken
			}
			return err
		}
		if err != nil {
			return err
		}
		if begun, err = s.begin(ctx, tx, &b, back, window); err != nil {
			return err
		}
		_, err = tx.Access.Touch(ctx, b.AccountID, b.Backend, window.Lease)
		return err
	})
	if err != nil {
		return Done{}, err
	}
	if replay != nil {
		return *replay, nil
	}
	return s.run(ctx, begun, b)
}

// reserve takes the name: with a new row, or with the one that is still kept for this
// account because the name was not yet let go.
func (s *Service) reserve(ctx context.Context, tx Tx, in NewBucket) (Bucket, error) {
	now := s.Clock.Now()
	b := Bucket{
		ID: id.New("bkt", now), AccountID: in.AccountID, Backend: in.Backend, Name: in.Name,
		CustomerReference: in.CustomerReference, Labels: in.Labels, Spec: in.Spec,
		Desired: Present, State: Creating, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	reserved, err := tx.Buckets.Reserve(ctx, b)
	if err != nil || reserved {
		return b, err
	}
	kept, ok, err := tx.Buckets.ByName(ctx, in.AccountID, in.Name)
	switch {
	case err != nil:
		return Bucket{}, err
	case !ok || kept.Visible() || kept.Backend != in.Backend:
		return Bucket{}, ErrNameTaken
	}
	kept.CustomerReference, kept.Labels, kept.Spec, kept.CreatedAt, kept.UpdatedAt = in.CustomerReference, in.Labels, in.Spec, now, now
	kept.Desired, kept.State, kept.SightedAt = Present, Creating, time.Time{}
	kept.Version, err = tx.Buckets.Save(ctx, kept)
	return kept, err
}
