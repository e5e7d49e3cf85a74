package suite_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// write is one creation of a bucket under way while something breaks.
type write struct {
	account, name string
	key           webclient.Option
	err           error
}

func TestPostgreSQLKilledAndRestartedTheSuiteRecoversByItself(t *testing.T) {
	f := fault(t, "PostgreSQL stopped -m immediate")
	client, postgres := browser(t, anna), running.environment.Postgres
	account := newAccount(t, client)
	newBucket(t, client, account, nil)
	// Where nothing was under way: a call that broke off may leave its account's identity on
	// the backend held until its lease runs out, and the next call of that account waits.
	quiet := newAccount(t, client)
	newBucket(t, client, quiet, nil)
	t.Cleanup(func() { restore(t, postgres) })
	create := func(w *write) error {
		_, err := client.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": w.name}, nil, w.key)
		return err
	}
	// Writers go on all the while, so that some are anywhere in the middle.
	var mu sync.Mutex
	var writes []*write
	writing, stop := context.WithCancel(t.Context())
	defer stop()
	var writers sync.WaitGroup
	first := make(chan struct{})
	for writer := range 3 {
		writers.Go(func() {
			for n := 0; writing.Err() == nil; n++ {
				w := &write{name: unique(fmt.Sprintf("w%d", writer)), key: webclient.Key(unique(fmt.Sprintf("w%d", writer)))}
				w.err = create(w)
				mu.Lock()
				writes = append(writes, w)
				if len(writes) == 10 {
					close(first)
				}
				mu.Unlock()
			}
		})
	}
	<-first
	if err := postgres.StopImmediate(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	f.seen("PostgreSQL is killed", "with 3 writers in the middle")
	_, err := client.Call(t.Context(), http.MethodGet, bucketsOf(account), nil, nil)
	refused(t, err, http.StatusServiceUnavailable, "DATABASE_UNAVAILABLE")
	f.seen("a list is read", "503 DATABASE_UNAVAILABLE")
	if err := postgres.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	testkit.Eventually(t, 15*time.Second, func() error {
		_, err := client.Call(t.Context(), http.MethodGet, bucketsOf(account), nil, nil)
		return err
	})
	f.seen("PostgreSQL is back: a list", "is read after %.1f s", time.Since(back).Seconds())
	testkit.Eventually(t, 15*time.Second, func() error {
		_, err := client.Call(t.Context(), http.MethodPost, bucketsOf(quiet), map[string]any{"name": unique("after")}, nil)
		return err
	})
	f.seen("PostgreSQL is back: a bucket", "is made after %.1f s", time.Since(back).Seconds())
	stop()
	writers.Wait()
	if err := running.alive(); err != nil {
		t.Error(err)
	}
	f.seen("the suite's processes", "are the same as before")
	told, broken := map[string]int{}, 0
	for _, w := range writes {
		if w.err == nil {
			continue
		}
		broken++
		reason := statusOf(t, w.err).Reason()
		told[reason]++
		if !slices.Contains([]string{"DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN", "DEPENDENCY_UNAVAILABLE", "OPERATION_IN_PROGRESS", "BACKEND_UNAVAILABLE"}, reason) {
			t.Errorf("a write was told %v", w.err)
		}
	}
	if broken == 0 {
		t.Error("no write was broken")
	}
	f.seen(fmt.Sprintf("%d writes", len(writes)), "%d broken: %v", broken, told)
	for _, w := range writes {
		testkit.Eventually(t, patience, func() error { return create(w) })
	}
	for _, w := range writes {
		if !onMinIO(t, w.name) {
			t.Errorf("%s, first told %v, is told as made and is not there", w.name, w.err)
		}
	}
	var list struct{ Buckets []bucket }
	do(t, client, http.MethodGet, bucketsOf(account)+"?pageSize=1000", nil, &list)
	testkit.Eventually(t, patience, func() error {
		if n := inTrail(t, client, account, "bucket.create"); n != len(list.Buckets) || n < len(writes) {
			return fmt.Errorf("%d buckets are listed, %d creations are in the trail", len(list.Buckets), n)
		}
		return nil
	})
	f.seen("each again with its own key", "made, and in the trail once: nothing is made a second time")
}
