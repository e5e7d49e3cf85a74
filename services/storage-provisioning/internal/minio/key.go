package minio

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// The server takes an expiry between 15 minutes and 365 days ahead, and answers another
// one as if it were in trouble. A key that was asked for in time but is made late, after a
// crash, gets the nearest one instead of none.
const (
	nearestExpiry  = 15 * time.Minute
	farthestExpiry = 365 * 24 * time.Hour
	expiryMargin   = 5 * time.Second
)

// ObserveKey returns the key as it is; an absent one is no error. One that exists takes a
// tenth of a second: the server seals its answer with Argon2.
func (b *Backend) ObserveKey(ctx context.Context, id string) (principal.Key, error) {
	return value(ctx, b, "ObserveKey", func(ctx context.Context) (principal.Key, error) {
		return b.observeKey(ctx, id)
	})
}

// observeKey asks within a request of its own, so that an absent key does not end the call.
func (b *Backend) observeKey(ctx context.Context, id string) (principal.Key, error) {
	var found madmin.InfoServiceAccountResp
	err := b.request(ctx, func(ctx context.Context) (err error) {
		found, err = b.admin.InfoServiceAccount(ctx, id)
		return err
	})
	if errors.Is(err, errAbsent) {
		return principal.Key{}, nil
	}
	if err != nil {
		return principal.Key{}, err
	}
	key := principal.Key{Exists: true, Enabled: found.AccountStatus == "on", User: found.ParentUser}
	if !found.ImpliedPolicy {
		key.Policy = []byte(found.Policy)
	}
	if found.Expiration != nil {
		key.ExpireTime = found.Expiration.UTC()
	}
	return key, nil
}

// PutKey makes the key, or brings an existing one of the same user to the spec, secret
// included. An id that another user holds is BACKEND_REJECTED.
func (b *Backend) PutKey(ctx context.Context, spec principal.KeySpec) error {
	return b.call(ctx, "PutKey", func(ctx context.Context) error {
		if len(spec.Policy) == 0 {
			// Without one, the key could do what its user can.
			return errRejected.WithMessage("a key needs a policy")
		}
		had, err := b.observeKey(ctx, spec.ID)
		if err != nil {
			return err
		}
		if had.Exists && had.User != spec.User {
			return errRejected.WithMessage("the key's id belongs to somebody else")
		}
		expiry, err := expiryOf(spec.ExpireTime)
		if err != nil {
			return err
		}
		if b.confidential {
			err := b.importIAM(ctx, importKeys, map[string]any{spec.ID: madmin.SRSvcAccCreate{
				Parent: spec.User, AccessKey: spec.ID, SecretKey: spec.Secret, SessionPolicy: spec.Policy,
				Status: "on", Description: spec.Description, Expiration: expiry,
			}})
			if !errors.Is(err, errNotTaken) {
				return err
			}
		}
		if had.Exists {
			// Changing it could not take an expiry away.
			if err := b.removeKey(ctx, spec.ID); err != nil {
				return err
			}
		}
		_, err = b.admin.AddServiceAccount(ctx, madmin.AddServiceAccountReq{
			TargetUser: spec.User, AccessKey: spec.ID, SecretKey: spec.Secret, Policy: spec.Policy,
			Description: spec.Description, Expiration: expiry,
		})
		return err
	})
}

// expiryOf returns the expiry to ask for; nil for never.
func expiryOf(wanted time.Time) (*time.Time, error) {
	if wanted.IsZero() {
		return nil, nil //nolint:nilnil // never is what the server's own type calls nil
	}
	now := time.Now()
	if wanted.After(now.Add(farthestExpiry)) {
		return nil, errRejected.WithMessage("the storage backend takes no key that lives longer than 365 days")
	}
	if nearest := now.Add(nearestExpiry + expiryMargin); wanted.Before(nearest) {
		wanted = nearest
	}
	return &wanted, nil
}

// RemoveKey removes the key; an absent one is no error.
func (b *Backend) RemoveKey(ctx context.Context, id string) error {
	return b.call(ctx, "RemoveKey", func(ctx context.Context) error {
		return b.removeKey(ctx, id)
	})
}

func (b *Backend) removeKey(ctx context.Context, id string) error {
	err := b.request(ctx, func(ctx context.Context) error { return b.admin.DeleteServiceAccount(ctx, id) })
	if errors.Is(err, errAbsent) {
		return nil
	}
	return err
}

