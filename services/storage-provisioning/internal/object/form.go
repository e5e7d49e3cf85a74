package object

import (
	"context"
	"errors"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// maxForm is the largest file of a form, in bytes.
const maxForm = 5 << 30

// NewForm asks for a form.
type NewForm struct {
	AccountID, Bucket string
	// Key is exact; without one, Prefix is what keys must begin with.
	Key, Prefix string
	// ContentType must be declared; empty for any.
	ContentType string
	// Min and Max bound the file, in bytes; Max is maxForm when zero.
	Min, Max int64
	// Lifetime is DefaultLifetime when zero.
	Lifetime time.Duration
}

// url is what a form has in common with a URL.
func (in NewForm) url() NewURL {
	key := in.Key
	if key == "" {
		key = in.Prefix
	}
	return NewURL{AccountID: in.AccountID, Bucket: in.Bucket, Key: key, ContentType: in.ContentType, Lifetime: in.Lifetime}
}

// PresignForm returns a form that puts one object, signed with credentials that can put that
// object, or objects under that prefix, and nothing else; it records who is given it, before.
// A bucket with default retention gets none.
func (s *Service) PresignForm(ctx context.Context, in NewForm) (SignedForm, error) {
	if (in.Key == "") == (in.Prefix == "") {
		return SignedForm{}, invalid("key", "KEY_OR_PREFIX", "give a key or a key_prefix, and not both")
	}
	url := in.url()
	if err := url.check(); err != nil {
		return SignedForm{}, err
	}
	declared := in.Max != 0
	if !declared {
		in.Max = maxForm
	}
	if in.Min < 0 || in.Max < in.Min || in.Max > maxForm {
		return SignedForm{}, invalid("max_size_bytes", "RANGE", "must lie between min_size_bytes and 5 GiB")
	}
	at, err := s.enter(ctx, in.AccountID, in.Bucket, []string{url.Key}, grant.Upload)
	if err != nil {
		return SignedForm{}, err
	}
	// MinIO gives an object by form no default retention, whereas every other upload gets it.
	if at.bucket.Spec.Lock.Mode != "" {
		return SignedForm{}, invalid("bucket", "DEFAULT_RETENTION", "has default retention, which an upload by form would not get; use PresignUpload")
	}
	scope := Scope{Login: at.login()}
	if in.Key != "" {
		scope, err = at.scopeOf(in.Key)
	} else {
		scope.Policy, err = policy.UploadUnder(in.Bucket, in.Prefix)
		switch {
		case errors.Is(err, policy.ErrTooLong):
			err = errTooLong(err)
		case err != nil:
			err = errNotExact(err)
		}
	}
	if err != nil {
		return SignedForm{}, err
	}
	coming := quota.Upload{AccountID: in.AccountID, BucketID: at.bucket.ID, Key: in.Key + in.Prefix, Lifetime: url.lifetime()}
	if declared {
		coming.Size = &in.Max
	}
	var signed SignedForm
	err = s.reserving(ctx, coming, func() error {
		if signed, err = at.Forms.PresignForm(ctx, Form{
			Scope: scope, Bucket: in.Bucket, Key: in.Key, Prefix: in.Prefix, ContentType: in.ContentType,
			Min: in.Min, Max: in.Max, Lifetime: url.lifetime(),
		}); err != nil {
			return err
		}
		return s.Trail.Record(ctx, audit.Entry{
			AccountID: in.AccountID, Action: "object.presign_post", Severity: audit.Info, Outcome: audit.Succeeded,
			Target: audit.Target{Kind: bucket.Kind, ID: at.bucket.ID, Name: at.bucket.Name},
			After:  map[string]any{"key": in.Key, "key_prefix": in.Prefix, "max_size_bytes": in.Max, "lifetime": url.lifetime().String()},
		})
	})
	if err != nil {
		return SignedForm{}, err
	}
	return signed, nil
}
