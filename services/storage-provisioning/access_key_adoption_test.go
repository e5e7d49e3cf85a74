package storage_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// found are credentials that nobody of ours made.
type found struct{ id, secret string }

// strayUser makes a user that stands by itself and reaches everything.
func (w *world) strayUser() found {
	w.t.Helper()
	one := found{"mc-" + random(), "the-owners-secret-" + random()}
	ctx, adm := testkit.Context(w.t), w.admin()
	if err := adm.AddUser(ctx, one.id, one.secret); err != nil {
		w.t.Fatal(err)
	}
	if err := adm.SetPolicy(ctx, "readwrite,diagnostics", one.id, false); err != nil { //nolint:staticcheck // as `mc admin policy` of old did
		w.t.Fatal(err)
	}
	return one
}

// accountUser returns the name of the account's user on MinIO.
func (w *world) accountUser(acc string) string {
	w.t.Helper()
	policy := "primecloud-" + w.row(`select id from storage.principal where account_id = $1`, acc)
	users, err := w.admin().ListUsers(testkit.Context(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	for name, u := range users {
		if u.PolicyName == policy {
			return name
		}
	}
	w.t.Fatalf("no user has %s", policy)
	return ""
}

// strayKey makes a service account under the user, which may do what that one may.
func (w *world) strayKey(user string) found {
	w.t.Helper()
	one := found{strings.ToUpper("MC" + random()), "the-owners-secret-" + random()}
	end := time.Now().Add(24 * time.Hour)
	if _, err := w.admin().AddServiceAccount(testkit.Context(w.t), madmin.AddServiceAccountReq{
		TargetUser: user, AccessKey: one.id, SecretKey: one.secret, Description: "made by hand", Expiration: &end,
	}); err != nil {
		w.t.Fatal(err)
	}
	return one
}

// does puts an object with the credentials and returns how MinIO answered.
func (w *world) does(one found, bucket string) string {
	w.t.Helper()
	_, err := w.s3As(one.id, one.secret).PutObject(testkit.Context(w.t), bucket, "k", strings.NewReader("x"), 1, client.PutObjectOptions{DisableMultipart: true})
	if err == nil {
		return "done"
	}
	return client.ToErrorResponse(err).Code
}

// comesTo waits until MinIO answers so.
func (w *world) comesTo(one found, bucket, want string) {
	w.t.Helper()
	testkit.Eventually(w.t, 30*time.Second, func() error {
		if got := w.does(one, bucket); got != want {
			return fmt.Errorf("it gets %s, not %s", got, want)
		}
		return nil
	})
}

func adoption(acc string, one found, buckets ...string) *storagev1.AdoptAccessKeyRequest {
	return &storagev1.AdoptAccessKeyRequest{
		AccountId: acc, Which: &storagev1.AdoptAccessKeyRequest_AccessKeyId{AccessKeyId: one.id}, DisplayName: "moved in",
		Grants: grants(readWrite, buckets...), Reason: "moved in from elsewhere",
	}
}

func (w *world) adoptKey(ctx context.Context, r *storagev1.AdoptAccessKeyRequest) (*storagev1.AccessKey, error) {
	response, err := storagev1.NewPlatformDriftServiceClient(w.conn).AdoptAccessKey(ctx, r)
	return response.GetAccessKey(), err
}

// adopted is adoptKey by the operator, of what can be adopted.
func (w *world) adopted(r *storagev1.AdoptAccessKeyRequest) *storagev1.AccessKey {
	w.t.Helper()
	k, err := w.adoptKey(w.asClaims(operator), r)
	if err != nil {
		w.t.Fatalf("adopt: %v", err)
	}
	return k
}

// forms are the two kinds of what can be adopted, for an account that has an identity.
var forms = map[string]func(w *world, acc string) found{
	"a service account": func(w *world, acc string) found { return w.strayKey(w.accountUser(acc)) },
	"a user":            func(w *world, _ string) found { return w.strayUser() },
}

// both runs a test for either form, in a world of two buckets of an account and one of another.
func both(t *testing.T, test func(t *testing.T, w *world, in adopting)) {
	for form, make := range forms {
		t.Run(form, func(t *testing.T) {
			w := newWorld(t, testkit.MinIO(t))
			in := adopting{acc: account(), granted: name(), other: name(), theirs: name(), user: form == "a user"}
			w.create(in.acc, in.granted)
			w.create(in.acc, in.other)
			w.create(account(), in.theirs)
			in.found = make(w, in.acc)
			test(t, w, in)
		})
	}
}

// adopting is what a test of an adoption begins with.
type adopting struct {
	found
	// acc has the buckets granted and other, somebody else has theirs.
	acc, granted, other, theirs string
	// user says that what is found is a user that stands by itself.
	user bool
}

func TestAKeyThatStoodThereBeforeIsAdopted_and_its_secret_works_where_it_was_granted_and_nowhere_else(t *testing.T) {
	both(t, func(t *testing.T, w *world, in adopting) {
		if got := w.does(in.found, in.other); got != "done" {
			t.Fatalf("before, it gets %s", got)
		}
		k := w.adopted(adoption(in.acc, in.found, in.granted))
		if k.GetState() != storagev1.AccessKeyState_ACCESS_KEY_STATE_READY || !k.GetAdopted() || k.GetAccessKeyId() != in.id || k.GetDisabled() {
			t.Errorf("it is told as %v", k)
		}
		for bucket, want := range map[string]string{in.granted: "done", in.other: "AccessDenied", in.theirs: "AccessDenied"} {
			if got := w.does(in.found, bucket); got != want {
				t.Errorf("it gets %s, not %s", got, want)
			}
		}
		if _, err := w.s3As(in.id, in.secret).ListBuckets(testkit.Context(t)); err != nil && client.ToErrorResponse(err).Code != "AccessDenied" {
			t.Errorf("it lists buckets: %v", err)
		}
		listed, err := w.keys.ListAccessKeys(w.as(in.acc), &storagev1.ListAccessKeysRequest{AccountId: in.acc})
		if err != nil || len(listed.GetAccessKeys()) != 1 || listed.GetAccessKeys()[0].GetDisplayName() != "moved in" {
			t.Errorf("the account has %v, %v", listed, err)
		}
		w.tells(in.acc, 1, "access_key.adopt SUCCEEDED by usr_operator")
		_, err = w.adoptKey(w.asClaims(operator), adoption(in.acc, in.found, in.granted))
		refused(t, err, errs.AlreadyExists, "ACCESS_KEY_TAKEN")
		w.settled()
		if got := w.does(in.found, in.granted); got != "done" {
			t.Errorf("once all is settled it gets %s", got)
		}
	})
}

func TestAnAdoptedKey_is_stopped_with_its_account_and_comes_back_with_it(t *testing.T) {
	both(t, func(_ *testing.T, w *world, in adopting) {
		w.adopted(adoption(in.acc, in.found, in.granted))
		w.says(stands(in.acc, "suspended", suspended, 5))
		w.comesTo(in.found, in.granted, "AccessDenied")
		w.says(stands(in.acc, "restored", active, 6))
		w.comesTo(in.found, in.granted, "done")
	})
}

func TestAnAdoptedKey_is_switched_off_and_on_changed_and_deleted_like_any_other(t *testing.T) {
	both(t, func(t *testing.T, w *world, in adopting) {
		k := w.adopted(adoption(in.acc, in.found, in.granted))
		ctx, which := w.as(in.acc), k.GetId()
		if _, err := w.keys.DisableAccessKey(ctx, &storagev1.DisableAccessKeyRequest{AccountId: in.acc, KeyId: which}); err != nil {
			t.Fatal(err)
		}
		if got := w.does(in.found, in.granted); got == "done" {
			t.Error("switched off, it works")
		}
		if _, err := w.keys.EnableAccessKey(ctx, &storagev1.EnableAccessKeyRequest{AccountId: in.acc, KeyId: which}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.keys.UpdateAccessKey(ctx, &storagev1.UpdateAccessKeyRequest{
			AccountId: in.acc, KeyId: which, AccessKey: &storagev1.AccessKey{Grants: grants(readWrite, in.other)},
		}); err != nil {
			t.Fatal(err)
		}
		for bucket, want := range map[string]string{in.granted: "AccessDenied", in.other: "done"} {
			if got := w.does(in.found, bucket); got != want {
				t.Errorf("changed, it gets %s, not %s", got, want)
			}
		}
		if _, err := w.keys.DeleteAccessKey(ctx, &storagev1.DeleteAccessKeyRequest{AccountId: in.acc, KeyId: which}); err != nil {
			t.Fatal(err)
		}
		if got := w.does(in.found, in.other); got == "done" {
			t.Error("deleted, it works")
		}
		w.settled()
		w.comesTo(in.found, in.other, "InvalidAccessKeyId")
		if n := w.row(`select count(*)::text from storage.access_key where account_id = $1`, in.acc); n != "0" {
			t.Errorf("%s keys are kept", n)
		}
	})
}

func TestAServiceAccountThatWasSwitchedOffIsAdoptedSwitchedOff(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := w.newAccount()
	one := w.strayKey(w.accountUser(acc))
	if err := w.admin().UpdateServiceAccount(testkit.Context(t), one.id, madmin.UpdateServiceAccountReq{NewStatus: "off"}); err != nil {
		t.Fatal(err)
	}
	k := w.adopted(adoption(acc, one, bucket))
	if got := w.does(one, bucket); got == "done" || !k.GetDisabled() {
		t.Errorf("it gets %s and is told as %v", got, k)
	}
	if _, err := w.keys.EnableAccessKey(w.as(acc), &storagev1.EnableAccessKeyRequest{AccountId: acc, KeyId: k.GetId()}); err != nil {
		t.Fatal(err)
	}
	if got := w.does(one, bucket); got != "done" {
		t.Errorf("switched on it gets %s", got)
	}
}

func TestAnAdoptedKey_gets_a_secret_of_ours_when_it_is_rotated_and_the_one_before_ends_with_the_overlap(t *testing.T) {
	both(t, func(t *testing.T, w *world, in adopting) {
		k := w.adopted(adoption(in.acc, in.found, in.granted))
		rotate := func(overlap time.Duration) found {
			rotated, err := w.keys.RotateAccessKey(w.as(in.acc), &storagev1.RotateAccessKeyRequest{
				AccountId: in.acc, KeyId: k.GetId(), Overlap: durationpb.New(overlap),
			})
			if err != nil {
				t.Fatal(err)
			}
			return found{rotated.GetAccessKey().GetAccessKeyId(), rotated.GetSecretAccessKey()}
		}
		second := rotate(time.Hour)
		for what, one := range map[string]found{"the new one": second, "the one before": in.found} {
			if got := w.does(one, in.granted); got != "done" {
				t.Errorf("%s gets %s", what, got)
			}
			if got := w.does(one, in.other); got != "AccessDenied" {
				t.Errorf("%s gets %s elsewhere", what, got)
			}
		}
		third := rotate(time.Hour)
		w.comesTo(in.found, in.granted, "InvalidAccessKeyId")
		for what, one := range map[string]found{"the newest": third, "the one before": second} {
			if got := w.does(one, in.granted); got != "done" {
				t.Errorf("%s gets %s", what, got)
			}
		}
	})
}

func TestAnAdoptedKey_ends_with_its_expiry(t *testing.T) {
	both(t, func(t *testing.T, w *world, in adopting) {
		request := adoption(in.acc, in.found, in.granted)
		request.ExpireTime = timestamppb.New(time.Now().Add(time.Minute))
		_, err := w.adoptKey(w.asClaims(operator), request)
		refused(t, err, errs.InvalidArgument, "EXPIRE_TIME_INVALID")
		request.ExpireTime = timestamppb.New(time.Now().Add(time.Hour))
		k := w.adopted(request)
		if _, err := w.database.Superuser(t).Exec(testkit.Context(t),
			`update storage.access_key set expire_time = now() - interval '1 second' where id = $1`, k.GetId()); err != nil {
			t.Fatal(err)
		}
		w.due(k.GetId())
		w.comesTo(in.found, in.granted, "InvalidAccessKeyId")
	})
}

// due has a key looked at now.
func (w *world) due(id string) {
	w.t.Helper()
	if _, err := w.database.Superuser(w.t).Exec(testkit.Context(w.t),
		`update storage.managed_resource set due_at = now() where kind = 'access_key' and id = $1`, id); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnAdoptedUser_that_was_changed_behind_our_back_is_held_to_its_key_again(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := w.newAccount()
	other := name()
	w.create(acc, other)
	one, ctx, adm := w.strayUser(), testkit.Context(t), w.admin()
	k := w.adopted(adoption(acc, one, bucket))
	w.settled()
	for what, change := range map[string]func() error{
		"grants":  func() error { return adm.SetPolicy(ctx, "readwrite", one.id, false) }, //nolint:staticcheck // replaces
		"enabled": func() error { return adm.SetUserStatus(ctx, one.id, madmin.AccountDisabled) },
		"groups": func() error {
			group := "g-" + random()
			if err := adm.UpdateGroupMembers(ctx, madmin.GroupAddRemove{Group: group, Members: []string{one.id}}); err != nil {
				return err
			}
			return adm.SetPolicy(ctx, "readwrite", group, true) //nolint:staticcheck // replaces
		},
	} {
		if err := change(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		w.due(k.GetId())
		w.until(`exists (select from storage.drift where resource_id = $1 and field = $2 and repaired_at is not null)`, k.GetId(), what)
		if got := w.does(one, bucket); got != "done" {
			t.Errorf("%s: where it was granted it gets %s", what, got)
		}
		if got := w.does(one, other); got != "AccessDenied" {
			t.Errorf("%s: elsewhere it gets %s", what, got)
		}
	}
	if err := adm.RemoveUser(ctx, one.id); err != nil {
		t.Fatal(err)
	}
	w.due(k.GetId())
	w.until(`(select state = 'LOST' from storage.access_key where id = $1)`, k.GetId())
}

func TestAnAdoptedUser_may_be_granted_a_pattern_and_a_service_account_may_not(t *testing.T) {
	both(t, func(t *testing.T, w *world, in adopting) {
		request := adoption(in.acc, in.found, "t-*")
		if !in.user {
			_, err := w.adoptKey(w.asClaims(operator), request)
			refused(t, err, errs.FailedPrecondition, "ACCESS_KEY_KIND_FIXED")
			return
		}
		w.adopted(request)
		later := "t-later-" + random()
		w.create(in.acc, later)
		for bucket, want := range map[string]string{in.granted: "done", in.other: "done", later: "done", in.theirs: "AccessDenied"} {
			if got := w.does(in.found, bucket); got != want {
				t.Errorf("it gets %s, not %s", got, want)
			}
		}
	})
}

func TestWhatNoAccountCanHaveIsNotAdopted(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	ctx, adm := testkit.Context(t), w.admin()
	acc, bucket := w.newAccount()
	stranger, _ := w.newAccount()
	pattern := w.askKey(&storagev1.CreateAccessKeyRequest{AccountId: acc, Grants: grants(readWrite, "t-*")})
	refuse := func(what string, id, reason string, kind errs.Kind) {
		t.Helper()
		_, err := w.adoptKey(w.asClaims(operator), adoption(acc, found{id: id}, bucket))
		if errs.ReasonOf(err) != reason || errs.KindOf(err) != kind {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && strings.Contains(fmt.Sprintf("%+v", err), id) {
			t.Errorf("%s: the answer names it", what)
		}
	}
	unsupported := func(what, id string) {
		t.Helper()
		refuse(what, id, "ADOPTION_UNSUPPORTED", errs.FailedPrecondition)
	}
	unsupported("the administrator", w.minio.RootUser)
	unsupported("the account's user", w.accountUser(acc))
	unsupported("another account's user", w.accountUser(stranger))
	unsupported("a service account of another account's user", w.strayKey(w.accountUser(stranger)).id)
	unsupported("a key of another account", w.createKey(w.as(stranger), stranger, readWrite, name0(w, stranger)).GetAccessKeyId())
	for name, u := range w.users() {
		if u.PolicyName == "primecloud-"+pattern.GetId() {
			unsupported("a key's own user", name)
			unsupported("a service account of a key's own user", w.strayKey(name).id)
		}
	}
	under, err := adm.ListServiceAccounts(ctx, w.accountUser(acc))
	if err != nil || len(under.Accounts) != 1 {
		t.Fatalf("the account's user has %v, %v", under, err)
	}
	unsupported("the key that signs downloads", under.Accounts[0].AccessKey)
	parent := w.strayUser()
	unsupported("a service account of a user that stands by itself", w.strayKey(parent.id).id)
	unsupported("a user with a service account", parent.id)
	off := w.strayUser()
	if err := adm.SetUserStatus(ctx, off.id, madmin.AccountDisabled); err != nil {
		t.Fatal(err)
	}
	unsupported("a user that is switched off", off.id)
	grouped := w.strayUser()
	if err := adm.UpdateGroupMembers(ctx, madmin.GroupAddRemove{Group: "g-" + random(), Members: []string{grouped.id}}); err != nil {
		t.Fatal(err)
	}
	unsupported("a user in a group", grouped.id)
	refuse("nothing", "mc-"+random(), "NOTHING_TO_ADOPT", errs.NotFound)
	refuse("a key of the account", pattern.GetAccessKeyId(), "ACCESS_KEY_TAKEN", errs.AlreadyExists)
	elsewhere := w.strayUser()
	w.adopted(adoption(stranger, elsewhere, name0(w, stranger)))
	refuse("a user that another account has", elsewhere.id, "ACCESS_KEY_TAKEN", errs.AlreadyExists)
	_, err = w.adoptKey(w.asClaims(operator), adoption(acc, w.strayUser(), name0(w, stranger)))
	refused(t, err, errs.InvalidArgument, "GRANT_INVALID")
	_, err = w.adoptKey(w.as(acc), adoption(acc, w.strayUser(), bucket))
	refused(t, err, errs.PermissionDenied, "CALLER_NOT_ALLOWED")
	over, its := w.newAccount()
	w.inOne(`insert into storage.account_standing (account_id, state, version, changed_at) values ($1, 'closed', 9, now())`, over)
	_, err = w.adoptKey(w.asClaims(operator), adoption(over, w.strayUser(), its))
	refused(t, err, errs.FailedPrecondition, "ADOPTION_UNSUPPORTED")
	w.settled()
	if got := w.does(parent, bucket); got != "done" {
		t.Errorf("what was refused gets %s", got)
	}
}

// name0 returns a bucket of the account.
func name0(w *world, acc string) string {
	w.t.Helper()
	return w.row(`select min(name) from storage.bucket where account_id = $1`, acc)
}

func (w *world) users() map[string]madmin.UserInfo {
	w.t.Helper()
	users, err := w.admin().ListUsers(testkit.Context(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	return users
}

func TestAKeyIsAdoptedOnce_whoever_asks_for_it_at_the_same_time(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	one := w.strayUser()
	type answer struct {
		acc, bucket string
		err         error
	}
	answers := make(chan answer)
	for range 3 {
		acc, bucket := w.newAccount()
		go func() {
			_, err := w.adoptKey(w.asClaims(operator), adoption(acc, one, bucket))
			answers <- answer{acc, bucket, err}
		}()
	}
	var won, lost []answer
	for range 3 {
		a := <-answers
		if a.err == nil {
			won = append(won, a)
			continue
		}
		refused(t, a.err, errs.AlreadyExists, "ACCESS_KEY_TAKEN")
		lost = append(lost, a)
	}
	if len(won) != 1 {
		t.Fatalf("%d accounts have it", len(won))
	}
	w.comesTo(one, won[0].bucket, "done")
	for _, a := range lost {
		if got := w.does(one, a.bucket); got != "AccessDenied" {
			t.Errorf("for who was refused it gets %s", got)
		}
	}
}

func TestAnAdoptedKey_shows_its_last_use(t *testing.T) {
	minio := testkit.NewMinIO(t)
	listen := freeAddress(t)
	w := newWorld(t, minio, func(s config.Source) {
		s["PRIMECLOUD_STORAGE_AUDIT_LISTEN"], s["PRIMECLOUD_STORAGE_AUDIT_TOKEN"] = listen, auditToken
	})
	if _, err := w.admin().SetConfigKV(t.Context(), "audit_webhook:primecloud enable=on endpoint=http://"+listen+" auth_token="+auditToken); err != nil {
		t.Fatal(err)
	}
	acc, bucket := w.newAccount()
	for form, make := range forms {
		one := make(w, acc)
		k := w.adopted(adoption(acc, one, bucket))
		testkit.Eventually(t, 30*time.Second, func() error {
			got := w.does(one, bucket)
			if use := w.getKey(acc, k.GetId()).GetLastUse(); use.GetOperation() != "PutObject" {
				return fmt.Errorf("%s gets %s, and its last use is %v", form, got, use)
			}
			return nil
		})
	}
}
