package postgres_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// appended is what an append gives to the database, of entries with these places.
func appended(accounts []string, sequences []int64, heads []string, starts []int64, places []int32) db.AppendEntriesParams {
	n := len(accounts)
	empty, times, hashes := make([]string, n), make([]time.Time, n), make([][]byte, n)
	ids := make([]string, n)
	for i := range n {
		times[i], hashes[i], ids[i] = start, make([]byte, 32), string(rune('a'+i))
	}
	return db.AppendEntriesParams{
		AccountIds: accounts, Sequences: sequences, AppendTimes: times, EventIds: ids, Ids: ids, Times: times, Services: empty, Methods: empty,
		Actions: empty, Severities: empty, Outcomes: empty, Reasons: empty, ActorKinds: empty, ActorIds: empty, ActorRoles: empty,
		ActorAddresses: empty, ActorSessionIds: empty, TargetKinds: empty, TargetIds: empty, TargetNames: empty, RequestIds: empty,
		TraceIds: empty, Befores: empty, Afters: empty, Hashes: hashes, Heads: heads, Starts: starts, Places: places,
	}
}

func TestTheDatabaseAppendsNothingButTheNextPlacesOfEachChain(t *testing.T) {
	b := newBench(t)
	b.record(t, entry("e1", "acc_1", start))
	try := func(p db.AppendEntriesParams) error {
		return b.db.InTx(testkit.Context(t), pg.System("test"), func(ctx context.Context, tx *pg.Tx) error {
			return db.New(tx).AppendEntries(ctx, p)
		})
	}
	both := []string{"acc_1", "acc_2", "acc_1"}
	for name, p := range map[string]db.AppendEntriesParams{
		"no heads":                            appended(both, []int64{2, 1, 3}, nil, nil, nil),
		"an account without a head":           appended(both, []int64{2, 1, 3}, []string{"acc_1"}, []int64{1}, []int32{3}),
		"a head twice, and another not":       appended([]string{"acc_1", "acc_2"}, []int64{2, 1}, []string{"acc_1", "acc_1"}, []int64{1, 1}, []int32{1, 1}),
		"a head without entries":              appended([]string{"acc_1"}, []int64{2}, []string{"acc_1", "acc_2"}, []int64{1, 0}, []int32{1, 1}),
		"a head at another account's entry":   appended([]string{"acc_1", "acc_2"}, []int64{2, 1}, []string{"acc_1", "acc_2"}, []int64{1, 0}, []int32{1, 1}),
		"two heads at each other's entries":   appended([]string{"acc_1", "acc_2"}, []int64{2, 2}, []string{"acc_1", "acc_2"}, []int64{1, 1}, []int32{2, 1}),
		"a head that is not at the last one":  appended(both, []int64{2, 1, 3}, []string{"acc_1", "acc_2"}, []int64{1, 0}, []int32{1, 2}),
		"a head at no entry":                  appended([]string{"acc_1"}, []int64{2}, []string{"acc_1"}, []int64{1}, []int32{2}),
		"a gap":                               appended(both, []int64{2, 1, 4}, []string{"acc_1", "acc_2"}, []int64{1, 0}, []int32{3, 2}),
		"a gap at the beginning":              appended([]string{"acc_1"}, []int64{3}, []string{"acc_1"}, []int64{1}, []int32{1}),
		"a place twice":                       appended(both, []int64{2, 1, 2}, []string{"acc_1", "acc_2"}, []int64{1, 0}, []int32{3, 2}),
		"a place twice and so one too few":    appended([]string{"acc_1", "acc_1", "acc_1"}, []int64{2, 2, 4}, []string{"acc_1"}, []int64{1}, []int32{3}),
		"entries out of order":                appended([]string{"acc_1", "acc_1"}, []int64{3, 2}, []string{"acc_1"}, []int64{1}, []int32{1}),
		"a place that is taken":               appended([]string{"acc_1"}, []int64{1}, []string{"acc_1"}, []int64{0}, []int32{1}),
		"a chain that begins anew behind one": appended([]string{"acc_2"}, []int64{3}, []string{"acc_2"}, []int64{2}, []int32{1}),
		"nothing":                             appended(nil, nil, nil, nil, nil),
	} {
		var refused *pgconn.PgError
		if err := try(p); !errors.As(err, &refused) || !slices.Contains([]string{"P0001", "23505"}, refused.Code) {
			t.Errorf("%s gave %v", name, err)
		}
	}
	if n := b.rows(t, `select count(*) from identity.audit_entry`); n != 1 {
		t.Errorf("%d entries are left", n)
	}
	if err := try(appended(both, []int64{2, 1, 3}, []string{"acc_2", "acc_1"}, []int64{0, 1}, []int32{2, 3})); err != nil {
		t.Errorf("what is right: %v", err)
	}
}
