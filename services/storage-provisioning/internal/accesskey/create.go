package accesskey

import (
	"context"
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
	// ExpireTime is zero for never.
	ExpireTime time.Time
}

// Create makes a key on the backend of its buckets and returns it with its secret.
func (s *Service) Create(ctx context.Context, in NewAccessKey) (Done, error) {
	now := s.Clock.Now()
	if err := in.check(); err != nil {
		return Done{}, err
	}
	window := s.Runner.Window(ctx)
	var begun change.Begun
	var k AccessKey
	var replay *operation.Operation
	err := s.Store.InAccount(ctx, in.AccountID, func(ctx context.Context, tx Tx) error {
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
	names := make([]string, 0, len(in.Grants))
	for _, g := range in.Grants {
		names = append(names, g.Bucket)
	}
	buckets, err := tx.Keys.Buckets(ctx, names)
	if err != nil {
		return AccessKey{}, err
	}
	backend, err := backendOf(in.Grants, buckets)
	if err != nil {
		return AccessKey{}, err
	}
	if _, err := s.Backends.Keys(backend); err != nil {
		return AccessKey{}, err
	}
	k := newAccessKey(now)
	k.AccountID, k.Backend, k.DisplayName, k.CustomerReference = in.AccountID, backend, in.DisplayName, in.CustomerReference
	k.Grants, k.ExpireTime = in.Grants, in.ExpireTime
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
	if !ok || !k.Visible() || k.Secret == "" || !k.SecretUntil.After(s.Clock.Now()) {
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
		Action: Kind + "." + verbOf(k.State), Severity: audit.Notice, Target: target(*k), AccountID: k.AccountID, After: described(*k),
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

// keepsSecret says whether the secret outlives the creation: somebody may ask for it again.
func keepsSecret(o *operation.Operation) bool { return o != nil && o.IdempotencyKey != "" }
