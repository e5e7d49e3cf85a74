package accesskey

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// lateExpiry is how much later than asked for a key may end: a backend takes no expiry
// nearer than a quarter of an hour, also of a key that is made late.
const lateExpiry = minLifetime + time.Minute

// job is one attempt to bring a backend to what is recorded.
type job struct {
	key AccessKey
	// operation is the open one; nil when there is none.
	operation *operation.Operation
	lease     reconcile.Lease
	// strays is where the credentials stand that are a user by themselves.
	strays Strays
	// background says that the reconciler acts, not the call itself.
	background bool

	// began is when the attempt began: what had come by then it has seen to.
	began time.Time
	// found is what was different at the first look.
	found []drift.Difference
	// acted says that the backend was changed.
	acted bool
	// formerGone says that the credentials before the last rotation are gone from the backend.
	formerGone bool
	// lost says that the key is not there and cannot be made again.
	lost bool
}

// converge brings the backend to what is wanted. It is the same for the call itself and
// for the reconciler, and may be repeated and broken off anywhere.
func (s *Service) converge(ctx context.Context, j *job) error {
	j.began = s.Clock.Now()
	if j.background && j.key.toldOnce(j.operation) {
		return errNobodysSecret
	}
	keys, err := s.Backends.Keys(j.key.Backend)
	if err != nil {
		return err
	}
	if j.strays, err = s.Backends.Strays(j.key.Backend); err != nil {
		return err
	}
	switch {
	case j.key.Adopting && j.key.Desired == Absent:
		return s.putBack(ctx, j, keys)
	case j.key.State == Deleting:
		return s.switchOff(ctx, j, keys)
	case j.key.Desired == Absent || j.key.expired(s.Clock.Now()):
		return s.remove(ctx, j, keys)
	default:
		return s.make(ctx, j, keys)
	}
}

// make makes the key, or brings the one that is there to what is wanted.
func (s *Service) make(ctx context.Context, j *job, keys Keys) error {
	identity, err := s.Principals.Identity(ctx, j.key.AccountID, j.key.Backend)
	if err != nil {
		return err
	}
	if j.key.Holder != "" {
		identity.User = j.key.Holder // which the identity has seen to
	}
	if j.key.KeyID == j.key.Solo {
		err = s.bringUser(ctx, j)
	} else {
		err = s.bring(ctx, j, keys, identity)
	}
	if err != nil || j.lost {
		return err
	}
	if j.operation != nil && j.key.Secret != "" && !j.key.Disabled {
		if err := s.try(ctx, j, keys); err != nil {
			return err
		}
	}
	return s.former(ctx, j, keys, identity.User)
}

// bring brings the key under its user to what is wanted.
func (s *Service) bring(ctx context.Context, j *job, keys Keys, identity principal.Principal) error {
	had, err := keys.ObserveKey(ctx, j.key.KeyID)
	if err != nil {
		return err
	}
	j.found, err = differences(j.key, had, identity.User)
	switch {
	case err != nil:
		return err
	case !had.Exists && j.key.Adopting:
		return ErrNothingToAdopt
	case had.Exists && had.User != identity.User:
		// Somebody removed ours and put another one there. It is never touched.
		j.lost = true
		if j.operation != nil {
			return errForeign
		}
		return nil
	case len(j.found) > 0:
		return s.write(ctx, j, keys, identity, had.Exists)
	}
	return nil
}

// write puts the key as it is wanted: whole while we have its secret, without it after.
func (s *Service) write(ctx context.Context, j *job, keys Keys, identity principal.Principal, exists bool) error {
	revision, err := j.key.revision(!j.key.Disabled)
	if err != nil {
		return err
	}
	if j.key.Secret != "" {
		j.acted = true
		err := keys.PutKey(ctx, principal.KeySpec{
			User: identity.User, ID: j.key.KeyID, Secret: j.key.Secret, Policy: revision.Policy,
			ExpireTime: j.key.ExpireTime, Description: "primecloud " + j.key.ID,
		})
		if err == nil && j.key.Disabled {
			_, err = keys.ReviseKey(ctx, revision) // it is made switched on
		}
		return err
	}
	if exists {
		j.acted = true
		exists, err = keys.ReviseKey(ctx, revision)
	}
	j.lost = !exists && err == nil
	return err
}

// try uses the new key on one of its buckets before anybody else does.
func (s *Service) try(ctx context.Context, j *job, keys Keys) error {
	err := keys.TryKey(ctx, j.key.tryOn())
	switch {
	case err == nil, errors.Is(err, errBucketVanished):
		// Whoever hears that the bucket is gone was let in.
		return nil
	case errs.KindOf(err) == errs.FailedPrecondition:
		// The account's identity may have been changed behind our back: the end of this
		// attempt has it looked at.
		return errUntried.Wrap(err)
	default:
		return err
	}
}

// tryOn returns how to try the key.
func (k AccessKey) tryOn() Trial {
	on := k.trial
	for _, g := range k.Grants {
		if on.Bucket == "" && !policy.IsPattern(g.Bucket) {
			on = g
		}
	}
	trial := Trial{ID: k.KeyID, Secret: k.Secret, Bucket: on.Bucket, Prefix: on.Prefix, Lists: on.Permission.Lists()}
	if len(k.Networks) > 0 {
		if network, err := netip.ParsePrefix(k.Networks[0]); err == nil {
			trial.Address = network.Addr().String()
		}
	}
	return trial
}

// errBucketVanished is what a backend answers about a bucket that is not there.
var errBucketVanished = errs.New(errs.Aborted, "BUCKET_CONFLICT", "")

// revision returns what the key is to be, without its secret.
func (k AccessKey) revision(enabled bool) (Revision, error) {
	if k.Holder != "" {
		return Revision{ID: k.KeyID, Policy: policy.Held(), Enabled: enabled, ExpireTime: k.ExpireTime}, nil
	}
	document, err := policy.Inline(k.scope())
	if err != nil {
		return Revision{}, fmt.Errorf("write the policy of %s: %w", k.ID, err)
	}
	return Revision{ID: k.KeyID, Policy: document, Enabled: enabled, ExpireTime: k.ExpireTime}, nil
}

// differences lists in words how the observed key is not the recorded one.
func differences(k AccessKey, o principal.Key, user string) ([]drift.Difference, error) {
	if !o.Exists {
		return []drift.Difference{{Kind: drift.Missing, Desired: "present", Observed: "absent"}}, nil
	}
	want, err := k.revision(true)
	if err != nil {
		return nil, err
	}
	var found []drift.Difference
	if o.User != user {
		found = append(found, drift.Differs("user", "the account's own", "another"))
	}
	if o.Enabled == k.Disabled {
		found = append(found, drift.Differs("enabled", onOff(!k.Disabled), onOff(o.Enabled)))
	}
	if !policy.Same(want.Policy, o.Policy) {
		found = append(found, drift.Differs("grants", "as recorded", "other"))
	}
	if !expiryMet(k.ExpireTime, o.ExpireTime) {
		found = append(found, drift.Differs("expire_time", inTime(k.ExpireTime), inTime(o.ExpireTime)))
	}
	return found, nil
}

func expiryMet(want, have time.Time) bool {
	if want.IsZero() || have.IsZero() {
		return want.IsZero() && have.IsZero()
	}
	late := have.Sub(want)
	return late > -time.Second && late < lateExpiry
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func inTime(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
