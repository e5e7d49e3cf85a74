package accesskey

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// Which names a key and what its caller has seen of it.
type Which struct {
	AccountID, ID string
	// ETag is what the caller has seen; empty for anything.
	ETag string
}

// Changes are the new values of what is to change; nil leaves it.
type Changes struct {
	DisplayName       *string
	CustomerReference *string
	Grants            *[]policy.Grant
	Networks          *[]string
	// ExpireTime is zero for never.
	ExpireTime *time.Time
}

// NotUpdatable refuses a field of an update mask.
func NotUpdatable(field string) error {
	return errs.New(errs.InvalidArgument, "FIELD_NOT_UPDATABLE", "the field cannot be changed").WithViolation(errs.Violation{
		Field: "update_mask", Rule: "FIELD_NOT_UPDATABLE",
		Description: field + " cannot be changed; display_name, customer_reference, grants, networks and expire_time can",
	})
}

// Update changes a key. Its credentials stay.
func (s *Service) Update(ctx context.Context, w Which, changes Changes) (Done, error) {
	return s.change(ctx, w, "update", func(ctx context.Context, tx Tx, k *AccessKey) error {
		return s.apply(ctx, tx, k, changes)
	})
}

// Disable switches a key off: when it returns without an error, the backend refuses its
// credentials.
func (s *Service) Disable(ctx context.Context, w Which) (Done, error) {
	return s.turn(ctx, w, "disable")
}

// Enable switches a key on again.
func (s *Service) Enable(ctx context.Context, w Which) (Done, error) { return s.turn(ctx, w, "enable") }

func (s *Service) turn(ctx context.Context, w Which, verb string) (Done, error) {
	return s.change(ctx, w, verb, func(_ context.Context, _ Tx, k *AccessKey) error {
		k.Disabled = verb == "disable"
		return nil
	})
}

// before is what an abandoned change goes back to, and what it was. It has no secret in it.
type before struct {
	Verb              string         `json:"verb"`
	DisplayName       string         `json:"display_name"`
	CustomerReference string         `json:"customer_reference"`
	Grants            []policy.Grant `json:"grants"`
	Networks          []string       `json:"networks"`
	ExpireTime        time.Time      `json:"expire_time"`
	Disabled          bool           `json:"disabled"`
	// Rotated says that it was a rotation, HadFormer that there were credentials of an earlier
	// one, until FormerEnd: the last of the doomed.
	Rotated   bool      `json:"rotated"`
	HadFormer bool      `json:"had_former"`
	FormerEnd time.Time `json:"former_end"`
}

func beforeOf(verb string, k AccessKey) *before {
	return &before{
		Verb: verb, DisplayName: k.DisplayName, CustomerReference: k.CustomerReference, Grants: k.Grants, Networks: k.Networks,
		ExpireTime: k.ExpireTime, Disabled: k.Disabled,
		Rotated: verb == rotateVerb, HadFormer: k.FormerKeyID != "", FormerEnd: k.FormerEnd,
	}
}

// restore puts the values back.
func (p previous) restore(k *AccessKey) {
	b := p.Change
	if b == nil {
		return
	}
	k.DisplayName, k.CustomerReference, k.Grants, k.Networks = b.DisplayName, b.CustomerReference, b.Grants, b.Networks
	k.ExpireTime, k.Disabled = b.ExpireTime, b.Disabled
	if b.Rotated {
		k.unrotate(*b)
	}
}

// actionOf names what is being done, for the trail.
func (k AccessKey) actionOf(was State, o *operation.Operation) string {
	var back previous
	if was == Updating && o != nil && json.Unmarshal(o.Previous, &back) == nil && back.Change != nil {
		return back.Change.Verb
	}
	return k.verb(was)
}

