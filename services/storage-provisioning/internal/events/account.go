package events

import (
	"context"
	"fmt"

	"github.com/primecloud/primecloud/pkg/event"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// AccountSubjects are the events that say where an account stands.
func AccountSubjects() []string {
	var subjects []string
	for _, verb := range []string{"created", "updated", "approved", "rejected", "suspended", "restored", "closing", "reopened", "closed"} {
		subjects = append(subjects, event.Type(Identity, "account", verb))
	}
	return subjects
}

// accountStates are the names of an account's states that tokens carry too.
var accountStates = map[identityv1.AccountState]string{
	identityv1.AccountState_ACCOUNT_STATE_PENDING:   "pending",
	identityv1.AccountState_ACCOUNT_STATE_ACTIVE:    standing.Active,
	identityv1.AccountState_ACCOUNT_STATE_SUSPENDED: "suspended",
	identityv1.AccountState_ACCOUNT_STATE_CLOSING:   "closing",
	identityv1.AccountState_ACCOUNT_STATE_CLOSED:    standing.Closed,
}

// Accounts are the use cases that those events are for.
type Accounts interface {
	// AccountChanged takes note of an account's state.
	AccountChanged(ctx context.Context, tx standing.Tx, account standing.Account) error
}

// HearOfAccount gives an event of AccountSubjects its effect. One that contradicts itself is
// an error, and has none.
func HearOfAccount(ctx context.Context, use Accounts, tx standing.Tx, e event.Event) error {
	var payload identityv1.AccountChanged
	if err := read(e, &payload); err != nil {
		return err
	}
	state, known := accountStates[payload.GetAccount().GetState()]
	switch id := payload.GetAccount().GetId(); {
	case id == "" || e.AccountID != id || e.Aggregate.ID != id:
		return fmt.Errorf("event %s is about account %q, its payload about %q", e.ID, e.AccountID, id)
	case !known:
		return fmt.Errorf("event %s gives the state %s", e.ID, payload.GetAccount().GetState())
	case e.Aggregate.Version <= 0:
		return fmt.Errorf("event %s carries no version of the account", e.ID)
	}
	return use.AccountChanged(ctx, tx, standing.Account{ID: e.AccountID, State: state, Version: e.Aggregate.Version})
}
