package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/outbox"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
)

// transaction is the one transaction behind the Tx of every concept.
type transaction struct {
	*base
	q  *db.Queries
	tx *pg.Tx
	// told is set when there are events to relay.
	told bool
}

func (t *transaction) change() change.Tx {
	return change.Tx{Operations: operations{t}, Resources: resources{t}, Record: record{t}}
}

// operations implements change.Operations.
type operations struct{ *transaction }

// Replay looks for what the call's idempotency key has done already.
func (o operations) Replay(ctx context.Context) (operation.Operation, bool, error) {
	return pgoperation.Replay(ctx, o.tx, idempotency.FromContext(ctx), o.Clock.Now())
}

// Begin records an open operation.
func (o operations) Begin(ctx context.Context, op operation.Operation) error {
	return pgoperation.Begin(ctx, o.tx, op)
}

// Open returns the resource's open operation.
func (o operations) Open(ctx context.Context, resource operation.Resource) (operation.Operation, bool, error) {
	return pgoperation.Open(ctx, o.tx, resource)
}

// End ends an operation, if nobody has before.
func (o operations) End(ctx context.Context, id string, outcome operation.Outcome) (bool, error) {
	return pgoperation.End(ctx, o.tx, id, outcome)
}

// resources implements change.Resources.
type resources struct{ *transaction }

// Touch raises the generation.
func (r resources) Touch(ctx context.Context, ref reconcile.Ref, backend string, due time.Time) (int64, error) {
	return r.resources.Touch(ctx, r.tx, ref, backend, due)
}

// WakeUp puts a wake-up job there.
func (r resources) WakeUp(ctx context.Context, ref reconcile.Ref, at time.Time) error {
	return r.base.WakeUp(ctx, r.tx, ref, at)
}

// Claim takes the lease for this process.
func (r resources) Claim(ctx context.Context, ref reconcile.Ref, ttl time.Duration) (reconcile.Lease, bool, error) {
	return r.resources.ClaimIn(ctx, r.tx, r.Owner, ref, ttl)
}

// Release gives it back.
func (r resources) Release(ctx context.Context, lease reconcile.Lease, next reconcile.Next) (bool, error) {
	return r.resources.ReleaseIn(ctx, r.tx, lease, next)
}

// Forget removes the resource.
func (r resources) Forget(ctx context.Context, lease reconcile.Lease) (bool, error) {
	return r.resources.Forget(ctx, r.tx, lease)
}

// record implements change.Record.
type record struct{ *transaction }

// Audit records what was done.
func (r record) Audit(ctx context.Context, e audit.Entry) error {
	r.told = true
	return r.Record(ctx, r.tx, e)
}

// Publish tells the rest of the suite.
func (r record) Publish(ctx context.Context, e change.Event) error {
	encoded, err := r.Encode(ctx, e)
	if err != nil {
		return err
	}
	r.told = true
	return outbox.Add(ctx, r.tx, encoded)
}
