package accesskey

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// previous is what an abandoned deletion goes back to.
type previous struct {
	State State `json:"state"`
	// Version is the one that its owner knows it by: with it the etag goes back too, so that
	// the same call can be tried again.
	Version int64 `json:"version,omitempty"`
	// Change is what an abandoned change goes back to; nil for a deletion.
	Change *before `json:"change,omitempty"`
}

// Delete ends a key: when it returns without an error, the backend refuses the key.
func (s *Service) Delete(ctx context.Context, accountID, id, etag string) (Done, error) {
	window := s.Runner.Window(ctx)
	var begun change.Begun
	var k AccessKey
	var replay *operation.Operation
	err := s.Store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		o, ok, err := tx.Operations.Replay(ctx)
		if err != nil || ok {
			replay = &o
			return err
		}
		k, ok, err = tx.Keys.ByID(ctx, id)
		switch {
		case err != nil:
			return err
		case !ok || k.AccountID != accountID || !k.Visible():
			return ErrNotFound
		case k.State == Creating || k.State == Deleting || k.State == Updating:
			return operation.ErrInProgress
		case etag != "" && etag != k.ETag():
			return ErrETagMismatch
		}
		back, err := json.Marshal(previous{State: k.State, Version: k.Version})
		if err != nil {
			return fmt.Errorf("encode what to go back to: %w", err)
		}
		k.Desired, k.State, k.SightedAt, k.UpdatedAt = Absent, Deleting, time.Time{}, s.Clock.Now()
		if k.Version, err = tx.Keys.Save(ctx, k); err != nil {
			return err
		}
		begun, err = s.begin(ctx, tx, &k, back, window)
		return err
	})
	switch {
	case err != nil:
		return Done{}, err
	case replay != nil:
		return Done{OperationID: replay.ID}, nil
	default:
		return s.run(ctx, begun, k)
	}
}
