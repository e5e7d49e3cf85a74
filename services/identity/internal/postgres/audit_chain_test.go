package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/postgres"
)

// strange is an entry whose every value is one that an encoding could get wrong.
func strange(event, accountID string) audittrail.Entry {
	return audittrail.Entry{
		EventID: event, ID: "aud_" + event, AccountID: accountID, Time: time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		Service: "süß", Method: "/a/b", Action: "a,b:3", Severity: "5:hello,", Outcome: "DENIED", Reason: `"`,
		Actor:  audittrail.Actor{Kind: "person", ID: "\r\n", Role: " ", Address: "::1", SessionID: "\t"},
		Target: audittrail.Target{Kind: "☃", ID: "\u2028", Name: strings.Repeat("𝄞", 300)}, RequestID: `\`, TraceID: "'",
		Before: []byte(`{ "b":1.0, "a" : 1e3, "a":"<&>" }`), After: []byte(`{}`),
	}
}

func TestTheDatabaseChainsEntriesAsTheFormatSays(t *testing.T) {
	b := newBench(t)
	odd := strange("e2", "acc_1")
	odd.Time = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	b.record(t, entry("e1", "acc_1", start), strange("e0", "acc_1"), odd, entry("x", "acc_2", start), entry("p", "", start))
	for account, want := range map[string]int{"acc_1": 3, "acc_2": 1, "": 1} {
		walk := auditchain.Walk{AccountID: account}
		entries, err := b.AuditChain.EntriesAfter(testkit.Context(t), account, 0, 10)
		if err != nil || len(entries) != want {
			t.Fatalf("%q has %d entries, %v", account, len(entries), err)
		}
		for _, e := range entries {
			if err := walk.Next(auditchain.RecordOf(e)); err != nil {
				t.Errorf("%q: %v", account, err)
			}
		}
		if n := b.rows(t, `select count(*) from identity.audit_head where account_id = $1 and sequence = $2 and hash = $3`,
			account, walk.At.Sequence, walk.At.Hash[:]); n != 1 {
			t.Errorf("%q: the head is not at entry %d", account, walk.At.Sequence)
		}
	}
}

func TestEntriesThatAreAppendedAtOnceGetOneOrderWithoutGaps(t *testing.T) {
	b := newBench(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 10 {
				b.record(t, entry(fmt.Sprint("e", i, "_", n), "acc_1", start))
			}
		})
	}
	group.Wait()
	walk := auditchain.Walk{AccountID: "acc_1"}
	entries, err := b.AuditChain.EntriesAfter(testkit.Context(t), "acc_1", 0, 100)
	if err != nil || len(entries) != 80 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, e := range entries {
		if err := walk.Next(auditchain.RecordOf(e)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnEntryGoesIntoTheMonthInWhichItIsAppendedAndNeverBeforeTheLastOne(t *testing.T) {
	b := newBench(t)
	b.record(t, entry("e1", "acc_1", start))
	b.clock.Advance(100 * 24 * time.Hour)
	b.record(t, entry("e2", "acc_1", start)) // a month that nobody has made yet
	b.clock.Advance(-200 * 24 * time.Hour)   // a clock that goes back
	b.record(t, entry("e3", "acc_1", start))
	entries, err := b.AuditChain.EntriesAfter(testkit.Context(t), "acc_1", 0, 10)
	if err != nil || len(entries) != 3 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	if later := start.Add(100 * 24 * time.Hour); !entries[1].Link.AppendTime.Equal(later) || !entries[2].Link.AppendTime.Equal(later) {
		t.Errorf("appended at %v and %v", entries[1].Link.AppendTime, entries[2].Link.AppendTime)
	}
}

func TestTheServingRoleReachesTheTrailThroughItsFunctionsAlone(t *testing.T) {
	b := newBench(t)
	b.record(t, entry("e1", "acc_1", start))
	month := "audit_entry_" + start.Format("200601")
	for _, statement := range []string{
		`insert into audit_entry select * from audit_entry`, `update audit_head set sequence = 0`, `delete from audit_head`,
		`insert into audit_head select 'x', sequence, hash, append_time from audit_head`,
		`update audit_checkpoint set month = ''`, `delete from audit_checkpoint`, `delete from audit_key`, `update audit_key set kid = ''`,
		`select * from ` + month, `delete from ` + month, `insert into ` + month + ` select * from audit_entry`, `drop table ` + month,
		`alter table audit_entry detach partition ` + month, `alter table audit_entry disable row level security`,
		`create or replace function audit_make_month(at timestamptz) returns boolean language sql as 'select true'`,
	} {
		err := b.db.InTx(testkit.Context(t), pg.System("test"), func(ctx context.Context, tx *pg.Tx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		})
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s gave %v, not insufficient_privilege", statement, err)
		}
	}
	// A month without checkpoints, and one that is not the oldest, stay.
	for _, m := range []string{start.Format("2006-01"), start.AddDate(0, 2, -20).Format("2006-01"), "2020-01", "nonsense"} {
		err := b.db.InTx(testkit.Context(t), pg.System("test"), func(ctx context.Context, tx *pg.Tx) error {
			_, err := tx.Exec(ctx, `select audit_drop_month($1, 1)`, m)
			return err
		})
		if err == nil {
			t.Errorf("%s was dropped", m)
		}
	}
	if n := b.rows(t, `select count(*) from identity.audit_entry`); n != 1 {
		t.Errorf("%d entries are left", n)
	}
}

func TestAnAccountsScopeShowsItsOwnHeadAndCheckpointsAlone(t *testing.T) {
	b := newBench(t)
	b.record(t, entry("e1", "acc_1", start), entry("e2", "acc_2", start), entry("p", "", start))
	var seen int
	if err := b.db.Read(pg.Account("acc_1")).QueryRow(testkit.Context(t), `select count(*) from audit_head`).Scan(&seen); err != nil || seen != 1 {
		t.Errorf("an account sees %d heads, %v", seen, err)
	}
	err := b.db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		return postgres.AppenderIn(tx, start).AppendEntries(ctx, []audittrail.Entry{entry("e3", "acc_2", start)})
	})
	if err == nil {
		t.Error("an account appended to another one's trail")
	}
}
