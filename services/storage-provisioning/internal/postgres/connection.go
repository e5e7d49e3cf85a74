package postgres

import (
	"context"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/connection"
)

// Connections implements connection.Record.
type Connections struct{ *base }

var _ connection.Record = (*Connections)(nil)

// keyBatch is how many keys are read at a time.
const keyBatch = 500

// Keys returns all visible keys of the account.
func (s *Connections) Keys(ctx context.Context, accountID string) ([]accesskey.AccessKey, error) {
	keys := &AccessKeys{s.base}
	var all []accesskey.AccessKey
	query := accesskey.Query{AccountID: accountID, Limit: keyBatch}
	for {
		list, err := keys.List(ctx, query)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
		if len(list) < keyBatch {
			return all, nil
		}
		query.After = list[len(list)-1].ID
	}
}

// Stopped says whether the account reaches nothing at present.
func (s *Connections) Stopped(ctx context.Context, accountID string) (bool, error) {
	stands, err := standingOf(ctx, s.readIn(accountID), accountID)
	return stands.Stopped(), err
}
