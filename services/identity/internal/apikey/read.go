package apikey

import (
	"context"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

// Get returns a key, if the caller may see it: a personal key is its person's, and shown to
// those who manage the account.
func (s *APIKeys) Get(ctx context.Context, w Which) (Key, error) {
	k, err := s.Store.Key(ctx, w.AccountID, w.KeyID)
	if err != nil {
		return Key{}, err
	}
	caller := principal.FromContext(ctx)
	foreign := k.UserID != "" && k.UserID != caller.ID
	if w.Personal && k.UserID == "" || foreign && (w.Personal || !membership.Role(caller.Role).Manages()) {
		return Key{}, ErrNotFound
	}
	return k, nil
}

// List returns a page of the account's keys, oldest first, revoked ones included: personal
// ones of others only to those who manage the account.
func (s *APIKeys) List(ctx context.Context, accountID, after string, limit int) ([]Key, error) {
	q := Query{AccountID: accountID, Shared: true, After: after, Limit: limit}
	if caller := principal.FromContext(ctx); !membership.Role(caller.Role).Manages() {
		q.Person = caller.ID
	}
	return s.Store.ListKeys(ctx, q)
}

// ListPersonal returns a page of the caller's own keys in the account, oldest first, revoked
// ones included.
func (s *APIKeys) ListPersonal(ctx context.Context, accountID, after string, limit int) ([]Key, error) {
	return s.Store.ListKeys(ctx, Query{AccountID: accountID, Person: principal.FromContext(ctx).ID, After: after, Limit: limit})
}
