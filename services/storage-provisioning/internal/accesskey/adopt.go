package accesskey

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// Adoption asks for a key that stands on a backend to be taken over for an account.
type Adoption struct {
	// NewAccessKey is what the key is to be; its backend is the default one when empty.
	NewAccessKey
	// KeyID is its S3 access key id, a secret; empty where DriftID names the finding about it.
	KeyID, DriftID string
	// Reason is why, for the trail.
	Reason string

	// over says that the finding does not stand any more.
	over bool
}

// Adopt takes a key that nobody manages under management for an account. Id and secret stay
// its owner's, and the secret is not known. All else that it was is recorded before anything
// is written, and put back should the adoption be given up; tried again before that is over,
// it goes on with what was found at first.
func (s *Service) Adopt(ctx context.Context, in Adoption) (Done, error) {
	now := s.Clock.Now()
	if err := in.check(); err != nil {
		return Done{}, err
	}
	var err error
	if in.Networks, err = spellNetworks(in.Networks); err != nil {
		return Done{}, err
	}
	if in, err = s.located(ctx, in); err != nil {
		return Done{}, err
	}
	window := s.Runner.Window(ctx)
	var begun change.Begun
	var k AccessKey
	var replay *operation.Operation
	// Before the backend is asked: a repetition is answered also while that is down.
	err = s.Store.InAccount(ctx, in.AccountID, func(ctx context.Context, tx Tx) error {
		o, ok, err := tx.Operations.Replay(ctx)
		if ok {
			replay = &o
		}
		return err
	})
	if err != nil {
		return Done{}, err
	}
	if replay != nil {
		return s.replayed(ctx, in, *replay)
	}
	had, err := s.inspect(ctx, in)
	if err != nil {
		return Done{}, err
	}
	err = s.Store.InAccount(ctx, in.AccountID, func(ctx context.Context, tx Tx) error {
		o, ok, err := tx.Operations.Replay(ctx)
		if err != nil || ok {
			replay = &o
			return err
		}
		// Not before: what was in time then may be too late for its repetition.
		if err := in.checkExpiry(now); err != nil {
			return err
		}
		if in.over {
			return drift.ErrOver
		}
		if k, err = s.takeOver(ctx, tx, in, had); err != nil {
			return err
		}
		if k.Holder != "" {
			if _, err := tx.Access.Touch(ctx, k.AccountID, k.Backend, window.Lease); err != nil {
				return err
			}
		}
		begun, err = s.begin(ctx, tx, &k, nil, window)
		return err
	})
	switch {
	case err != nil:
		return Done{}, err
	case replay != nil:
		return s.replayed(ctx, in, *replay)
	}
	done, err := s.run(ctx, begun, k)
	if err == nil {
		// Should that fail, the next pass over the backend closes the finding.
		_ = s.Runner.Settle(ctx, window, func(ctx context.Context) error { return s.claimed(ctx, in) })
	}
	return done, err
}

// replayed answers a repetition.
func (s *Service) replayed(ctx context.Context, in Adoption, o operation.Operation) (Done, error) {
	k, err := s.Get(ctx, in.AccountID, o.Resource.ID)
	return Done{AccessKey: k, OperationID: o.ID}, err
}

// inspection is what stands on a backend under an access key id.
type inspection struct {
	key  principal.Key
	user principal.User
	// parents says that the user has keys of its own.
	parents bool
	// identity is the account's own there.
	identity principal.Principal
}

// inspect looks at what is to be taken over. It changes nothing.
func (s *Service) inspect(ctx context.Context, in Adoption) (had inspection, err error) {
	keys, err := s.Backends.Keys(in.Backend)
	if err != nil {
		return had, err
	}
	strays, err := s.Backends.Strays(in.Backend)
	if err != nil {
		return had, err
	}
	if had.identity, _, err = s.Principals.Find(ctx, in.AccountID, in.Backend); err != nil {
		return had, err
	}
	// In this order: asked for the key of that id, the backend refuses to speak of a user.
	if had.user, err = strays.ObserveUser(ctx, in.KeyID); err != nil || had.user.Administrator {
		return had, err
	}
	if !had.user.Exists {
		had.key, err = keys.ObserveKey(ctx, in.KeyID)
		return had, err
	}
	under, err := strays.ListKeys(ctx, []string{in.KeyID})
	had.parents = len(under) > 0
	return had, err
}

