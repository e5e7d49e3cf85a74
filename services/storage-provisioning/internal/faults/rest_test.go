package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// unsettled counts what is left to do for an account, as the record has it. What is due
// in a day, such as the end of a secret, is not.
func unsettled(ctx context.Context, rows *pgx.Conn, account string) (n int, err error) {
	err = rows.QueryRow(ctx, `select
		(select count(*) from storage.managed_resource where account_id = $1
			and (due_at < now() + interval '1 hour' or lease_owner is not null or observed_generation <> generation)) +
		(select count(*) from storage.operation where account_id = $1 and state = 'TRYING')`, account).Scan(&n)
	return n, err
}

// record is what the database says of a cell.
type record struct {
	outcome       string
	buckets, keys int
	mark          bucket.Mark
	bucketState   string
	keyState      string
	events        int
	principal     string
}

func (w *world) record(ctx context.Context, c *cell) (r record, err error) {
	err = w.rows.QueryRow(ctx, `select
		coalesce((select state from storage.operation where account_id = $1 and coalesce(idempotency_key, '') = $2 and method = $3
			order by state = 'TRYING' desc, created_at desc limit 1), 'none'),
		(select count(*) from storage.bucket where account_id = $1),
		(select count(*) from storage.access_key where account_id = $1),
		coalesce((select min(id) from storage.bucket where account_id = $1), ''),
		coalesce((select string_agg(state, ',') from storage.bucket where account_id = $1), ''),
		coalesce((select string_agg(state, ',') from storage.access_key where account_id = $1), ''),
		(select count(*) from storage.outbox where account_id = $1 and type = $4),
		coalesce((select min(id) from storage.principal where account_id = $1), '')`,
		c.call.Account, c.call.Key, c.call.method(), c.call.event()).Scan(
		&r.outcome, &r.buckets, &r.keys, &r.mark.ID, &r.bucketState, &r.keyState, &r.events, &r.principal)
	r.mark.AccountID = c.call.Account
	return r, err
}

// atRest returns how the cell's operation ended, when nothing is left to do for its account
// and the backend has exactly what the record says; else what is still wrong.
func (w *world) atRest(c *cell) (outcome string, err error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	left, err := unsettled(ctx, w.rows, c.call.Account)
	if err != nil {
		return "", err
	}
	r, err := w.record(ctx, c)
	if err != nil {
		return "", err
	}
	switch r.outcome {
	case succeeded, abandoned, none:
	default:
		return r.outcome, fmt.Errorf("the operation is %s", r.outcome)
	}
	if left > 0 {
		which, _ := w.list(ctx, `select format('%s %s: due %s, generation %s, seen %s, leased by %s until %s, failures %s, updated %s', kind, id, due_at, generation,
			observed_generation, lease_owner, lease_until, failures, updated_at) from storage.managed_resource where account_id = $1
			and (due_at < now() + interval '1 hour' or lease_owner is not null or observed_generation <> generation)`, c.call.Account)
		return r.outcome, fmt.Errorf("the operation is %s, the bucket %q, the key %q, and %d resources are not settled: %q",
			r.outcome, r.bucketState, r.keyState, left, which)
	}
	want, there, keys := c.call.want(r.outcome)
	told := number(r.outcome == succeeded)
	if r.events != told {
		return r.outcome, fmt.Errorf("the operation is %s and %d events tell of it", r.outcome, r.events)
	}
	if there && (r.buckets != 1 || r.bucketState != string(bucket.Ready)) || !there && r.buckets != 0 {
		return r.outcome, fmt.Errorf("the operation is %s and there are %d rows of buckets, in state %q", r.outcome, r.buckets, r.bucketState)
	}
	if r.keys != keys || keys == 1 && r.keyState != "READY" {
		return r.outcome, fmt.Errorf("the operation is %s and there are %d rows of keys, in state %q", r.outcome, r.keys, r.keyState)
	}
	if err := w.hasKeys(ctx, c, r, keys); err != nil {
		return r.outcome, err
	}
	return r.outcome, w.hasBucket(ctx, c, want, there, r.mark)
}