// change runs a change of a key, which mutate makes in T1.
func (s *Service) change(ctx context.Context, w Which, verb string, mutate func(context.Context, Tx, *AccessKey) error) (Done, error) {
	window := s.Runner.Window(ctx)
	var begun change.Begun
	var k AccessKey
	var replay *operation.Operation
	err := s.Store.InAccount(ctx, w.AccountID, func(ctx context.Context, tx Tx) error {
		o, ok, err := tx.Operations.Replay(ctx)
		if err != nil || ok {
			replay = &o
			return err
		}
		was, err := s.owned(ctx, tx, w)
		if err != nil {
			return err
		}
		k = was
		if err := mutate(ctx, tx, &k); err != nil {
			return err
		}
		k.State, k.SightedAt, k.UpdatedAt = Updating, time.Time{}, s.Clock.Now()
		begun, err = s.beginChange(ctx, tx, &k, beginning{verb: verb, was: was, window: window})
		return err
	})
	switch {
	case err != nil:
		return Done{}, err
	case replay != nil && verb == rotateVerb:
		return s.created(ctx, *replay)
	case replay != nil:
		k, err := s.Get(ctx, w.AccountID, w.ID)
		return Done{AccessKey: k, OperationID: replay.ID}, err
	default:
		return s.run(ctx, begun, k)
	}
}

// owned returns the account's key, locked, for a change by somebody who has seen the etag.
func (s *Service) owned(ctx context.Context, tx Tx, w Which) (AccessKey, error) {
	k, ok, err := tx.Keys.ByID(ctx, w.ID)
	switch {
	case err != nil:
		return AccessKey{}, err
	case !ok || k.AccountID != w.AccountID || !k.Visible():
		return AccessKey{}, ErrNotFound
	case k.State == Creating || k.State == Deleting || k.State == Updating:
		return AccessKey{}, operation.ErrInProgress
	case w.ETag != "" && w.ETag != k.ETag():
		return AccessKey{}, ErrETagMismatch
	case k.expired(s.Clock.Now()):
		return AccessKey{}, ErrEnded
	}
	return k, nil
}

// beginning is what the T1 of a change needs besides the key.
type beginning struct {
	verb   string
	was    AccessKey
	window change.Window
}

// beginChange writes the T1 of a change.
func (s *Service) beginChange(ctx context.Context, tx Tx, k *AccessKey, b beginning) (change.Begun, error) {
	back, err := json.Marshal(previous{State: b.was.State, Version: b.was.Version, Change: beforeOf(b.verb, b.was)})
	if err != nil {
		return change.Begun{}, fmt.Errorf("encode what to go back to: %w", err)
	}
	begun, err := s.Runner.Begin(ctx, tx.Tx, change.Intent{
		Ref: k.Ref(), Backend: k.Backend, Previous: back, Window: b.window,
		Audit: audit.Entry{
			Action: Kind + "." + b.verb, Severity: audit.Notice, Target: target(*k), AccountID: k.AccountID,
			Before: described(b.was), After: described(*k),
		},
	})
	if err != nil {
		return change.Begun{}, err
	}
	k.Generation = begun.Operation.Generation
	if b.verb == rotateVerb {
		k.SecretGeneration = k.Generation
	}
	if k.Holder != "" {
		if _, err := tx.Access.Touch(ctx, k.AccountID, k.Backend, b.window.Lease); err != nil {
			return change.Begun{}, err
		}
	}
	k.Version, err = tx.Keys.Save(ctx, *k)
	return begun, err
}

// apply makes the changes.
func (s *Service) apply(ctx context.Context, tx Tx, k *AccessKey, c Changes) error {
	in := NewAccessKey{DisplayName: k.DisplayName, CustomerReference: k.CustomerReference, Grants: k.Grants, Networks: k.Networks}
	if c.DisplayName != nil {
		in.DisplayName = *c.DisplayName
	}
	if c.CustomerReference != nil {
		in.CustomerReference = *c.CustomerReference
	}
	if c.Grants != nil {
		in.Grants = *c.Grants
	}
	if c.Networks != nil {
		in.Networks = *c.Networks
	}
	if err := in.check(); err != nil {
		return err
	}
	var err error
	if in.Networks, err = spellNetworks(in.Networks); err != nil {
		return err
	}
	if c.ExpireTime != nil {
		in.ExpireTime = *c.ExpireTime
		if err := in.checkExpiry(s.Clock.Now()); err != nil {
			return err
		}
		k.ExpireTime = in.ExpireTime
	}
	if c.Grants != nil {
		buckets, err := tx.Keys.Buckets(ctx, named(in.Grants))
		if err != nil {
			return err
		}
		if _, err := backendOf(in.Grants, buckets, k.Backend); err != nil {
			return err
		}
	}
	k.DisplayName, k.CustomerReference, k.Grants, k.Networks = in.DisplayName, in.CustomerReference, in.Grants, in.Networks
	if k.Holder == "" && policy.NeedsHolder(k.scope()) {
		return ErrKindFixed
	}
	return nil
}
