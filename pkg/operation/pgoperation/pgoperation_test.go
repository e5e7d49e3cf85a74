package pgoperation_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
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

func TestMain(m *testing.M) { testkit.Main(m) }

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	hash = [32]byte{1, 2, 3}
	key  = idempotency.Key{Principal: "person:usr_1", Method: "/x/Create", Value: "k1", RequestHash: hash}
)

// attempt is an operation on a resource, begun with key k1.
func attempt(id, resource string) operation.Operation {
	return operation.Operation{
		ID: id, AccountID: "acc_1", Resource: operation.Resource{Kind: "bucket", ID: resource}, Method: key.Method, Principal: key.Principal,
		IdempotencyKey: key.Value, RequestHash: hash[:], State: operation.Trying, Generation: 3,
		Previous: []byte(`{"quota": 1}`), CreatedAt: noon,
	}
}

func without(o operation.Operation) operation.Operation {
	o.IdempotencyKey, o.RequestHash = "", nil
	return o
}

func begin(t testing.TB, db *pg.DB, o operation.Operation) error {
	t.Helper()
	return db.InTx(testkit.Context(t), pg.Account(o.AccountID), func(ctx context.Context, tx *pg.Tx) error {
		return pgoperation.Begin(ctx, tx, o)
	})
}

func end(t testing.TB, db *pg.DB, id string, outcome operation.Outcome) bool {
	t.Helper()
	outcome.At = noon.Add(time.Second)
	var won bool
	err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) (err error) {
		won, err = pgoperation.End(ctx, tx, id, outcome)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return won
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBegin_keeps_what_it_is_given(t *testing.T) {
	db := testkit.DB(t, "storage")
	must(t, begin(t, db, attempt("opn_1", "bkt_1")))
	got, err := pgoperation.Get(testkit.Context(t), db.Read(pg.Account("acc_1")), "opn_1")
	must(t, err)
	want := attempt("opn_1", "bkt_1")
	want.ExpiresAt = noon.Add(operation.Window)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if _, err := pgoperation.Get(testkit.Context(t), db.Read(pg.Account("acc_2")), "opn_1"); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another account sees it: %v", err)
	}
}

