package storage_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
)

func TestWhatHappensToAShareIsToldWithoutWhatOpensIt(t *testing.T) {
	l := newLinks(t)
	l.put(l.bucket, "k")
	const password, wrong, later = "canary-of-a-password", "canary-of-a-guess", "canary-of-another"
	made := l.share(ofObject, "k", func(r *storagev1.CreateShareRequest) { r.Password = password })
	token, id := made.GetToken(), made.GetShare().GetId()
	got, err := l.open(token, withPassword(password))
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.open(token, withPassword(wrong))
	refused(t, err, errs.PermissionDenied, "SHARE_PASSWORD_WRONG")
	update := &storagev1.UpdateShareRequest{
		AccountId: l.acc, ShareId: id, Share: &storagev1.Share{DisplayName: "trip", Password: later, AllowedNetworks: []string{"10.0.0.0/8"}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"display_name", "password", "allowed_networks"}}, Etag: made.GetShare().GetEtag(),
	}
	ctx := withKey(l.as(l.acc), "update")
	for range 2 { // the second time by the same key, which is the same call
		changed, err := l.shares.UpdateShare(ctx, update)
		if s := changed.GetShare(); err != nil || s.GetDisplayName() != "trip" || s.GetEtag() != "2" || !slices.Equal(s.GetAllowedNetworks(), []string{"10.0.0.0/8"}) {
			t.Errorf("changed %v, %v", changed, err)
		}
	}
	_, err = l.shares.UpdateShare(l.as(l.acc), update)
	refused(t, err, errs.Aborted, "ETAG_MISMATCH")
	_, err = l.shares.UpdateShare(l.as(l.acc), &storagev1.UpdateShareRequest{
		AccountId: l.acc, ShareId: id, Share: &storagev1.Share{}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"path"}},
	})
	refused(t, err, errs.InvalidArgument, "FIELD_NOT_UPDATABLE")
	if _, err := l.shares.RevokeShare(l.asRole(l.acc, "developer"), &storagev1.RevokeShareRequest{AccountId: l.acc, ShareId: id}); err != nil {
		t.Fatal(err)
	}
	keyID := got.GetDownload().GetUrl()
	keyID = keyID[strings.Index(keyID, "X-Amz-Credential=")+len("X-Amz-Credential="):]
	keyID, _, _ = strings.Cut(keyID, "%2F")
	testkit.Eventually(t, patience, func() error {
		events, err := l.published()
		if err != nil {
			return err
		}
		said := trail(t, events, l.acc)
		verbs := []string{}
		for _, e := range events {
			if verb, ok := strings.CutPrefix(e.Type, "primecloud.storage.share."); ok {
				verbs = append(verbs, fmt.Sprintf("%s %d %s", verb, e.Aggregate.Version, nameIn(t, e)))
			}
			for _, secret := range []string{token, password, wrong, later, keyID, "X-Amz-Signature"} {
				if bytes.Contains(e.Payload, []byte(secret)) {
					t.Fatalf("%s carries %s", e.Type, secret)
				}
			}
		}
		if want := []string{"created.v1 1 holiday", "updated.v1 2 trip", "revoked.v1 3 trip"}; !slices.Equal(verbs, want) {
			return fmt.Errorf("the events are %q", verbs)
		}
		for _, want := range []string{"share.create", "share.download", "share.resolve", "share.update", "share.revoke"} {
			if !slices.ContainsFunc(said, func(line string) bool { return strings.HasPrefix(line, want+" ") }) {
				return fmt.Errorf("the trail says %q", said)
			}
		}
		return nil
	})
	if n := l.row(`select count(*)::text from storage.operation where convert_to($1, 'UTF8') = request_hash or resource_kind = 'share' and resource_id <> $2`, password, id); n != "0" {
		t.Errorf("%s operations are not the share's", n)
	}
}

func nameIn(t *testing.T, e event.Event) string {
	t.Helper()
	var payload storagev1.ShareChanged
	if err := proto.Unmarshal(e.Payload, &payload); err != nil {
		t.Fatal(err)
	}
	return payload.GetShare().GetDisplayName()
}

