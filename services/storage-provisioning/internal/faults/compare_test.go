package faults_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// open gives the world the product's own eyes on its rows: secrets opened.
func (w *world) open() *postgres.Stores {
	w.t.Helper()
	if w.stores != nil {
		return w.stores
	}
	sealer, err := seal.Keyset{File: w.settings["PRIMECLOUD_STORAGE_SEAL_KEYSET"]}.Sealer()
	if err != nil {
		w.t.Fatal(err)
	}
	db, err := pg.Open(w.t.Context(), pg.Config{URL: w.database.AppURL, MaxConns: 2}, pg.Deps{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(db.Close)
	w.stores = postgres.New(postgres.Config{DB: db, Clock: clock.System(), Owner: "compare", Sealer: sealer})
	return w.stores
}

// compareAll holds every row of the world against the backend, and everything on the backend
// that bears our mark against the rows. All must be at rest.
func (w *world) compareAll() error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	defer cancel()
	accounts, err := w.list(ctx, `select distinct account_id from storage.managed_resource order by 1`)
	if err != nil {
		return err
	}
	var wrong []error
	for _, account := range accounts {
		if err := w.compare(ctx, account); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", account, err))
		}
	}
	return errors.Join(append(wrong, w.strays(ctx))...)
}

// strays looks for buckets with a mark of an account of this world that no row knows.
func (w *world) strays(ctx context.Context) error {
	known, err := w.list(ctx, `select name from storage.bucket`)
	if err != nil {
		return err
	}
	var names []string
	if err := w.backend.ObserveAll(ctx, func(name string, _ bucket.Observed) { names = append(names, name) }); err != nil {
		return err
	}
	var wrong []error
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		seen, err := w.backend.ObserveBucket(ctx, name)
		if err != nil {
			return err
		}
		var ours bool
		err = w.rows.QueryRow(ctx, `select exists (select from storage.managed_resource where account_id = $1)`, seen.Mark.AccountID).Scan(&ours)
		if err != nil {
			return err
		}
		if seen.Exists && (ours || seen.Mark == bucket.Mark{}) && strings.HasPrefix(name, "kill-") {
			wrong = append(wrong, fmt.Errorf("the backend has the bucket %s, which no row knows", name))
		}
	}
	return errors.Join(wrong...)
}

// compare holds an account's rows against the backend.
func (w *world) compare(ctx context.Context, account string) error {
	ids, err := w.list(ctx, `select kind || ' ' || id from storage.managed_resource where account_id = $1 order by kind, id`, account)
	if err != nil {
		return err
	}
	var wrong []error
	keys := map[string]accesskey.AccessKey{}
	var identity *principal.Principal
	for _, text := range ids {
		kind, id, _ := strings.Cut(text, " ")
		ref := reconcile.Ref{Kind: kind, ID: id, AccountID: account}
		switch kind {
		case bucket.Kind:
			err = w.compareBucket(ctx, ref)
		case principal.Kind:
			identity, err = w.comparePrincipal(ctx, ref)
		case accesskey.Kind:
			var k accesskey.AccessKey
			k, _, _, err = w.open().AccessKeys.Load(ctx, ref)
			keys[k.ID] = k
		default:
			err = nil // a kind of its own, compared by the tests of its own
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", text, err))
		}
	}
	if identity != nil {
		wrong = append(wrong, w.compareKeys(ctx, *identity, keys))
	} else if len(keys) > 0 {
		wrong = append(wrong, errors.New("there are keys without an identity"))
	}
	return errors.Join(wrong...)
}

// compareBucket holds one bucket against the backend.
func (w *world) compareBucket(ctx context.Context, ref reconcile.Ref) error {
	b, open, ok, err := w.open().Buckets.Load(ctx, ref)
	if err != nil {
		return err
	}
	seen, err := w.backend.ObserveBucket(ctx, b.Name)
	switch {
	case err != nil:
		return err
	case !ok || open != nil:
		return fmt.Errorf("there is a row: %t, an open operation: %t", ok, open != nil)
	case b.State != bucket.Ready && b.State != bucket.Conflict:
		return fmt.Errorf("it is %s at rest", b.State)
	case b.State == bucket.Conflict:
		return nil
	case !seen.Exists || seen.Mark != b.Mark() || !seen.Spec.Equal(b.Spec):
		return fmt.Errorf("the backend has %+v, the row is %+v", seen, b.Spec)
	}
	return nil
}

