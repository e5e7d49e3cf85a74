package minio_test

import (
	"errors"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

func TestA_locked_version_shows_its_lock_and_is_not_removed(t *testing.T) {
	s := testkit.MinIO(t)
	ctx := t.Context()
	b, c := backend(t, s), root(t, s)
	one := newTenant(t, b, name("plain-"))
	locked := name("locked-")
	must(t, c.MakeBucket(ctx, locked, client.MakeBucketOptions{ObjectLocking: true}))
	must(t, b.PutPolicy(ctx, one.policy, policy.Documents{}.Account([]string{one.bucket, locked}, false)))
	login := object.Login{User: one.user, Secret: one.secret}
	put(t, c, locked, "held")
	put(t, c, locked, "kept")
	put(t, c, locked, "free")
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	mode, on := client.Governance, client.LegalHoldEnabled
	must(t, c.PutObjectRetention(ctx, locked, "kept", client.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until}))
	must(t, c.PutObjectLegalHold(ctx, locked, "held", client.PutObjectLegalHoldOptions{Status: &on}))
	stat := func(key string) object.Object {
		t.Helper()
		o, err := b.Stat(ctx, login, locked, object.Ref{Key: key})
		must(t, err)
		return o
	}
	kept, held, free := stat("kept"), stat("held"), stat("free")
	if kept.Mode != "GOVERNANCE" || !kept.RetainUntil.Equal(until) || kept.Held || !held.Held || held.Mode != "" || free.Held || free.Mode != "" {
		t.Errorf("it says %+v, %+v, %+v", kept, held, free)
	}
	for _, v := range []object.Object{kept, held} {
		done, err := b.Remove(ctx, login, locked, []object.Ref{{Key: v.Key, VersionID: v.VersionID}})
		if !errors.Is(err, object.ErrLocked) {
			t.Errorf("%s: %v %v", v.Key, done, err)
		}
	}
	done, err := b.Remove(ctx, login, locked, []object.Ref{
		{Key: "kept", VersionID: kept.VersionID}, {Key: "free", VersionID: free.VersionID}, {Key: "held", VersionID: held.VersionID}, {Key: "kept"},
	})
	must(t, err)
	if !errors.Is(done[0].Err, object.ErrLocked) || done[1].Err != nil || !errors.Is(done[2].Err, object.ErrLocked) || done[3].Err != nil || !done[3].DeleteMarker {
		t.Errorf("it says %+v", done)
	}
	if _, err := b.Stat(ctx, login, locked, object.Ref{Key: "kept", VersionID: kept.VersionID}); err != nil {
		t.Errorf("the version: %v", err)
	}
}

// What an account's policy no longer allows, as when its quota is used up, is said so.
func TestAn_account_that_may_only_read_and_delete_is_told_so(t *testing.T) {
	s := testkit.MinIO(t)
	ctx := t.Context()
	b := backend(t, s)
	one := newTenant(t, b, name("full-"))
	login := object.Login{User: one.user, Secret: one.secret}
	put(t, root(t, s), one.bucket, "k")
	must(t, b.PutPolicy(ctx, one.policy, policy.Documents{}.Account([]string{one.bucket}, true)))
	_, err := b.Copy(ctx, login, object.Copying{FromBucket: one.bucket, From: object.Ref{Key: "k"}, ToBucket: one.bucket, Key: "c"})
	if !errors.Is(err, object.ErrAccessDenied) {
		t.Errorf("a copy: %v", err)
	}
	session, err := policy.Upload(one.bucket, "k")
	must(t, err)
	if _, err := b.Begin(ctx, object.Scope{Login: login, Policy: session}, object.NewUpload{Bucket: one.bucket, Key: "k"}); !errors.Is(err, object.ErrAccessDenied) {
		t.Errorf("an upload: %v", err)
	}
	if _, err := b.Stat(ctx, login, one.bucket, object.Ref{Key: "k"}); err != nil {
		t.Errorf("a look: %v", err)
	}
	if _, err := b.Remove(ctx, login, one.bucket, []object.Ref{{Key: "k"}}); err != nil {
		t.Errorf("a removal: %v", err)
	}
}
