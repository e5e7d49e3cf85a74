package grant

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
)

// Acts are all acts, in the order in which they are explained.
var Acts = []Act{See, Download, Upload}

// Access says what a person may do with a bucket, and why.
type Access struct {
	Place
	// Role is theirs, or "".
	Role string
	// Grant is theirs; nil when there is none.
	Grant *Grant
	// Abilities are what they may do, in the order of Acts.
	Abilities []Ability
}

// Ability is one thing that somebody may do, or not.
type Ability struct {
	Act     Act
	Allowed bool
	// Reason and Explanation are those of the refusal that they would meet; allowed, the
	// reason is empty and the explanation says what lets them.
	Reason, Explanation string
}

// Explain says what a person may do with the account's bucket of that name: the contract and
// the gate are asked as for a call of theirs. Without a person it is about the caller. Only
// owners and admins may ask about others.
func (s *Service) Explain(ctx context.Context, at Place) (Access, error) {
	at.UserID = cmp.Or(at.UserID, principal.FromContext(ctx).ID)
	who, err := s.subject(ctx, at)
	if err != nil {
		return Access{}, err
	}
	held, found, err := s.Store.Held(ctx, at.AccountID, at.Bucket, at.UserID)
	if err != nil {
		return Access{}, err
	}
	access, gate := Access{Place: at, Role: who.Role}, NewGate(known{held, found})
	if found {
		access.Grant = &held
	} else if err := s.mayKnow(ctx, at); err != nil {
		return Access{}, err
	}
	for _, act := range Acts {
		err := s.Declared(act, who, at.AccountID)
		if err == nil {
			// Whether they may at all: within the first of the grant's prefixes is as within any.
			err = gate.Admit(principal.NewContext(ctx, who), at.AccountID, at.Bucket, act, held.Prefixes[:min(1, len(held.Prefixes))]...)
		}
		access.Abilities = append(access.Abilities, ability(act, who, held.Prefixes, err))
	}
	return access, nil
}

// subject returns the person that is asked about as a caller.
func (s *Service) subject(ctx context.Context, at Place) (principal.Principal, error) {
	caller := principal.FromContext(ctx)
	if at.UserID == caller.ID {
		return caller, nil
	}
	if caller.Role != "owner" && caller.Role != "admin" {
		return principal.Principal{}, errNotOneself
	}
	who := principal.Principal{Kind: principal.Person, ID: at.UserID, AccountState: caller.AccountState}
	var err error
	if who.Role, err = s.Store.RoleOf(ctx, at.AccountID, at.UserID); who.Role != "" {
		who.AccountID = at.AccountID // nobody else gets a token that is bound to it
	}
	return who, err
}

// mayKnow refuses a bucket that is not there, or that looks so to the caller.
func (s *Service) mayKnow(ctx context.Context, at Place) error {
	if !ScopeOf(principal.FromContext(ctx)).All {
		return ErrBucketNotFound // it is about themselves, and nothing was found
	}
	ok, err := s.Store.HasBucket(ctx, at.AccountID, at.Bucket)
	if err == nil && !ok {
		err = ErrBucketNotFound
	}
	return err
}

// known is a lookup that has been made.
type known struct {
	grant Grant
	found bool
}

func (k known) Held(context.Context, string, string, string) (Grant, bool, error) {
	return k.grant, k.found, nil
}

func ability(act Act, who principal.Principal, prefixes []string, refusal error) Ability {
	e, refused := errs.As(refusal)
	switch {
	case errors.Is(refusal, ErrBucketNotFound):
		return Ability{Act: act, Reason: e.Reason(), Explanation: "they have no grant on the bucket, so that it looks absent to them; give them one"}
	case errors.Is(refusal, ErrTooLow):
		return Ability{Act: act, Reason: e.Reason(), Explanation: "their grant does not go so far; give them more"}
	case refused:
		return Ability{Act: act, Reason: e.Reason(), Explanation: e.Message()}
	case who.Role == External && act != See && len(prefixes) > 0:
		return Ability{Act: act, Allowed: true, Explanation: "their grant lets them, where keys begin with " + strings.Join(prefixes, ", ")}
	case who.Role == External:
		return Ability{Act: act, Allowed: true, Explanation: "their grant lets them"}
	default:
		return Ability{Act: act, Allowed: true, Explanation: "the role " + who.Role + " lets them, in every bucket of the account"}
	}
}
