package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/primecloud/primecloud/pkg/audit/auditlog"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/events"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/postgres"
	"github.com/primecloud/primecloud/services/identity/internal/session"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

func TestMain(m *testing.M) { testkit.Main(m) }

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// bench is a migrated database with the stores over it.
type bench struct {
	*postgres.Stores
	db       *pg.DB
	database testkit.Database
	clock    *clock.Manual
	accounts *account.Accounts
	members  *membership.Members
}

func newBench(t *testing.T) *bench {
	t.Helper()
	database := testkit.NewDatabase(t, postgres.Schema, postgres.Migrations())
	db, err := pg.Open(testkit.Context(t), pg.Config{URL: database.AppURL}, pg.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	moving := clock.NewManual(start)
	log := auditlog.New("identity", events.Noun, moving, testkit.Logger(t))
	stores := postgres.New(postgres.Config{
		DB: db, Clock: moving, Record: log.Record, Encode: events.Encoder(moving), Committed: func(bool) {},
	})
	return &bench{
		Stores: stores, db: db, database: database, clock: moving,
		accounts: account.New(account.Config{Store: stores.Accounts, Clock: moving}), members: membership.New(stores.Memberships, moving),
	}
}

// person makes somebody who has logged in, and returns a context in which they call.
func (b *bench) person(t *testing.T, subject string) (context.Context, string) {
	t.Helper()
	var made user.User
	err := b.Sessions.BeyondAccounts(testkit.Context(t), func(ctx context.Context, tx session.Tx) error {
		var err error
		made, err = user.SignIn(ctx, tx, user.Login{Issuer: "https://issuer", Subject: subject, DisplayName: subject}, b.clock.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return principal.NewContext(testkit.Context(t), principal.Principal{Kind: principal.Person, ID: made.ID}), made.ID
}

// rows asks behind the scenes, where row-level security shows all.
func (b *bench) rows(t *testing.T, sql string, args ...any) (count int) {
	t.Helper()
	conn, err := pgx.Connect(testkit.Context(t), b.database.SuperuserURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(testkit.Context(t), sql, args...).Scan(&count); err != nil {
		t.Fatal(err)
	}
	return count
}

func withKey(ctx context.Context, method, key, request string) context.Context {
	k := idempotency.Key{Principal: principal.FromContext(ctx).Subject(), Method: method, Value: key}
	copy(k.RequestHash[:], request)
	return idempotency.NewContext(ctx, k)
}

func TestAn_account_has_its_owner_its_audit_entry_and_its_events_or_nothing(t *testing.T) {
	b := newBench(t)
	ctx, userID := b.person(t, "anna")
	made, err := b.accounts.Create(ctx, account.Draft{DisplayName: "Acme", CustomerReference: "ref-1"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.accounts.Get(ctx, made.ID)
	if err != nil || got != made {
		t.Fatalf("read back %+v, %v, made %+v", got, err, made)
	}
	list, err := b.accounts.List(ctx, "", 10)
	if err != nil || len(list) != 1 || list[0].Account != made || list[0].Role != membership.Owner {
		t.Fatalf("listed %+v, %v", list, err)
	}
	if n := b.rows(t, `select count(*) from identity.outbox where account_id = $1`, made.ID); n != 3 {
		t.Errorf("%d events, want one for the account, the membership and the audit entry", n)
	}
	ghost := principal.NewContext(ctx, principal.Principal{Kind: principal.Person, ID: "usr_ghost"})
	if _, err := b.accounts.Create(ghost, account.Draft{DisplayName: "Ghost"}); err == nil {
		t.Fatal("an account was made for somebody who is not there")
	}
	if n := b.rows(t, `select count(*) from identity.account`); n != 1 {
		t.Errorf("%d accounts: the failed one was left behind", n)
	}
	if n := b.rows(t, `select count(*) from identity.membership where user_id = $1`, userID); n != 1 {
		t.Errorf("%d memberships", n)
	}
}

func TestA_key_makes_calls_one_call(t *testing.T) {
	b := newBench(t)
	ctx, _ := b.person(t, "anna")
	const method = "/primecloud.identity.v1.AccountService/CreateAccount"
	first, err := b.accounts.Create(withKey(ctx, method, "k1", "acme"), account.Draft{DisplayName: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.accounts.Create(withKey(ctx, method, "k1", "acme"), account.Draft{DisplayName: "Acme"})
	if err != nil || again != first {
		t.Errorf("the repetition gave %+v, %v", again, err)
	}
	if _, err := b.accounts.Create(withKey(ctx, method, "k1", "other"), account.Draft{DisplayName: "Other"}); !errors.Is(err, idempotency.ErrReused) {
		t.Errorf("another payload gave %v", err)
	}
	if _, err := b.accounts.Create(withKey(ctx, method, "k2", "bad"), account.Draft{DisplayName: ""}); !errors.Is(err, account.ErrDisplayNameInvalid) {
		t.Errorf("a bad name gave %v", err)
	}
	if _, err := b.accounts.Create(withKey(ctx, method, "k2", "good"), account.Draft{DisplayName: "Good"}); err != nil {
		t.Errorf("a key whose call failed starts again, but: %v", err)
	}
	b.clock.Advance(25 * time.Hour)
	later, err := b.accounts.Create(withKey(ctx, method, "k1", "acme"), account.Draft{DisplayName: "Acme"})
	if err != nil || later.ID == first.ID {
		t.Errorf("a day later the key gave %+v, %v", later, err)
	}
}

func TestTwo_calls_with_one_key_at_once_make_one_account(t *testing.T) {
	b := newBench(t)
	ctx, _ := b.person(t, "anna")
	ctx = withKey(ctx, "/m", "k1", "acme")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_, err := b.accounts.Create(ctx, account.Draft{DisplayName: "Acme"})
			if err != nil && !errors.Is(err, idempotency.ErrInProgress) {
				t.Errorf("got %v", err)
			}
		})
	}
	group.Wait()
	if n := b.rows(t, `select count(*) from identity.account`); n != 1 {
		t.Errorf("%d accounts", n)
	}
}

func TestA_repetition_shows_nothing_of_an_account_to_somebody_who_has_left_it(t *testing.T) {
	b := newBench(t)
	anna, annaID := b.person(t, "anna")
	bert, bertID := b.person(t, "bert")
	const method = "/primecloud.identity.v1.AccountService/CreateAccount"
	made, err := b.accounts.Create(withKey(anna, method, "k1", "acme"), account.Draft{DisplayName: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.members.Create(anna, made.ID, bertID, membership.Owner); err != nil {
		t.Fatal(err)
	}
	if err := b.members.Delete(bert, made.ID, annaID, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := b.accounts.Create(withKey(anna, method, "k1", "acme"), account.Draft{DisplayName: "Acme"}); !errors.Is(err, account.ErrNotFound) || got != (account.Account{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCalls_with_keys_of_their_own_on_one_account_wait_for_each_other(t *testing.T) {
	b := newBench(t)
	ctx, _ := b.person(t, "anna")
	made, err := b.accounts.Create(ctx, account.Draft{DisplayName: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			name := fmt.Sprint("Acme ", i)
			if _, err := b.accounts.Update(withKey(ctx, "/m", name, name), made.ID, "", account.Fields{DisplayName: &name}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	group.Wait()
	if got, err := b.accounts.Get(ctx, made.ID); err != nil || got.Version != 9 {
		t.Errorf("version %d, %v", got.Version, err)
	}
}

func TestUpdate_refuses_a_stale_etag_and_lets_one_of_two_win(t *testing.T) {
	b := newBench(t)
	ctx, _ := b.person(t, "anna")
	made, err := b.accounts.Create(ctx, account.Draft{DisplayName: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	outcomes := make([]error, 2)
	for i := range outcomes {
		group.Go(func() {
			name := fmt.Sprint("Acme ", i)
			_, outcomes[i] = b.accounts.Update(ctx, made.ID, made.ETag(), account.Fields{DisplayName: &name})
		})
	}
	group.Wait()
	if (outcomes[0] == nil) == (outcomes[1] == nil) || errs.ReasonOf(errors.Join(outcomes...)) != "ETAG_MISMATCH" {
		t.Errorf("the two ended as %v", outcomes)
	}
	if _, err := b.accounts.Update(ctx, "acc_other", "", account.Fields{}); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("an account that is not there gave %v", err)
	}
}

func TestTwo_owners_who_leave_at_once_leave_one_behind(t *testing.T) {
	b := newBench(t)
	for round := range 10 {
		anna, annaID := b.person(t, fmt.Sprint("anna", round))
		bert, bertID := b.person(t, fmt.Sprint("bert", round))
		made, err := b.accounts.Create(anna, account.Draft{DisplayName: "Acme"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.members.Create(anna, made.ID, bertID, membership.Owner); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		var left, stepped error
		group.Go(func() { left = b.members.Delete(anna, made.ID, annaID, "") })
		group.Go(func() { _, stepped = b.members.Update(bert, made.ID, bertID, membership.Viewer, "") })
		group.Wait()
		if (left == nil) == (stepped == nil) {
			t.Fatalf("one must win: leaving gave %v, stepping down %v", left, stepped)
		}
		if n := b.rows(t, `select count(*) from identity.membership where account_id = $1 and role = 'owner'`, made.ID); n != 1 {
			t.Fatalf("%d owners are left", n)
		}
	}
}

func TestEpochs_have_no_gaps_whatever_fails_in_between(t *testing.T) {
	b := newBench(t)
	anna, _ := b.person(t, "anna")
	made, err := b.accounts.Create(anna, account.Draft{DisplayName: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 12 {
		_, userID := b.person(t, fmt.Sprint("member", i))
		if _, err := b.members.Create(anna, made.ID, userID, membership.Viewer); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			_ = b.members.Delete(anna, made.ID, userID, "v0") // refused
			if err := b.members.Delete(anna, made.ID, userID, ""); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	snapshot, err := b.Revocations.Since(anna, 0)
	if err != nil || snapshot.Epoch != 12 || len(snapshot.Entries) != 12 {
		t.Fatalf("epoch %d with %d entries, %v", snapshot.Epoch, len(snapshot.Entries), err)
	}
	for i, e := range snapshot.Entries {
		if e.Epoch != int64(i+1) {
			t.Errorf("entry %d has epoch %d", i, e.Epoch)
		}
	}
	if later, err := b.Revocations.Since(anna, 11); err != nil || later.Epoch != 12 || len(later.Entries) != 1 {
		t.Errorf("since 11: %+v, %v", later, err)
	}
	b.clock.Advance(2 * time.Hour)
	if count, err := b.Revocations.Sweep(anna); err != nil || count != 12 {
		t.Errorf("swept %d, %v", count, err)
	}
	if empty, err := b.Revocations.Since(anna, 0); err != nil || empty.Epoch != 12 || len(empty.Entries) != 0 {
		t.Errorf("after the sweep: %+v, %v", empty, err)
	}
}

func TestReplicas_that_rotate_at_once_make_one_key(t *testing.T) {
	b := newBench(t)
	ctx := testkit.Context(t)
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			err := b.SigningKeys.RotateKeys(ctx, start, func(keys []accesstoken.Key) (*accesstoken.Key, error) {
				if len(keys) > 0 {
					return nil, nil
				}
				return &accesstoken.Key{
					ID: fmt.Sprint("k", i), Public: make([]byte, 32), Sealed: []byte("sealed"),
					CreateTime: start, SignFrom: start, SignUntil: start.Add(time.Hour), RetireTime: start.Add(2 * time.Hour),
				}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	keys, err := b.SigningKeys.Keys(ctx, start)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	if keys, err := b.SigningKeys.Keys(ctx, start.Add(2*time.Hour)); err != nil || len(keys) != 0 {
		t.Errorf("%d keys after their retirement, %v", len(keys), err)
	}
}

func entry(event, accountID string, at time.Time) audittrail.Entry {
	return audittrail.Entry{
		EventID: event, ID: "aud_" + event, AccountID: accountID, Time: at, Service: "identity", Action: "account.update",
		Severity: "INFO", Outcome: "SUCCEEDED", Actor: audittrail.Actor{Kind: "person", ID: "usr_" + event},
		Target: audittrail.Target{Kind: "account", ID: accountID}, Before: []byte(`{"a": 1}`),
	}
}

func (b *bench) record(t *testing.T, entries ...audittrail.Entry) {
	t.Helper()
	err := b.db.InTx(testkit.Context(t), pg.System("test"), func(ctx context.Context, tx *pg.Tx) error {
		return audittrail.Record(ctx, postgres.AppenderIn(tx, b.clock.Now()), entries...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestThe_trail_can_only_be_appended_to(t *testing.T) {
	b := newBench(t)
	b.record(t, entry("e1", "acc_1", start))
	for _, statement := range []string{
		`update audit_entry set action = 'nothing'`, `delete from audit_entry`, `truncate audit_entry`,
		`insert into audit_entry select * from audit_entry on conflict (account_id, sequence, append_time) do update set action = 'nothing'`,
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
}

func TestAn_event_that_comes_twice_is_one_entry(t *testing.T) {
	b := newBench(t)
	e := entry("e1", "acc_1", start)
	b.record(t, e)
	changed := e
	changed.Action = "something.else"
	b.record(t, e, changed)
	list, err := b.AuditTrail.ListEntries(testkit.Context(t), "acc_1", audittrail.Filter{}, audittrail.Position{}, 10)
	if err != nil || len(list) != 1 || list[0].Action != e.Action || string(list[0].Before) != `{"a": 1}` || list[0].After != nil {
		t.Errorf("listed %+v, %v", list, err)
	}
}

func TestThe_trail_pages_newest_first_and_filters(t *testing.T) {
	b := newBench(t)
	var all []audittrail.Entry
	for i := range 7 {
		// Two share a moment: the event id decides then.
		all = append(all, entry(fmt.Sprint("e", i), "acc_1", start.Add(time.Duration(i/2)*time.Minute)))
	}
	all[3].Action, all[4].Target.ID = "bucket.create", "bkt_1"
	platform := entry("p", "", start)
	b.record(t, append(all, entry("x", "acc_2", start), platform)...)
	var seen []string
	var after audittrail.Position
	for {
		page, err := b.AuditTrail.ListEntries(testkit.Context(t), "acc_1", audittrail.Filter{}, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			seen = append(seen, e.EventID)
			after = audittrail.Position{Time: e.Time, Sequence: e.Link.Sequence}
		}
		if len(page) < 3 {
			break
		}
	}
	if got := fmt.Sprint(seen); got != "[e6 e5 e4 e3 e2 e1 e0]" {
		t.Errorf("listed %s", got)
	}
	for name, c := range map[string]struct {
		filter audittrail.Filter
		want   string
	}{
		"actor":  {audittrail.Filter{ActorID: "usr_e2"}, "[e2]"},
		"action": {audittrail.Filter{Action: "bucket.create"}, "[e3]"},
		"target": {audittrail.Filter{TargetID: "bkt_1"}, "[e4]"},
		"period": {audittrail.Filter{Start: start.Add(time.Minute), End: start.Add(2 * time.Minute)}, "[e3 e2]"},
	} {
		page, err := b.AuditTrail.ListEntries(testkit.Context(t), "acc_1", c.filter, audittrail.Position{}, 10)
		var ids []string
		for _, e := range page {
			ids = append(ids, e.EventID)
		}
		if err != nil || fmt.Sprint(ids) != c.want {
			t.Errorf("%s: listed %v, %v", name, ids, err)
		}
	}
}

func TestThe_scope_of_an_account_shows_no_other_tenants_rows(t *testing.T) {
	b := newBench(t)
	anna, _ := b.person(t, "anna")
	bert, _ := b.person(t, "bert")
	mine, err1 := b.accounts.Create(anna, account.Draft{DisplayName: "Mine"})
	theirs, err2 := b.accounts.Create(bert, account.Draft{DisplayName: "Theirs"})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	b.record(t, entry("mine", mine.ID, start), entry("theirs", theirs.ID, start), entry("platform", "", start))
	for table, want := range map[string]int{"account": 1, "membership": 1, "audit_entry": 1, "api_key": 0, "api_key_secret": 0} {
		var seen int
		err := b.db.Read(pg.Account(mine.ID)).QueryRow(anna, `select count(*) from `+table).Scan(&seen)
		if err != nil || seen != want {
			t.Errorf("%s shows %d rows, %v", table, seen, err)
		}
	}
	err := b.db.InTx(anna, pg.Account(mine.ID), func(ctx context.Context, tx *pg.Tx) error {
		_, err := tx.Exec(ctx, `update account set id = $1`, "acc_taken")
		return err
	})
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		t.Errorf("a row was moved out of its account: %v", err)
	}
}
