package accesskey

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

// Stray is a key on a backend that nobody manages.
type Stray struct {
	// Place is what the finding about it calls it: its backend and a hash of its id.
	Place string
	// KeyID is its access key id, a secret.
	KeyID string
	// What says in words what it is.
	What string
}

// StrayRows are what is known of strays, in a transaction across accounts.
type StrayRows interface {
	// Keep remembers the ids of strays, by place.
	Keep(ctx context.Context, strays []Stray) error
	// Forget forgets those without a finding that is open, or was at that time: a call that
	// named one may be repeated for a while.
	Forget(ctx context.Context, openAt time.Time) error
}

// PlatformTx is a transaction across accounts.
type PlatformTx struct {
	change.Tx
	Drifts drift.Rows
	Strays StrayRows
}

// Inventory is what a pass over a backend needs of the record, across accounts.
type Inventory interface {
	// Keys returns a page of the keys on the backend by id, without their secrets.
	Keys(ctx context.Context, backend, after string, limit int) ([]AccessKey, error)
	// Unmanaged returns those of the access key ids that no key on the backend has, had before
	// its last rotation, or is to lose yet.
	Unmanaged(ctx context.Context, backend string, ids []string) ([]string, error)
	// Owners returns whose accounts these are, by the names of their policies on backends:
	// those of accounts' identities, and of single keys.
	Owners(ctx context.Context, policies []string) (map[string]string, error)
	// Kept returns the strays of the backend with an open finding, ignored ones included.
	Kept(ctx context.Context, backend string) ([]Stray, error)
	// ByFinding returns the stray that a finding is about, and whether the finding is open.
	ByFinding(ctx context.Context, driftID string) (stray Stray, open, ok bool, err error)
	// InPlatform runs fn in a transaction across accounts. fn may run several times.
	InPlatform(ctx context.Context, fn func(ctx context.Context, tx PlatformTx) error) error
}

// placeOf names a stray without giving its id away.
func (s *Service) placeOf(backend, keyID string) string {
	return backend + "/" + hex.EncodeToString(s.Hash(keyID)[:16])
}

// located returns the adoption with the key's backend and id, which a finding may stand for.
func (s *Service) located(ctx context.Context, in Adoption) (Adoption, error) {
	var err error
	if in.DriftID == "" {
		in.Backend, err = s.Backends.Name(in.Backend)
		return in, err
	}
	stray, open, ok, err := s.Inventory.ByFinding(ctx, in.DriftID)
	if err == nil && !ok {
		err = drift.ErrNotFound
	}
	if err != nil {
		return in, err
	}
	in.KeyID, in.over = stray.KeyID, !open
	in.Backend, _, _ = strings.Cut(stray.Place, "/")
	return in, nil
}

// claimed closes the finding about a key that is somebody's by now.
func (s *Service) claimed(ctx context.Context, in Adoption) error {
	return s.Inventory.InPlatform(ctx, func(ctx context.Context, tx PlatformTx) error {
		_, err := tx.Drifts.Repaired(ctx, Kind, s.placeOf(in.Backend, in.KeyID), s.Clock.Now())
		return err
	})
}
