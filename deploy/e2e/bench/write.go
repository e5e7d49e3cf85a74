package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/deploy/e2e/bench/load"
)

// Names differ, as those of tenants do: two alike would have to have different slugs made.
const accountBody = `{"displayName":"written by ` + load.Digits + `","customerReference":"ref-1"}`

// createAccount makes callers that make accounts as a browser does. Such a write has an
// idempotency key, an operation, an audit entry and two events, and no backend.
func (b *bench) createAccount() func(context.Context) (load.Caller, error) {
	return load.HTTP(load.Request{
		Address: b.gateway(), Method: "POST", Path: "/v1/accounts", Body: accountBody,
		Header: []string{"Cookie: " + b.world.cookie, "X-CSRF-Token: " + b.world.csrf, "Idempotency-Key: bench-" + load.Digits},
	})
}

// createBareAccount makes callers that have the yardstick insert the same rows.
func (b *bench) createBareAccount(path string) func(context.Context) (load.Caller, error) {
	return load.HTTP(load.Request{
		Address: b.bare.Address, Method: "POST", Path: path, Body: accountBody,
		Header: []string{"Authorization: Bearer " + b.world.token, "Idempotency-Key: bare-" + load.Digits},
	})
}

// settleWithin is how long the events of a measurement may take to get through.
const settleWithin = 3 * time.Minute

// resetAccounts waits until everything that was told has arrived, so that the relay's work for
// one side is not done during the other's time, and takes away what was written.
func (b *bench) resetAccounts(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, b.place.RootURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for settled := false; !settled; {
		err := conn.QueryRow(ctx, `select not exists (select from identity.outbox where published_at is null)
			and (select count(*) from identity.outbox where type like '%.audit.recorded.%') <= (select count(*) from identity.inbox)`).Scan(&settled)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the events do not get through: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	for _, statement := range []string{
		`delete from identity.membership where account_id in (select id from identity.account where display_name like 'written by%')`,
		`delete from identity.account where display_name like 'written by%'`,
		`truncate identity.outbox, identity.inbox, identity.operation, identity.audit_entry, identity.audit_head`,
		`vacuum (analyze) identity.account`, `vacuum (analyze) identity.membership`, `vacuum (analyze) identity.outbox`,
		`vacuum (analyze) identity.operation`, `checkpoint`,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
