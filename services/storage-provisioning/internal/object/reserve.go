package object

import (
	"context"
	"errors"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// reservedPart is what is reserved for each part of an upload, whose size nobody declares:
// what most clients use.
const reservedPart = 8 << 20

// copyLifetime is how long what a copy brings is reserved, unless it is measured before.
const copyLifetime = time.Hour

// reserving counts what is about to be written at a key against the account's quota, and takes
// that back when it did not come to be.
func (s *Service) reserving(ctx context.Context, u quota.Upload, do func() error) error {
	reserved, err := s.Quota.Reserve(ctx, u)
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return errors.Join(err, s.Quota.Release(ctx, reserved))
	}
	return nil
}

// coming is what the way brings to its end.
func (w way) coming() quota.Upload {
	return quota.Upload{
		AccountID: w.AccountID, BucketID: w.to.bucket.ID, Key: w.ToKey, Size: &w.object.Size, Lifetime: copyLifetime,
	}
}
