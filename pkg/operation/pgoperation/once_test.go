package pgoperation_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// once records the operation and returns the id of the resource that an earlier call made.
func once(t testing.TB, db *pg.DB, o operation.Operation, k idempotency.Key) (earlier string, err error) {
	t.Helper()
	err = db.InTx(testkit.Context(t), pg.Account(o.AccountID), func(ctx context.Context, tx *pg.Tx) error {
		found, again, err := pgoperation.Once(ctx, tx, o, k)
		if earlier = ""; again {
			earlier = found.Resource.ID
		}
		return err
	})
	return earlier, err
}

func TestOnce_records_a_change_that_is_complete_and_finds_it_again(t *testing.T) {
	db := testkit.DB(t, "storage")
	if earlier, err := once(t, db, attempt("opn_1", "bkt_1"), key); err != nil || earlier != "" {
		t.Fatalf("the first call found %q, %v", earlier, err)
	}
	got, err := pgoperation.Get(testkit.Context(t), db.Read(pg.Account("acc_1")), "opn_1")
	if err != nil || got.State != operation.Succeeded || !got.EndedAt.Equal(noon) || !got.ExpiresAt.Equal(noon.Add(operation.Window)) {
		t.Errorf("recorded %+v, %v", got, err)
	}
	if earlier, err := once(t, db, attempt("opn_2", "bkt_2"), key); err != nil || earlier != "bkt_1" {
		t.Errorf("the repetition found %q, %v", earlier, err)
	}
	t.Run("another request with the key is refused", func(t *testing.T) {
		other, otherKey := attempt("opn_3", "bkt_3"), key
		otherKey.RequestHash = [32]byte{9}
		other.RequestHash = otherKey.RequestHash[:]
		if _, err := once(t, db, other, otherKey); !errors.Is(err, idempotency.ErrReused) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the same caller's key in another account is refused", func(t *testing.T) {
		other := attempt("opn_4", "bkt_4")
		other.AccountID = "acc_2"
		if _, err := once(t, db, other, key); !errors.Is(err, idempotency.ErrReused) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a key that is no longer remembered starts again", func(t *testing.T) {
		late := attempt("opn_5", "bkt_5")
		late.CreatedAt = noon.Add(operation.Window + time.Second)
		if earlier, err := once(t, db, late, key); err != nil || earlier != "" {
			t.Errorf("found %q, %v", earlier, err)
		}
	})
}

func TestOnce_refuses_a_key_whose_call_still_runs(t *testing.T) {
	db := testkit.DB(t, "storage")
	must(t, begin(t, db, attempt("opn_1", "bkt_1")))
	if _, err := once(t, db, attempt("opn_2", "bkt_2"), key); !errors.Is(err, idempotency.ErrInProgress) {
		t.Errorf("got %v", err)
	}
}

func TestOnce_gives_calls_at_the_same_time_one_resource(t *testing.T) {
	db := testkit.DB(t, "storage")
	var running sync.WaitGroup
	made := make([]string, 8)
	for i := range made {
		running.Go(func() {
			id := string(rune('a' + i))
			earlier, err := once(t, db, attempt("opn_"+id, "bkt_"+id), key)
			if made[i] = "bkt_" + id; earlier != "" {
				made[i] = earlier
			}
			if err != nil {
				t.Errorf("%v (%s)", err, errs.ReasonOf(err))
			}
		})
	}
	running.Wait()
	for _, id := range made {
		if id != made[0] {
			t.Errorf("they made %v", made)
		}
	}
}