// nowhere is asked about with a key that has no bucket yet.
const nowhere = accesskey.Nowhere

// TryKey uses a key as its owner would: it lists a name, or asks for the location of a
// bucket, which every grant allows. A key that does not work there is BACKEND_REJECTED. The
// server behind the door believes whom we name as the client, so that a key bound to
// networks is tried as from there.
func (b *Backend) TryKey(ctx context.Context, trial accesskey.Trial) error {
	err := b.call(ctx, "TryKey", func(ctx context.Context) error {
		// Without a region, lest the client answer by itself.
		client, err := minio.New(b.s3.EndpointURL().Host, &minio.Options{
			Creds: credentials.NewStaticV4(trial.ID, trial.Secret, ""), Secure: b.s3.EndpointURL().Scheme == "https",
			Transport: from{base: b.http.Transport, address: trial.Address}, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
		})
		if err != nil {
			return errRejected.WithMessage("the key cannot be tried").Wrap(err)
		}
		if trial.Lists && trial.Prefix != "" {
			// Where nothing is, so that one answer is all there is.
			for _, err := range listed(ctx, client, trial.Bucket, minio.ListObjectsOptions{Prefix: trial.Prefix + nowhere + "/"}) {
				if err != nil {
					return err
				}
			}
			return nil
		}
		bucket := trial.Bucket
		if bucket == "" {
			bucket = nowhere
		}
		_, err = client.GetBucketLocation(ctx, bucket)
		return err
	})
	if t, ok := errors.AsType[*trouble](err); ok && trial.Bucket == "" && t.code == "AccessDenied" {
		return nil // the server knows the key, and what it was not granted
	}
	return err
}

// from is a transport that names the client's address.
type from struct {
	base    http.RoundTripper
	address string
}

func (f from) RoundTrip(req *http.Request) (*http.Response, error) {
	if f.address == "" {
		return f.base.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	req.Header.Set("X-Forwarded-For", f.address) // not signed
	return f.base.RoundTrip(req)
}

// RemoveHolder removes a user with its policy, if they are there. It looks first: what is
// gone costs no write.
func (b *Backend) RemoveHolder(ctx context.Context, user, policy string) (existed bool, err error) {
	return value(ctx, b, "RemoveHolder", func(ctx context.Context) (bool, error) {
		existed := false
		for _, part := range []struct{ look, remove func(context.Context) error }{
			{
				look:   func(ctx context.Context) error { _, err := b.admin.GetUserInfo(ctx, user); return err },
				remove: func(ctx context.Context) error { return b.admin.RemoveUser(ctx, user) },
			},
			{
				look:   func(ctx context.Context) error { _, err := b.admin.InfoCannedPolicyV2(ctx, policy); return err },
				remove: func(ctx context.Context) error { return b.admin.RemoveCannedPolicy(ctx, policy) },
			},
		} {
			err := b.request(ctx, part.look)
			if err == nil {
				existed = true
				err = b.request(ctx, part.remove)
			}
			if err != nil && !errors.Is(err, errAbsent) {
				return existed, err
			}
		}
		return existed, nil
	})
}

// ReviseKey changes a key without its secret; an absent one is no error. The policy is
// always sent: a change without one would take the key's policy away, and with it every
// bound but its user's. Like all that is sealed, it takes a tenth of a second.
func (b *Backend) ReviseKey(ctx context.Context, revision accesskey.Revision) (exists bool, err error) {
	err = b.call(ctx, "ReviseKey", func(ctx context.Context) error {
		if len(revision.Policy) == 0 {
			return errRejected.WithMessage("a key needs a policy")
		}
		expiry, err := expiryOf(revision.ExpireTime)
		if err != nil {
			return err
		}
		if expiry == nil {
			// Nothing would leave it as it is; the zero time takes it away.
			expiry = &time.Time{}
		}
		status := "off"
		if revision.Enabled {
			status = "on"
		}
		return b.admin.UpdateServiceAccount(ctx, revision.ID, madmin.UpdateServiceAccountReq{
			NewPolicy: revision.Policy, NewStatus: status, NewExpiration: expiry,
		})
	})
	if errors.Is(err, errAbsent) {
		return false, nil
	}
	return err == nil, err
}
