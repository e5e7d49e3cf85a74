package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
)

// unsealed is a sealer that seals nothing.
type unsealed struct{}

func (unsealed) Seal(_ context.Context, plain []byte, _ seal.Context) ([]byte, error) {
	return plain, nil
}

func (unsealed) Open(_ context.Context, sealed []byte, _ seal.Context) ([]byte, error) {
	return sealed, nil
}

func TestAnEntryThatTheOwnerAddedToTheTrailMakesItsVerificationFail(t *testing.T) {
	b := newBench(t)
	ctx := testkit.Context(t)
	ring := auditchain.NewKeyring(b.AuditChain, unsealed{}, b.clock)
	if err := ring.Load(ctx); err != nil {
		t.Fatal(err)
	}
	// acc_1 begins at a checkpoint, and acc_2 has more than a page.
	now := time.Now().UTC()
	b.clock.Advance(now.AddDate(0, 0, -70).Sub(b.clock.Now()))
	b.record(t, entry("o1", "acc_1", start), entry("o2", "acc_1", start))
	b.clock.Advance(now.Sub(b.clock.Now()))
	retention := auditchain.Retention{Keep: 1, Months: b.AuditChain, Signer: ring, Clock: b.clock}
	if n, err := retention.KeepUp(ctx); err != nil || n == 0 {
		t.Fatalf("%d months were dropped, %v", n, err)
	}
	many := []audittrail.Entry{entry("n3", "acc_1", start), entry("n4", "acc_1", start)}
	for n := range 700 {
		many = append(many, entry(fmt.Sprint("m", n), "acc_2", start))
	}
	b.record(t, many...)
	keys := auditchain.KeysOf(ring.PublicKeys())
	verify := func() error {
		_, err := auditchain.Verify(ctx, b.AuditChain, keys, nil)
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	superuser := b.database.Superuser(t)
	const added = `insert into identity.audit_entry select $3, $4, append_time + interval '1 microsecond', 'added', id, time, service, method,
		action, severity, outcome, reason, actor_kind, actor_id, actor_role, actor_address, actor_session_id, target_kind, target_id, target_name,
		request_id, trace_id, before, after, hash from identity.audit_entry where account_id = $1 and sequence = $2`
	for name, c := range map[string]struct {
		account  string
		like     int64
		into     string
		sequence int64
	}{
		"behind the head":                {account: "acc_1", like: 4, into: "acc_1", sequence: 5},
		"far behind the head":            {account: "acc_1", like: 4, into: "acc_1", sequence: 500},
		"at the checkpoint":              {account: "acc_1", like: 3, into: "acc_1", sequence: 2},
		"below the checkpoint":           {account: "acc_1", like: 3, into: "acc_1", sequence: 1},
		"of an account without a head":   {account: "acc_1", like: 4, into: "acc_0", sequence: 1},
		"with a sequence that is used":   {account: "acc_2", like: 7, into: "acc_2", sequence: 7},
		"used at the end of a page":      {account: "acc_2", like: 500, into: "acc_2", sequence: 500},
		"used at the beginning of one":   {account: "acc_2", like: 501, into: "acc_2", sequence: 501},
		"with the sequence of the head":  {account: "acc_2", like: 700, into: "acc_2", sequence: 700},
		"of the platform without a head": {account: "acc_2", like: 1, into: "", sequence: 1},
	} {
		tag, err := superuser.Exec(ctx, added, c.account, c.like, c.into, c.sequence)
		if err != nil || tag.RowsAffected() != 1 {
			t.Fatalf("%s: %v, %v", name, tag, err)
		}
		if err := verify(); err == nil {
			t.Errorf("an entry %s: it verifies", name)
		}
		if _, err := superuser.Exec(ctx, `delete from identity.audit_entry where event_id = 'added'`); err != nil {
			t.Fatal(err)
		}
	}
	if err := verify(); err != nil {
		t.Errorf("when all of that is gone again: %v", err)
	}
	if _, err := superuser.Exec(ctx, `delete from identity.audit_head where account_id = 'acc_1'`); err != nil {
		t.Fatal(err)
	}
	if _, err := superuser.Exec(ctx, `delete from identity.audit_entry where account_id = 'acc_1'`); err != nil {
		t.Fatal(err)
	}
	if err := verify(); err == nil {
		t.Error("a checkpoint of a chain that is gone: it verifies")
	}
}

func TestAMonthThatIsYoungByTheDatabasesClockIsNotDropped(t *testing.T) {
	b := newBench(t)
	ctx := testkit.Context(t)
	running := time.Now().UTC()
	running = time.Date(running.Year(), running.Month(), 1, 0, 0, 0, 0, time.UTC)
	// No entry is in any of these months, so that none wants a checkpoint.
	none := func(auditchain.Head) (auditchain.Checkpoint, error) {
		t.Error("a month has entries")
		return auditchain.Checkpoint{}, nil
	}
	for ago := range 4 {
		if err := b.AuditChain.MakeMonth(ctx, running.AddDate(0, -ago, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range []struct {
		ago     int
		kept    int64
		dropped bool
	}{
		{3, 3, false},
		{3, 100, false},
		{3, 0, false},
		{3, -5, false},
		{3, 2, true},
		{2, 2, false},
		{2, 1, true},
		{1, 1, false},
		{1, 0, false},
	} {
		err := b.AuditChain.DropMonth(ctx, running.AddDate(0, -c.ago, 0).Format("2006-01"), c.kept, none)
		if c.dropped != (err == nil) {
			t.Errorf("%d: the month %d ago while %d are kept gave %v", i, c.ago, c.kept, err)
		}
	}
	// A replica whose clock is years ahead, with nothing in the way but the running month.
	b.clock.Advance(3 * 365 * 24 * time.Hour)
	superuser := b.database.Superuser(t)
	if _, err := superuser.Exec(ctx, `drop table identity.audit_entry_`+running.AddDate(0, -1, 0).Format("200601")); err != nil {
		t.Fatal(err)
	}
	retention := auditchain.Retention{Keep: 1, Months: b.AuditChain, Clock: b.clock}
	if n, err := retention.KeepUp(ctx); err == nil || n != 0 || !strings.Contains(err.Error(), "too young") {
		t.Errorf("%d months were dropped, %v", n, err)
	}
	if n := b.rows(t, `select count(*) from pg_class where relname = $1`, "audit_entry_"+running.Format("200601")); n != 1 {
		t.Error("the running month is gone")
	}
}
