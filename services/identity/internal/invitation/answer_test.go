package invitation

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/principal"
)

// asked notes what an answer reads before it is refused; whatever else it did would panic.
type asked struct {
	Tx
	address string
	known   map[Hash]Invitation
	reads   []string
}

func (a *asked) VerifiedAddress(context.Context, string) (string, error) {
	a.reads = append(a.reads, "address")
	return a.address, nil
}

func (a *asked) InvitationByToken(_ context.Context, hash Hash) (Invitation, error) {
	a.reads = append(a.reads, "invitation")
	if i, found := a.known[hash]; found {
		return i, nil
	}
	return Invitation{}, ErrNotFound
}

// doorway is a store that leads to it; whatever else is asked of it would panic.
type doorway struct {
	Store
	tx *asked
}

func (d doorway) BeyondAccounts(ctx context.Context, fn func(context.Context, Tx) error) error {
	return fn(ctx, d.tx)
}

func TestWhatever_is_wrong_with_a_token_the_same_is_looked_up_before_it_is_refused(t *testing.T) {
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	good := newToken()
	waiting := Invitation{ID: "inv_1", AccountID: "acc_1", Email: "bert@example.com", State: Pending, ExpireTime: now.Add(time.Hour)}
	used := waiting
	used.State, used.AcceptUserID = Accepted, "usr_2"
	ctx := principal.NewContext(t.Context(), principal.Principal{Kind: principal.Person, ID: "usr_1"})
	for name, c := range map[string]struct {
		address, token string
		is             Invitation
	}{
		"unknown":                      {"bert@example.com", newToken(), waiting},
		"another's":                    {"cleo@example.com", good, waiting},
		"shown by somebody unverified": {"", good, waiting},
		"another's, and used":          {"cleo@example.com", good, used},
		"unknown to the unverified":    {"", newToken(), waiting},
	} {
		for call, do := range map[string]func(*Invitations) error{
			"accept":  func(s *Invitations) error { _, err := s.Accept(ctx, c.token); return err },
			"preview": func(s *Invitations) error { _, err := s.Preview(ctx, c.token); return err },
			"decline": func(s *Invitations) error { return s.Decline(ctx, c.token) },
		} {
			tx := &asked{address: c.address, known: map[Hash]Invitation{hashOf(good): c.is}}
			err := do(New(doorway{tx: tx}, clock.NewManual(now)))
			if !errors.Is(err, ErrInvalid) || err.Error() != ErrInvalid.Error() || !slices.Equal(tx.reads, []string{"address", "invitation"}) {
				t.Errorf("%s, to %s: %v after reading %v", name, call, err, tx.reads)
			}
		}
	}
}