// comparePrincipal holds an account's identity against the backend.
func (w *world) comparePrincipal(ctx context.Context, ref reconcile.Ref) (*principal.Principal, error) {
	p, reach, ok, err := w.open().Principals.Load(ctx, ref)
	if err != nil || !ok {
		return nil, errors.Join(errors.New("there is no row"), err)
	}
	user, err := w.backend.ObserveUser(ctx, p.User)
	if err != nil {
		return nil, err
	}
	if !user.Exists && p.Observed == 0 {
		return nil, nil // nothing was ever made under it
	}
	document, has, err := w.backend.GetPolicy(ctx, p.Policy())
	switch {
	case err != nil:
		return nil, err
	case !user.Exists || !user.Enabled || !slices.Equal(user.Policies, []string{p.Policy()}):
		return nil, fmt.Errorf("its user exists: %t, enabled: %t, with %d policies", user.Exists, user.Enabled, len(user.Policies))
	case !has || !policy.Same(document, policy.Documents{}.Account(reach.Buckets, reach.ReadOnly)):
		return nil, fmt.Errorf("its policy exists: %t, and does not name the buckets %q: %s", has, reach.Buckets, document)
	}
	return &p, nil
}

// compareKeys holds an account's keys against the backend, and the other way round.
func (w *world) compareKeys(ctx context.Context, p principal.Principal, keys map[string]accesskey.AccessKey) error {
	found, err := w.admin.ListServiceAccounts(ctx, p.User)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, a := range found.Accounts {
		there[a.AccessKey] = true
	}
	if !there[p.ReaderKey] {
		return errors.New("the reader key is not there")
	}
	delete(there, p.ReaderKey)
	var wrong []error
	for _, k := range keys {
		if k.Solo != "" {
			wrong = append(wrong, w.compareSolo(ctx, k))
			continue
		}
		had := there[k.KeyID]
		delete(there, k.KeyID)
		if k.State == accesskey.Lost {
			continue
		}
		if k.State != accesskey.Ready || !had {
			wrong = append(wrong, fmt.Errorf("%s is %s, and on the backend: %t", k.ID, k.State, had))
			continue
		}
		wrong = append(wrong, w.compareKey(ctx, p, k))
	}
	if len(there) > 0 {
		wrong = append(wrong, fmt.Errorf("the backend has %d keys that no row knows", len(there)))
	}
	return errors.Join(wrong...)
}

// compareSolo holds a key that is a user by itself against the backend.
func (w *world) compareSolo(ctx context.Context, k accesskey.AccessKey) error {
	user, err := w.backend.ObserveUser(ctx, k.Solo)
	if err != nil {
		return err
	}
	name := principal.HolderPolicy(k.ID)
	if k.State != accesskey.Ready || !user.Exists || !user.Enabled || !slices.Equal(user.Policies, []string{name}) {
		return fmt.Errorf("%s is %s, its user exists: %t, enabled: %t, with %d policies", k.ID, k.State, user.Exists, user.Enabled, len(user.Policies))
	}
	var granted []string
	for _, g := range k.Grants {
		granted = append(granted, g.Bucket)
	}
	document, has, err := w.backend.GetPolicy(ctx, name)
	if err == nil && (!has || !policy.Same(document, policy.Documents{}.Holder(policy.Scope{Grants: k.Grants}, granted, false))) {
		err = fmt.Errorf("%s has a policy: %t, which says %s", k.ID, has, document)
	}
	return err
}

func (w *world) compareKey(ctx context.Context, p principal.Principal, k accesskey.AccessKey) error {
	seen, err := w.backend.ObserveKey(ctx, k.KeyID)
	if err != nil {
		return err
	}
	document, err := policy.Key(k.Grants)
	if err != nil {
		return err
	}
	if !seen.Enabled || seen.User != p.User || !policy.Same(seen.Policy, document) {
		return fmt.Errorf("%s is enabled: %t, under its user: %t, with %s", k.ID, seen.Enabled, seen.User == p.User, seen.Policy)
	}
	return nil
}

// list returns what a query for one text finds.
func (w *world) list(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := w.rows.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