func TestBegin_says_why_it_cannot(t *testing.T) {
	ended := func(state operation.State) func(testing.TB, *pg.DB) {
		return func(t testing.TB, db *pg.DB) {
			if !end(t, db, "opn_1", operation.Outcome{State: state}) {
				t.Error("it had ended before")
			}
		}
	}
	nothing := func(testing.TB, *pg.DB) {}
	other := func(change func(*operation.Operation)) operation.Operation {
		o := attempt("opn_2", "bkt_2")
		change(&o)
		return o
	}
	for name, tt := range map[string]struct {
		meanwhile func(testing.TB, *pg.DB)
		second    operation.Operation
		want      error
	}{
		"the resource has an open one":                {nothing, without(attempt("opn_2", "bkt_1")), operation.ErrInProgress},
		"it has one with another key":                 {nothing, func() operation.Operation { o := attempt("opn_2", "bkt_1"); o.IdempotencyKey = "k2"; return o }(), operation.ErrInProgress},
		"the key is at work":                          {nothing, attempt("opn_2", "bkt_2"), idempotency.ErrInProgress},
		"the key is at work on the same resource":     {nothing, attempt("opn_2", "bkt_1"), idempotency.ErrInProgress},
		"the key has just succeeded":                  {ended(operation.Succeeded), attempt("opn_2", "bkt_2"), idempotency.ErrInProgress},
		"the key belongs to another request":          {ended(operation.Succeeded), other(func(o *operation.Operation) { o.RequestHash = []byte("other") }), idempotency.ErrReused},
		"the key belongs to another account":          {nothing, other(func(o *operation.Operation) { o.AccountID = "acc_2" }), idempotency.ErrReused},
		"the resource's one succeeded":                {ended(operation.Succeeded), without(attempt("opn_2", "bkt_1")), nil},
		"the key's one was abandoned":                 {ended(operation.Abandoned), attempt("opn_2", "bkt_1"), nil},
		"another caller has the same key":             {nothing, other(func(o *operation.Operation) { o.Principal = "person:usr_2" }), nil},
		"another method has the same key":             {nothing, other(func(o *operation.Operation) { o.Method = "/x/Delete" }), nil},
		"the key's window has passed":                 {ended(operation.Succeeded), other(func(o *operation.Operation) { o.CreatedAt = noon.Add(25 * time.Hour) }), nil},
		"the key's window has passed, but it runs on": {nothing, other(func(o *operation.Operation) { o.CreatedAt = noon.Add(25 * time.Hour) }), idempotency.ErrInProgress},
		"nothing is in the way":                       {nothing, without(attempt("opn_2", "bkt_2")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			db := testkit.DB(t, "storage")
			must(t, begin(t, db, attempt("opn_1", "bkt_1")))
			tt.meanwhile(t, db)
			if err := begin(t, db, tt.second); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReplay_tells_what_a_key_has_done(t *testing.T) {
	otherRequest := key
	otherRequest.RequestHash = [32]byte{9}
	otherPrincipal := key
	otherPrincipal.Principal = "person:usr_2"
	noKey := key
	noKey.Value = ""
	for name, tt := range map[string]struct {
		state operation.State
		key   idempotency.Key
		now   time.Time
		found bool
		want  error
	}{
		"it succeeded":                      {operation.Succeeded, key, noon, true, nil},
		"it still runs":                     {operation.Trying, key, noon, false, idempotency.ErrInProgress},
		"it was abandoned, so it may again": {operation.Abandoned, key, noon, false, nil},
		"it was for another request":        {operation.Succeeded, otherRequest, noon, false, idempotency.ErrReused},
		"it runs for another request":       {operation.Trying, otherRequest, noon, false, idempotency.ErrReused},
		"it was another caller's":           {operation.Succeeded, otherPrincipal, noon, false, nil},
		"its window has passed":             {operation.Succeeded, key, noon.Add(24 * time.Hour), false, nil},
		"its window has almost passed":      {operation.Succeeded, key, noon.Add(24*time.Hour - 1), true, nil},
		"no key":                            {operation.Succeeded, noKey, noon, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			db := testkit.DB(t, "storage")
			must(t, begin(t, db, attempt("opn_1", "bkt_1")))
			if tt.state != operation.Trying {
				end(t, db, "opn_1", operation.Outcome{State: tt.state, Result: []byte(`{"id": "bkt_1"}`)})
			}
			got, found, err := pgoperation.Replay(testkit.Context(t), db.Read(pg.Account("acc_1")), tt.key, tt.now)
			if found != tt.found || !errors.Is(err, tt.want) {
				t.Errorf("found %t, %v", found, err)
			}
			if found && (got.ID != "opn_1" || string(got.Result) != `{"id": "bkt_1"}`) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestEnd_is_won_by_exactly_one(t *testing.T) {
	db := testkit.DB(t, "storage")
	must(t, begin(t, db, attempt("opn_1", "bkt_1")))
	var racers sync.WaitGroup
	won := make([]bool, 8)
	for i := range won {
		state := operation.Succeeded
		if i%2 == 1 {
			state = operation.Abandoned
		}
		racers.Go(func() {
			won[i] = end(t, db, "opn_1", operation.Outcome{
				State: state, Failure: operation.Failure{Kind: errs.Unavailable, Reason: "X", Message: "away"},
			})
		})
	}
	racers.Wait()
	winner := -1
	for i, w := range won {
		if w && winner >= 0 {
			t.Errorf("%d and %d both won", winner, i)
		}
		if w {
			winner = i
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	got, err := pgoperation.Get(testkit.Context(t), db.Read(pg.Account("acc_1")), "opn_1")
	must(t, err)
	want := []operation.State{operation.Succeeded, operation.Abandoned}[winner%2]
	if got.State != want || !got.EndedAt.Equal(noon.Add(time.Second)) {
		t.Errorf("the winner said %s, recorded is %+v", want, got)
	}
	if winner%2 == 1 && (got.Failure != operation.Failure{Kind: errs.Unavailable, Reason: "X", Message: "away"}) {
		t.Errorf("failure %+v", got.Failure)
	}
}

func TestEnd_refuses_what_is_no_end(t *testing.T) {
	db := testkit.DB(t, "storage")
	must(t, begin(t, db, attempt("opn_1", "bkt_1")))
	for name, outcome := range map[string]operation.Outcome{
		"trying": {State: operation.Trying, At: noon}, "no state": {At: noon}, "no time": {State: operation.Succeeded},
	} {
		err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
			_, err := pgoperation.End(ctx, tx, "opn_1", outcome)
			return err
		})
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	err := db.InTx(testkit.Context(t), pg.Account("acc_2"), func(ctx context.Context, tx *pg.Tx) error {
		won, err := pgoperation.End(ctx, tx, "opn_1", operation.Outcome{State: operation.Succeeded, At: noon})
		if won {
			return errors.New("another account ended it")
		}
		return err
	})
	must(t, err)
}

func TestBegin_lets_one_of_many_callers_through(t *testing.T) {
	db := testkit.DB(t, "storage")
	var callers sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		callers.Go(func() { results[i] = begin(t, db, without(attempt(fmt.Sprint("opn_", i), "bkt_1"))) })
	}
	callers.Wait()
	began := 0
	for _, err := range results {
		switch {
		case err == nil:
			began++
		case !errors.Is(err, operation.ErrInProgress):
			t.Errorf("got %v", err)
		}
	}
	if began != 1 {
		t.Errorf("%d began", began)
	}
}

func TestList_goes_back_in_time_page_by_page(t *testing.T) {
	db := testkit.DB(t, "storage")
	for n := range 5 {
		must(t, begin(t, db, without(attempt(fmt.Sprint("opn_", n), fmt.Sprint("bkt_", n)))))
	}
	foreign := without(attempt("opn_9", "bkt_9"))
	foreign.AccountID = "acc_2"
	must(t, begin(t, db, foreign))
	list := func(p pgoperation.Page) string {
		t.Helper()
		p.AccountID = "acc_1"
		page, err := pgoperation.List(testkit.Context(t), db.Read(pg.Account("acc_1")), p)
		must(t, err)
		text := ""
		for _, o := range page {
			text += o.ID + " "
		}
		return text
	}
	for name, tt := range map[string]struct {
		page pgoperation.Page
		want string
	}{
		"the first page":   {pgoperation.Page{Limit: 2}, "opn_4 opn_3 "},
		"the next page":    {pgoperation.Page{Limit: 2, Before: "opn_3"}, "opn_2 opn_1 "},
		"the last page":    {pgoperation.Page{Limit: 2, Before: "opn_1"}, "opn_0 "},
		"one resource":     {pgoperation.Page{Limit: 9, Resource: operation.Resource{Kind: "bucket", ID: "bkt_2"}}, "opn_2 "},
		"another kind":     {pgoperation.Page{Limit: 9, Resource: operation.Resource{Kind: "access_key"}}, ""},
		"the whole kind":   {pgoperation.Page{Limit: 9, Resource: operation.Resource{Kind: "bucket"}}, "opn_4 opn_3 opn_2 opn_1 opn_0 "},
		"behind the first": {pgoperation.Page{Limit: 9, Before: "opn_0"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := list(tt.page); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestProgress_Open_and_Sweep(t *testing.T) {
	db := testkit.DB(t, "storage")
	must(t, begin(t, db, attempt("opn_1", "bkt_1")))
	system := func(f func(ctx context.Context, tx *pg.Tx) error) {
		t.Helper()
		must(t, db.InTx(testkit.Context(t), pg.System("test"), f))
	}
	system(func(ctx context.Context, tx *pg.Tx) error {
		return pgoperation.Progress(ctx, tx, "opn_1", operation.Progress{Done: 3, Total: 9, Unit: "objects"})
	})
	open, found, err := pgoperation.Open(testkit.Context(t), db.Read(pg.Account("acc_1")), operation.Resource{Kind: "bucket", ID: "bkt_1"})
	if err != nil || !found || open.Progress != (operation.Progress{Done: 3, Total: 9, Unit: "objects"}) {
		t.Errorf("found %t, %+v, %v", found, open, err)
	}
	end(t, db, "opn_1", operation.Outcome{State: operation.Succeeded})
	system(func(ctx context.Context, tx *pg.Tx) error {
		return pgoperation.Progress(ctx, tx, "opn_1", operation.Progress{Done: 4})
	})
	if _, found, err := pgoperation.Open(testkit.Context(t), db.Read(pg.Account("acc_1")), operation.Resource{Kind: "bucket", ID: "bkt_1"}); found || err != nil {
		t.Errorf("found %t, %v", found, err)
	}
	if got, err := pgoperation.Get(testkit.Context(t), db.Read(pg.Account("acc_1")), "opn_1"); err != nil || got.Progress.Done != 3 {
		t.Errorf("progress moved after the end: %+v, %v", got, err)
	}
	must(t, begin(t, db, without(attempt("opn_2", "bkt_2"))))
	swept := func(now time.Time) (n int64) {
		system(func(ctx context.Context, tx *pg.Tx) (err error) {
			n, err = pgoperation.Sweep(ctx, tx, now.Add(-time.Hour), now, 100)
			return err
		})
		return n
	}
	if n := swept(noon.Add(23 * time.Hour)); n != 0 {
		t.Errorf("%d were swept while their keys are remembered", n)
	}
	if n := swept(noon.Add(25 * time.Hour)); n != 1 {
		t.Errorf("%d were swept, want the one that has ended", n)
	}
}