// takeOver records the key as one that is being adopted, with how it was found; or has one
// whose adoption was given up, and that is not put back yet, be adopted after all.
func (s *Service) takeOver(ctx context.Context, tx Tx, in Adoption, had inspection) (AccessKey, error) {
	kept, ok, err := tx.Adoptions.Holding(ctx, in.AccountID, in.Backend, in.KeyID)
	again := ok && kept.Adopting && kept.Desired == Absent
	switch {
	case err != nil:
		return AccessKey{}, err
	case ok && !again:
		return AccessKey{}, ErrTaken
	case again:
		err = had.loose()
	default:
		err = in.judge(had)
	}
	if err != nil {
		return AccessKey{}, err
	}
	ended, err := tx.Standings.Ended(ctx, in.AccountID)
	switch {
	case err != nil:
		return AccessKey{}, err
	case ended:
		return AccessKey{}, errAdoptionUnsupported.WithMessage("the account is closed; name another one")
	}
	buckets, err := tx.Keys.Buckets(ctx, named(in.Grants))
	if err != nil {
		return AccessKey{}, err
	}
	if _, err := backendOf(in.Grants, buckets, in.Backend); err != nil {
		return AccessKey{}, err
	}
	if err := s.Quota.Admit(ctx, tx.Quotas, in.AccountID, quota.AccessKeys); err != nil {
		return AccessKey{}, err
	}
	k := kept
	if !again {
		k = in.found(had, s.Clock.Now())
	}
	k.DisplayName, k.CustomerReference, k.Grants = in.DisplayName, in.CustomerReference, in.Grants
	k.Networks, k.ExpireTime, k.note = in.Networks, in.ExpireTime, in.Reason
	if k.Holder == "" && policy.NeedsHolder(k.scope()) {
		return AccessKey{}, ErrKindFixed
	}
	if again {
		k.Desired, k.State, k.SightedAt, k.UpdatedAt = Present, Creating, time.Time{}, s.Clock.Now()
		k.Version, err = tx.Keys.Save(ctx, k)
		return k, err
	}
	reserved, err := tx.Adoptions.Reserve(ctx, k)
	if err == nil && !reserved {
		err = ErrTaken
	}
	return k, err
}

// found returns a key for what was found.
func (in Adoption) found(had inspection, now time.Time) AccessKey {
	k := newAccessKey(now)
	k.AccountID, k.Backend, k.KeyID, k.Secret = in.AccountID, in.Backend, in.KeyID, ""
	k.Adopted, k.Adopting = true, true
	if had.key.Exists {
		k.Found = Found{Policy: had.key.Policy, Enabled: had.key.Enabled, ExpireTime: had.key.ExpireTime}
		k.Disabled = !had.key.Enabled
		return k
	}
	k.Found = Found{Policies: had.user.Policies, Enabled: had.user.Enabled}
	k.Solo, k.Holder = in.KeyID, newHolder()
	return k
}

// Names that only we give, whoever's they are now.
var (
	ownUser   = regexp.MustCompile(`^pc[uh][0-9a-f]{20}$`)
	ownReader = regexp.MustCompile(`^PCR[0-9A-F]{16}$`)
)

const (
	// ownHolder begins the names of keys' own users.
	ownHolder = "pch"
	// ownPolicies begins the names of policies that we write, ownKeys those of single keys.
	ownPolicies = "primecloud-"
	ownKeys     = ownPolicies + "key_"
)

// judge says why what stands on the backend cannot be the account's key. No message names it.
func (in Adoption) judge(had inspection) error {
	ours := func(policy string) bool { return strings.HasPrefix(policy, ownPolicies) }
	ofKey := func(policy string) bool { return strings.HasPrefix(policy, ownKeys) }
	switch {
	case had.key.Exists && (had.key.User != had.identity.User || had.identity.User == ""):
		return errAdoptionUnsupported.WithMessage("the key is a service account of another user than the account's own; make a new key")
	case had.key.Exists && ownReader.MatchString(in.KeyID):
		return errAdoptionUnsupported.WithMessage("the key is one that this service signs with")
	case had.key.Exists:
		return nil
	case !had.user.Exists:
		return ErrNothingToAdopt
	case had.user.Administrator:
		return errAdoptionUnsupported.WithMessage("the key is the backend's administrator")
	case ownUser.MatchString(in.KeyID):
		return errAdoptionUnsupported.WithMessage("the user is one that this service has made, and is no key of its own")
	case slices.ContainsFunc(had.user.Policies, ofKey):
		return ErrTaken // for an account that we do not see from here
	case slices.ContainsFunc(had.user.Policies, ours):
		return errAdoptionUnsupported.WithMessage("the user has a policy of this service's; detach it on the backend first")
	case !had.user.Enabled:
		return errAdoptionUnsupported.WithMessage("the user is switched off on the backend; switch it on there first")
	}
	return had.loose()
}

// loose says why a user cannot be held to a key's grants, at the first try or at a later one.
func (had inspection) loose() error {
	switch {
	case len(had.user.Groups) > 0:
		return errAdoptionUnsupported.WithMessage("the user is in a group, whose policies would go past the key's grants; take it out first")
	case had.parents:
		return errAdoptionUnsupported.WithMessage("the user has service accounts, which would go on as credentials of nobody's; remove them first")
	}
	return nil
}
