package bucket

import (
	"context"
	"slices"
)

// asked is what a call wants that not every backend has.
type asked struct {
	spec Spec
	// was is what the bucket has already.
	was  Spec
	cors int
}

// needs says whether the backend must be asked what it can do.
func (a asked) needs() bool {
	return a.cors > 0 || a.spec.Encryption != EncryptionNone && a.was.Encryption == EncryptionNone || len(a.newTiers()) > 0
}

func (a asked) newTiers() []string {
	var tiers []string
	for _, r := range a.spec.Lifecycle {
		if r.Tier != "" && !slices.ContainsFunc(a.was.Lifecycle, func(old Rule) bool { return old.Tier == r.Tier }) {
			tiers = append(tiers, r.Tier)
		}
	}
	return tiers
}

// unsupported returns why the backend cannot do what is asked for, or that it does not
// answer. A plain bucket costs it no question.
func unsupported(ctx context.Context, backend Backend, a asked) error {
	if !a.needs() {
		return nil
	}
	can, err := backend.Features.Features(ctx)
	if err != nil {
		return err
	}
	if a.cors > 0 && !can.CORS {
		return ErrCORSUnsupported
	}
	if a.spec.Encryption != EncryptionNone && a.was.Encryption == EncryptionNone && !can.Encryption {
		return ErrEncryptionUnsupported
	}
	for _, tier := range a.newTiers() {
		if !slices.Contains(can.Tiers, tier) {
			return ErrTierUnknown.With("tier", tier)
		}
	}
	return nil
}

// refusalOf asks the bucket's backend whether it can do what a change asks for. What it
// returns as a refusal is for the transaction to tell, after it has seen that the call is no
// repetition; a change that could not be made anyway is refused there too.
func (s *Service) refusalOf(ctx context.Context, accountID, name string, c Changes) (refusal, err error) {
	if c.CORSRules == 0 && c.Encryption == nil && c.Lifecycle == nil && c.Rules == nil {
		return nil, nil
	}
	was, ok, err := s.Store.Get(ctx, accountID, name)
	if err != nil || !ok {
		return nil, err
	}
	b, err := c.apply(was)
	if err != nil {
		return nil, nil //nolint:nilerr // the transaction comes to the same, if it still holds
	}
	backend, err := s.Backends.Backend(b.Backend)
	if err != nil {
		return nil, err
	}
	return unsupported(ctx, backend, asked{spec: b.Spec, was: was.Spec, cors: c.CORSRules}), nil
}
