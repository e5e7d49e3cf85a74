package storage_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// many makes buckets directly: as rows that the backend has been seen to have, and there.
func (w *world) many(account, stem string, count int) []string {
	w.t.Helper()
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("%s-%03d", stem, i))
	}
	var running sync.WaitGroup
	for part := range slices.Chunk(names, (count+3)/4) {
		running.Go(func() {
			for _, bucket := range part {
				if err := w.s3().MakeBucket(testkit.Context(w.t), bucket, makeOptions(w)); err != nil {
					w.t.Errorf("make %s: %v", bucket, err)
				}
			}
		})
	}
	running.Wait()
	_, err := w.database.Superuser(w.t).Exec(testkit.Context(w.t), `
		insert into storage.bucket (id, account_id, backend, name, customer_reference, versioning, quota_bytes, lifecycle, desired, state,
			version, marked, seen_absent_generation, unsure, created_at, updated_at)
		select 'bkt_' || n, $1, 'local', n, '', 'OFF', 0, '[]', 'PRESENT', 'READY', 1, true, 0, false, now(), now() from unnest($2::text[]) n`,
		account, names)
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

func TestAnAccount_with_500_buckets_and_100_keys_works(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, stem := account(), name()
	names := w.many(acc, stem, 499)
	last := w.create(acc, stem+"-last").GetName()
	names = append(names, last)
	stranger := account()
	theirs := stem + "-another"
	w.create(stranger, theirs)

	began := time.Now()
	keys := make([]pair, 100)
	for i := range keys {
		request := &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: fmt.Sprintf("key %d", i)}
		switch i % 4 {
		case 0: // every bucket, one by one
			request.Grants = grants(readWrite, names...)
		case 1: // every bucket, by pattern
			request.Grants = grants(readWrite, stem+"-*")
		case 2: // forty of them, which an inline policy has no room for
			request.Grants = grants(readWrite, names[460:]...)
		default: // one
			request.Grants = grants(readWrite, last)
		}
		keys[i] = w.askKey(request)
	}
	each := time.Since(began) / time.Duration(len(keys))
	t.Logf("a key took %s", each)
	check := func(t *testing.T, bucket string, want string, of func(i int) bool) {
		t.Helper()
		for i, k := range keys {
			if !of(i) {
				continue
			}
			if code := client.ToErrorResponse(w.uses(k, bucket)).Code; code != want {
				t.Errorf("key %d on %s: %q", i, bucket, code)
			}
		}
	}
	all := func(int) bool { return true }
	t.Run("each key works where it was granted, and nowhere else", func(t *testing.T) {
		check(t, last, "", all)
		check(t, theirs, "AccessDenied", all)
		check(t, names[0], "", func(i int) bool { return i%4 < 2 })
		check(t, names[0], "AccessDenied", func(i int) bool { return i%4 >= 2 })
	})
	t.Run("a bucket made later is reached by the patterns alone, when its creation returns", func(t *testing.T) {
		began := time.Now()
		w.create(acc, stem+"-new")
		t.Logf("the bucket took %s", time.Since(began))
		check(t, stem+"-new", "", func(i int) bool { return i%4 == 1 })
		check(t, stem+"-new", "AccessDenied", func(i int) bool { return i%4 != 1 })
	})
	t.Run("an account that is stopped stops them all, and they come back as they were", func(t *testing.T) {
		w.says(stands(acc, "suspended", suspended, 5))
		testkit.Eventually(t, 30*time.Second, func() error {
			for i, k := range keys[:8] {
				if code := client.ToErrorResponse(w.uses(k, last)).Code; code != "AccessDenied" {
					return fmt.Errorf("key %d: %q", i, code)
				}
			}
			return nil
		})
		check(t, last, "AccessDenied", all)
		w.says(stands(acc, "restored", active, 6))
		testkit.Eventually(t, 30*time.Second, func() error { return w.uses(keys[0], last) })
		testkit.Eventually(t, 30*time.Second, func() error { return w.uses(keys[97], stem+"-new") })
		check(t, last, "", all)
		check(t, theirs, "AccessDenied", all)
	})
	t.Run("a look at everything writes nothing", func(t *testing.T) {
		conn := w.database.Superuser(t)
		settled := func() error {
			var due int
			err := conn.QueryRow(t.Context(), `select count(*) from storage.managed_resource where kind = $1 and account_id = $2 and due_at is not null`,
				principal.Kind, acc).Scan(&due)
			if err == nil && due != 0 {
				err = fmt.Errorf("%d are due", due)
			}
			return err
		}
		testkit.Eventually(t, 30*time.Second, settled)
		w.calls.writes()
		w.wakePrincipal(acc)
		testkit.Eventually(t, 30*time.Second, settled)
		if writes := w.calls.writes(); len(writes) > 0 {
			t.Errorf("it wrote %v", writes)
		}
	})
}
