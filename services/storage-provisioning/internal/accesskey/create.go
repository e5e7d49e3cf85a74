package accesskey

import (
	"context"
	"encoding/json"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// NewAccessKey asks for a key.
type NewAccessKey struct {
	AccountID         string
	DisplayName       string
	CustomerReference string
	Grants            []policy.Grant
	// Networks are where it may be used from; none for anywhere.
	Networks []string
	// Backend is where it works, if no grant says so.
	Backend string
	// ExpireTime is zero for never.
	ExpireTime time.Time
}

// Create makes a key on the backend of its buckets and returns it with its secret.
func (s *Service) Create(ctx context.Context, in NewAccessKey) (Done, error) {
	now := s.Clock.Now()
	if err := in.check(); err != nil {
		return Done{}, err
	}
	var err error
	if in.Networks, err = spellNetworks(in.Networks); err != nil {
		return Done{}, err
	}
	window := s.Runner.Window(ctx)
	var begun change.Begun
	var k AccessKey
	var replay *operation.Operation
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
		if err := s.Quota.Admit(ctx, tx.Quotas, in.AccountID, quota.AccessKeys); err != nil {
			return err
		}
		if k, err = s.insert(ctx, tx, in, now); err != nil {
			return err
		}
		if k.Holder != "" {
			// Its user and policy belong to the account's identity.
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
		return s.created(ctx, *replay)
	default:
		return s.run(ctx, begun, k)
	}
}

func (s *Service) insert(ctx context.Context, tx Tx, in NewAccessKey, now time.Time) (AccessKey, error) {
	buckets, err := tx.Keys.Buckets(ctx, named(in.Grants))
	if err != nil {
		return AccessKey{}, err
	}
	backend, err := backendOf(in.Grants, buckets, in.Backend)
	if err != nil {
		return AccessKey{}, err
	}
	if backend, err = s.Backends.Name(backend); err != nil {
		return AccessKey{}, err
	}
	k := newAccessKey(now)
	k.AccountID, k.Backend, k.DisplayName, k.CustomerReference = in.AccountID, backend, in.DisplayName, in.CustomerReference
	k.Grants, k.Networks, k.ExpireTime = in.Grants, in.Networks, in.ExpireTime
	if policy.NeedsHolder(k.scope()) {
		k.Holder = newHolder()
	}
	k.trial = trialOf(in.Grants, buckets, backend)
	k.SecretUntil = now.Add(operation.Window)
	return k, tx.Keys.Insert(ctx, k)
}

// created returns what the call of a succeeded creation returned, secret included as long
// as it is kept.
func (s *Service) created(ctx context.Context, o operation.Operation) (Done, error) {
	k, _, ok, err := s.Store.Load(ctx, AccessKey{ID: o.Resource.ID, AccountID: o.AccountID}.Ref())
	if err != nil {
		return Done{}, err
	}
	// A rotation since has put another secret in the place of this call's.
	others := k.SecretGeneration != o.Generation && (k.SecretGeneration != 0 || o.Previous != nil)
	if !ok || !k.Visible() || k.Secret == "" || others || !k.SecretUntil.After(s.Clock.Now()) {
		return Done{}, ErrSecretGone
	}
	// Somebody sees the secret once more, which whoever looks for a leak must find.
	err = s.Store.InAccount(ctx, k.AccountID, func(ctx context.Context, tx Tx) error {
		return tx.Record.Audit(ctx, audit.Entry{
			AccountID: k.AccountID, Action: Kind + ".show_secret", Severity: audit.Notice, Outcome: audit.Succeeded, Target: target(k),
		})
	})
	if err != nil {
		return Done{}, err
	}
	return Done{AccessKey: k, OperationID: o.ID}, nil
}

// begin writes the T1 of a change of the key as it now is wanted.
func (s *Service) begin(ctx context.Context, tx Tx, k *AccessKey, back []byte, window change.Window) (change.Begun, error) {
	entry := audit.Entry{
		Action: Kind + "." + k.verb(k.State), Severity: audit.Notice, Target: target(*k), AccountID: k.AccountID, After: described(*k),
	}
	if k.State == Deleting {
		entry.Before, entry.After = entry.After, nil
	}
	begun, err := s.Runner.Begin(ctx, tx.Tx, change.Intent{
		Ref: k.Ref(), Backend: k.Backend, Previous: back, Window: window, Audit: entry,
	})
	k.Generation = begun.Operation.Generation
	return begun, err
}

// issues says whether the operation gives out a secret: it made the key, or rotated it. That
// of a key that is adopted is its owner's.
func (k AccessKey) issues(o *operation.Operation) bool {
	if o.Previous == nil {
		return !k.Adopting
	}
	var back previous
	return json.Unmarshal(o.Previous, &back) == nil && back.Change != nil && back.Change.Rotated
}

// toldOnce says whether the operation has a secret that its call alone can hand over.
func (k AccessKey) toldOnce(o *operation.Operation) bool {
	return o != nil && k.issues(o) && !keepsSecret(o)
}

// keepsSecret says whether the secret outlives the creation: somebody may ask for it again.
func keepsSecret(o *operation.Operation) bool { return o != nil && o.IdempotencyKey != "" }