// hasBucket reports whether the backend has the bucket exactly so.
func (w *world) hasBucket(ctx context.Context, c *cell, want bucket.Spec, there bool, mark bucket.Mark) error {
	seen, err := w.backend.ObserveBucket(ctx, c.call.Bucket)
	if c.call.Operation == adoptBucket && !there {
		there, mark = true, bucket.Mark{} // it is as it was found
	}
	switch {
	case err != nil:
		return err
	case seen.Exists != there:
		return fmt.Errorf("on the backend: %t, in the record: %t", seen.Exists, there)
	case there && (seen.Mark != mark || !seen.Spec.Equal(want)):
		return fmt.Errorf("the backend has %+v with %+v, wanted %+v with %+v", seen.Spec, seen.Mark, want, mark)
	}
	return nil
}

// hasKeys reports whether the backend has so many keys of the account besides the hidden
// one that downloads are signed with, and whether one that was to be deleted still works.
func (w *world) hasKeys(ctx context.Context, c *cell, r record, keys int) error {
	if !c.call.aboutKey() {
		return nil
	}
	user, err := w.userOf(ctx, "primecloud-"+r.principal)
	if err != nil {
		return err
	}
	found, err := w.admin.ListServiceAccounts(ctx, user)
	if err != nil {
		return err
	}
	seen, want := len(found.Accounts)-1, keys
	if c.call.adoptsKey() {
		want = number(c.call.Operation == adoptKey) // it is there in any case
	}
	if seen != want {
		return fmt.Errorf("the backend has %d keys, wanted %d", seen, want)
	}
	if c.call.adoptsKey() {
		return w.held(ctx, c, keys == 1)
	}
	if c.call.Operation == deleteKey {
		return w.works(ctx, c, c.had, keys == 1)
	}
	return nil
}

// userOf is the user that a policy belongs to, on the backend. All are listed at once, and
// remembered, since a list takes the backend long.
func (w *world) userOf(ctx context.Context, policy string) (string, error) {
	if user := w.users[policy]; user != "" {
		return user, nil
	}
	all, err := w.admin.ListUsers(ctx)
	if err != nil {
		return "", err
	}
	for name, user := range all {
		w.users[user.PolicyName] = name
	}
	if w.users[policy] == "" {
		return "", fmt.Errorf("no user has the policy %s", policy)
	}
	return w.users[policy], nil
}

// works reports whether the key reaches its bucket, or is refused, as it should.
func (w *world) works(ctx context.Context, c *cell, key credentials, should bool) error {
	_, err := w.client(key.id, key.secret).PutObject(ctx, c.call.Bucket, "by-key", nil, 0, client.PutObjectOptions{})
	switch {
	case should && err != nil:
		return fmt.Errorf("the key does not work: %w", err)
	case !should && err == nil:
		return errors.New("the key still works")
	}
	return nil
}

// puts uses a presigned URL.
func (w *world) puts(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader("content"))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the URL was answered %s", response.Status)
	}
	return nil
}

// toldRightly looks right after the repeated call was answered.
func (w *world) toldRightly(c *cell, got credentials) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	switch c.call.Operation {
	case createKey:
		return w.works(ctx, c, got, true)
	case deleteKey:
		return w.works(ctx, c, c.had, false)
	case adoptKey, adoptUser:
		return w.held(ctx, c, true)
	case presignUpload:
		return w.puts(ctx, got.secret)
	}
	spec, there, _ := c.call.want(c.call.told())
	var mark bucket.Mark
	var visible int
	err := w.rows.QueryRow(ctx, `select coalesce(min(id), ''), coalesce(min(account_id), ''), count(*)
		from storage.bucket where account_id = $1 and desired = 'PRESENT'`, c.call.Account).Scan(&mark.ID, &mark.AccountID, &visible)
	if err == nil {
		err = w.hasBucket(ctx, c, spec, there, mark)
	}
	if rows := number(there); err == nil && visible != rows {
		err = fmt.Errorf("%d buckets are recorded, wanted %d", visible, rows)
	}
	return err
}