func TestSharesAreTheAccountsOwn(t *testing.T) {
	l := newLinks(t)
	l.put(l.bucket, "k")
	made, other := l.share(ofObject, "k"), l.share(ofPrefix, "")
	stranger, their := account(), name()
	l.create(stranger, their)
	id := made.GetShare().GetId()
	for what, err := range map[string]error{
		"get": second(l.shares.GetShare(l.as(stranger), &storagev1.GetShareRequest{AccountId: stranger, ShareId: id})),
		"update": second(l.shares.UpdateShare(l.as(stranger), &storagev1.UpdateShareRequest{
			AccountId: stranger, ShareId: id, Share: &storagev1.Share{DisplayName: "x"},
		})),
		"revoke": second(l.shares.RevokeShare(l.as(stranger), &storagev1.RevokeShareRequest{AccountId: stranger, ShareId: id})),
		"log":    second(l.shares.ListShareAccesses(l.as(stranger), &storagev1.ListShareAccessesRequest{AccountId: stranger, ShareId: id})),
	} {
		t.Run(what, func(t *testing.T) { refused(t, err, errs.NotFound, "SHARE_NOT_FOUND") })
	}
	_, err := l.shares.CreateShare(l.as(stranger), &storagev1.CreateShareRequest{AccountId: stranger, Bucket: l.bucket, Scope: ofPrefix})
	refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
	var ids []string
	token := ""
	for {
		page, err := l.shares.ListShares(l.asRole(l.acc, "viewer"), &storagev1.ListSharesRequest{AccountId: l.acc, Bucket: l.bucket, PageSize: 1, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.GetShares() {
			ids = append(ids, s.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(ids, []string{id, other.GetShare().GetId()}) {
		t.Errorf("listed %v", ids)
	}
	for _, query := range []*storagev1.ListSharesRequest{{AccountId: l.acc, Bucket: their}, {AccountId: stranger}} {
		page, err := l.shares.ListShares(l.as(query.GetAccountId()), query)
		if err != nil || len(page.GetShares()) != 0 {
			t.Errorf("%v lists %v, %v", query, page, err)
		}
	}
	for what, change := range map[string]func(*storagev1.CreateShareRequest){
		"the past":    func(r *storagev1.CreateShareRequest) { r.ExpireTime = timestamppb.New(time.Now().Add(-time.Second)) },
		"a size":      func(r *storagev1.CreateShareRequest) { r.MaxUploadBytes = 5 },
		"a whole TiB": func(r *storagev1.CreateShareRequest) { r.Scope, r.Path, r.MaxUploadBytes = forUpload, "", 1<<40 },
	} {
		r := &storagev1.CreateShareRequest{AccountId: l.acc, Bucket: l.bucket, Scope: ofObject, Path: "k"}
		change(r)
		_, err := l.shares.CreateShare(l.as(l.acc), r)
		t.Run(what, func(t *testing.T) { refused(t, err, errs.InvalidArgument, "SHARE_INVALID") })
	}
	t.Run("what has long ended is swept, and what has not stays", func(t *testing.T) {
		if _, err := l.open(made.GetToken()); err != nil {
			t.Fatal(err)
		}
		l.exec(`update storage.object_share set revoked_at = now() - interval '91 days' where id = $1`, other.GetShare().GetId())
		l.exec(`update storage.object_share_access set at = now() - interval '91 days' where share_id = $1`, id)
		if _, err := l.open(made.GetToken()); err != nil {
			t.Fatal(err)
		}
		db, err := pg.Open(testkit.Context(t), pg.Config{URL: l.database.AppURL, ApplicationName: "test"}, pg.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		stores := postgres.New(postgres.Config{DB: db, Clock: clock.System(), Committed: func() {}})
		if err := stores.Shares.Sweep(testkit.Context(t), time.Now().Add(-share.Kept), time.Now().Add(-time.Hour), 10); err != nil {
			t.Fatal(err)
		}
		left := l.row(`select (select string_agg(id, ' ') from storage.object_share) || ' ' || (select count(*) from storage.object_share_access)`)
		if left != id+" 1" {
			t.Errorf("left are %s", left)
		}
	})
}

// second returns the error of a call.
func second[T any](_ T, err error) error { return err }
