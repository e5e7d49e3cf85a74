package postgres

import (
	"context"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/outbox"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// transaction is the one transaction behind the Tx of every concept.
type transaction struct {
	*base
	q  *db.Queries
	tx *pg.Tx
	// told is set when there are events to relay, revoked when there is a revocation to publish.
	told, revoked bool
}

// Begin claims the call's idempotency key. What was done under it before is found again;
// what runs under it at this moment is waited for.
func (t *transaction) Begin(ctx context.Context, resource unit.Resource) (string, error) {
	key := idempotency.FromContext(ctx)
	if key.Value == "" {
		return "", nil
	}
	now := t.Clock.Now()
	earlier, found, err := pgoperation.Once(ctx, t.tx, operation.Operation{
		ID: id.New("opn", now), AccountID: resource.AccountID,
		Resource: operation.Resource{Kind: resource.Kind, ID: resource.ID},
		Method:   key.Method, Principal: key.Principal, IdempotencyKey: key.Value, RequestHash: key.RequestHash[:],
		CreatedAt: now,
	}, key)
	if err != nil || !found {
		return "", err
	}
	return earlier.Resource.ID, nil
}

// Audit records what was done.
func (t *transaction) Audit(ctx context.Context, e audit.Entry) error {
	t.told = true
	return t.Record(ctx, t.tx, e)
}

// Publish tells the rest of the suite.
func (t *transaction) Publish(ctx context.Context, c unit.Change) error {
	e, err := t.Encode(ctx, c)
	if err != nil {
		return err
	}
	t.told = true
	return outbox.Add(ctx, t.tx, e)
}

// Revoke gives the entry the next epoch. The counter's row stays locked until the
// transaction ends, which is what puts epochs in the order of commits.
func (t *transaction) Revoke(ctx context.Context, e revocation.Entry) error {
	epoch, err := t.q.NextEpoch(ctx)
	if err != nil {
		return err
	}
	t.revoked = true
	return t.q.InsertRevocation(ctx, db.InsertRevocationParams{
		Epoch: epoch, Kind: string(e.Kind), Subject: e.Subject, RevokeTime: e.RevokeTime, ExpireTime: e.ExpireTime,
	})
}
