package postgres_test

import (
	"testing"
	"testing/fstest"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/postgres"
)

// firstMigration is the set as it was before the trail was chained.
func firstMigration(t *testing.T) pg.MigrationSet {
	t.Helper()
	set := postgres.Migrations()
	file, err := set.FS.Open("00001_identity.sql")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, info.Size())
	if _, err := file.Read(text); err != nil {
		t.Fatal(err)
	}
	set.FS = fstest.MapFS{"00001_identity.sql": {Data: text}}
	return set
}

func TestEntriesFromBeforeTheChainAreChainedInTheOrderOfTheirTime(t *testing.T) {
	database := testkit.NewDatabase(t, postgres.Schema, firstMigration(t))
	superuser := database.Superuser(t)
	_, err := superuser.Exec(testkit.Context(t), `
		insert into identity.audit_entry (event_id, id, account_id, time, service, action, severity, outcome, reason, actor_kind, actor_id,
			actor_role, actor_address, actor_session_id, target_kind, target_id, target_name, request_id, trace_id, method, before, after)
		select 'evt_' || n, 'aud_' || n, case when n % 3 = 0 then null else 'acc_' || n % 3 end, now() - n * interval '1 day', 'identity',
			'account.update', 'INFO', 'SUCCEEDED', '', 'person', 'usr_1', '', '', '', 'account', 'acc', 'Süß', '', '', '',
			'{"b": 1, "a": [1.50, "x"]}', null
		from generate_series(1, 30) as n`)
	if err != nil {
		t.Fatal(err)
	}
	err = pg.Migrate(testkit.Context(t), database.OwnerURL, pg.MigrateConfig{Schema: postgres.Schema, Sets: []pg.MigrationSet{postgres.Migrations()}})
	if err != nil {
		t.Fatal(err)
	}
	stores := postgres.New(postgres.Config{DB: database.Open(t, pg.Deps{})})
	for _, account := range []string{"acc_1", "acc_2", ""} {
		entries, err := stores.AuditChain.EntriesAfter(testkit.Context(t), account, 0, 100)
		if err != nil || len(entries) != 10 {
			t.Fatalf("%q has %d entries, %v", account, len(entries), err)
		}
		walk := auditchain.Walk{AccountID: account}
		for i, e := range entries {
			if err := walk.Next(auditchain.RecordOf(e)); err != nil {
				t.Error(err)
			}
			if i > 0 && e.Time.Before(entries[i-1].Time) {
				t.Errorf("%q: entry %d is older than the one before", account, i+1)
			}
		}
	}
}
