package storage_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/sse"
	"github.com/minio/minio-go/v7/pkg/tags"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// makeAsked makes a bucket as the request says; account and name are added.
func (w *world) makeAsked(acc string, request *storagev1.CreateBucketRequest) (*storagev1.Bucket, error) {
	request.AccountId = acc
	if request.GetName() == "" {
		request.Name = name()
	}
	response, err := w.buckets.CreateBucket(w.as(acc), request)
	return response.GetBucket(), err
}

// changeBucket changes the fields of a bucket that the mask names.
func (w *world) changeBucket(acc, bucket string, to *storagev1.Bucket, mask ...string) (*storagev1.Bucket, error) {
	response, err := w.buckets.UpdateBucket(w.as(acc), &storagev1.UpdateBucketRequest{
		AccountId: acc, BucketName: bucket, Bucket: to, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask},
	})
	return response.GetBucket(), err
}

// violated fails the test unless err names the rule.
func violated(t *testing.T, err error, reason, rule string) {
	t.Helper()
	e := refused(t, err, errs.InvalidArgument, reason)
	for _, v := range e.Violations() {
		if v.Rule == rule {
			return
		}
	}
	t.Errorf("the violations are %v, want %s", e.Violations(), rule)
}

func TestBucketTags_are_the_owners_beside_our_mark(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	made, err := w.makeAsked(acc, &storagev1.CreateBucketRequest{Tags: map[string]string{"team": "red"}})
	if err != nil || made.GetTags()["team"] != "red" {
		t.Fatalf("made %v, %v", made, err)
	}
	bucket := made.GetName()
	has := func(want map[string]string) {
		t.Helper()
		got, err := w.s3().GetBucketTagging(testkit.Context(t), bucket)
		if err != nil {
			t.Fatal(err)
		}
		all := got.ToMap()
		if all["primecloud-id"] != made.GetId() || all["primecloud-account"] != acc || len(all) != len(want)+2 {
			t.Errorf("MinIO has %v", all)
		}
		for key, value := range want {
			if all[key] != value {
				t.Errorf("MinIO has %v", all)
			}
		}
	}
	has(map[string]string{"team": "red"})
	if _, err := w.changeBucket(acc, bucket, &storagev1.Bucket{Tags: map[string]string{"team": "blue", "cost": "7"}}, "tags"); err != nil {
		t.Fatal(err)
	}
	has(map[string]string{"team": "blue", "cost": "7"})
	t.Run("what is ours cannot be set", func(t *testing.T) {
		for _, key := range []string{"primecloud-id", "primecloud-account", "primecloud-more", "aws:x"} {
			_, err := w.changeBucket(acc, bucket, &storagev1.Bucket{Tags: map[string]string{key: "mine"}}, "tags")
			violated(t, err, "BUCKET_SETTING_INVALID", "TAG_RESERVED")
		}
		_, err := w.changeBucket(acc, bucket, &storagev1.Bucket{Tags: map[string]string{"ä": ""}}, "tags")
		violated(t, err, "BUCKET_SETTING_INVALID", "TAG_CHARACTERS")
		has(map[string]string{"team": "blue", "cost": "7"})
	})
	t.Run("drift in them is repaired, the mark too", func(t *testing.T) {
		set, err := tags.NewTags(map[string]string{"primecloud-id": made.GetId(), "primecloud-account": acc, "team": "theirs"}, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.s3().SetBucketTagging(testkit.Context(t), bucket, set); err != nil {
			t.Fatal(err)
		}
		w.repairsDrift(acc, bucket, "tags")
		has(map[string]string{"team": "blue", "cost": "7"})
	})
	t.Run("they go", func(t *testing.T) {
		got, err := w.changeBucket(acc, bucket, &storagev1.Bucket{}, "tags")
		if err != nil || len(got.GetTags()) > 0 {
			t.Fatalf("got %v, %v", got, err)
		}
		has(nil)
	})
}

// repairsDrift has a bucket compared, and fails the test unless a drift of the field was found and
// repaired.
func (w *world) repairsDrift(acc, bucket, field string) {
	w.t.Helper()
	testkit.Eventually(w.t, patience, func() error {
		_, err := w.buckets.ReconcileBucket(w.as(acc), &storagev1.ReconcileBucketRequest{AccountId: acc, Bucket: bucket})
		return err
	})
	list, err := w.drifts.ListDrifts(w.as(acc), &storagev1.ListDriftsRequest{AccountId: acc})
	if err != nil || !slices.ContainsFunc(list.GetDrifts(), func(d *storagev1.Drift) bool {
		return d.GetResourceName() == bucket && d.GetField() == field && d.GetRepairTime() != nil
	}) {
		w.t.Errorf("no drift of %s that was repaired: %v, %v", field, list.GetDrifts(), err)
	}
}

func TestBucketLabels_cost_the_backend_nothing_and_can_be_listed_by(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	red, err := w.makeAsked(acc, &storagev1.CreateBucketRequest{Labels: map[string]string{"env": "prod", "team": "red"}})
	if err != nil {
		t.Fatal(err)
	}
	w.create(acc, name())
	w.calls.writes()
	got, err := w.changeBucket(acc, red.GetName(), &storagev1.Bucket{Labels: map[string]string{"env": "test", "team": "red"}}, "labels")
	if err != nil || got.GetLabels()["env"] != "test" || got.GetEtag() == red.GetEtag() {
		t.Fatalf("got %v, %v", got, err)
	}
	if names := w.calls.taken(); slices.Contains(names, "minio.ObserveBucket") {
		t.Errorf("MinIO was asked %v", names)
	}
	for _, c := range []struct {
		labels map[string]string
		want   int
	}{
		{nil, 2},
		{map[string]string{"team": "red"}, 1},
		{map[string]string{"team": "red", "env": "test"}, 1},
		{map[string]string{"team": "red", "env": "prod"}, 0},
		{map[string]string{"team": "' or true --"}, 0},
	} {
		list, err := w.buckets.ListBuckets(w.as(acc), &storagev1.ListBucketsRequest{AccountId: acc, Labels: c.labels})
		if err != nil || len(list.GetBuckets()) != c.want {
			t.Errorf("with %v: %v, %v", c.labels, list, err)
		}
	}
	t.Run("a token belongs to its labels", func(t *testing.T) {
		first, err := w.buckets.ListBuckets(w.as(acc), &storagev1.ListBucketsRequest{AccountId: acc, PageSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.buckets.ListBuckets(w.as(acc), &storagev1.ListBucketsRequest{
			AccountId: acc, PageToken: first.GetNextPageToken(), Labels: map[string]string{"team": "red"},
		})
		refused(t, err, errs.InvalidArgument, "PAGE_TOKEN_INVALID")
	})
	t.Run("a key that is none is refused", func(t *testing.T) {
		_, err := w.changeBucket(acc, red.GetName(), &storagev1.Bucket{Labels: map[string]string{"Not One": "x"}}, "labels")
		refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
	})
}

func TestObjectLock_comes_with_the_bucket_and_stays(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	governed := &storagev1.ObjectLock{DefaultRetention: &storagev1.DefaultRetention{Mode: storagev1.RetentionMode_RETENTION_MODE_GOVERNANCE, Days: 1}}
	made, err := w.makeAsked(acc, &storagev1.CreateBucketRequest{ObjectLock: governed})
	if err != nil || !proto.Equal(made.GetObjectLock(), governed) || made.GetVersioning() != storagev1.Versioning_VERSIONING_ENABLED {
		t.Fatalf("made %v, %v", made, err)
	}
	bucket := made.GetName()
	t.Run("what is put into it cannot be removed", func(t *testing.T) {
		put, err := w.s3().PutObject(testkit.Context(t), bucket, "kept", http.NoBody, 0, putOptions)
		if err != nil {
			t.Fatal(err)
		}
		err = w.s3().RemoveObject(testkit.Context(t), bucket, "kept", client.RemoveObjectOptions{VersionID: put.VersionID})
		if said, ok := errors.AsType[client.ErrorResponse](err); !ok || said.StatusCode < 400 {
			t.Errorf("it was removed: %v", err)
		}
	})
	t.Run("its default retention changes", func(t *testing.T) {
		years := &storagev1.ObjectLock{DefaultRetention: &storagev1.DefaultRetention{Mode: storagev1.RetentionMode_RETENTION_MODE_COMPLIANCE, Years: 1}}
		got, err := w.changeBucket(acc, bucket, &storagev1.Bucket{ObjectLock: years}, "object_lock")
		if err != nil || !proto.Equal(got.GetObjectLock(), years) {
			t.Fatalf("got %v, %v", got, err)
		}
		_, mode, validity, unit, err := w.s3().GetObjectLockConfig(testkit.Context(t), bucket)
		if err != nil || *mode != client.Compliance || *validity != 1 || *unit != client.Years {
			t.Errorf("MinIO has %v %v %v, %v", mode, validity, unit, err)
		}
	})
	t.Run("drift in it is repaired", func(t *testing.T) {
		if err := w.s3().SetBucketObjectLockConfig(testkit.Context(t), bucket, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
		w.repairsDrift(acc, bucket, "object_lock")
		if _, mode, _, _, err := w.s3().GetObjectLockConfig(testkit.Context(t), bucket); err != nil || mode == nil || *mode != client.Compliance {
			t.Errorf("MinIO has %v, %v", mode, err)
		}
	})
	t.Run("neither it nor its versioning can be taken away", func(t *testing.T) {
		_, err := w.changeBucket(acc, bucket, &storagev1.Bucket{}, "object_lock")
		refused(t, err, errs.FailedPrecondition, "OBJECT_LOCK_IRREVERSIBLE")
		_, err = w.changeBucket(acc, bucket, &storagev1.Bucket{Versioning: storagev1.Versioning_VERSIONING_SUSPENDED}, "versioning")
		refused(t, err, errs.FailedPrecondition, "OBJECT_LOCK_IRREVERSIBLE")
	})
	t.Run("a bucket without one gets none later", func(t *testing.T) {
		plain := w.create(acc, name())
		_, err := w.changeBucket(acc, plain.GetName(), &storagev1.Bucket{ObjectLock: governed}, "object_lock")
		refused(t, err, errs.FailedPrecondition, "OBJECT_LOCK_ONLY_AT_CREATION")
	})
	t.Run("a retention needs a mode and one period", func(t *testing.T) {
		both := &storagev1.DefaultRetention{Mode: storagev1.RetentionMode_RETENTION_MODE_GOVERNANCE, Days: 1, Years: 1}
		_, err := w.makeAsked(acc, &storagev1.CreateBucketRequest{ObjectLock: &storagev1.ObjectLock{DefaultRetention: both}})
		violated(t, err, "BUCKET_SETTING_INVALID", "RETENTION_PERIOD")
		_, err = w.makeAsked(acc, &storagev1.CreateBucketRequest{ObjectLock: &storagev1.ObjectLock{DefaultRetention: &storagev1.DefaultRetention{Days: 1}}})
		violated(t, err, "BUCKET_SETTING_INVALID", "RETENTION_MODE")
		_, err = w.makeAsked(acc, &storagev1.CreateBucketRequest{ObjectLock: governed, Versioning: storagev1.Versioning_VERSIONING_SUSPENDED})
		violated(t, err, "BUCKET_SETTING_INVALID", "LOCK_NEEDS_VERSIONING")
	})
}

func TestDefaultEncryption_is_had_where_the_backend_has_a_key_management(t *testing.T) {
	t.Run("without one it is refused before anything is made", func(t *testing.T) {
		w := newWorld(t, testkit.MinIO(t))
		acc, bucket := account(), name()
		w.calls.writes()
		_, err := w.makeAsked(acc, &storagev1.CreateBucketRequest{Name: bucket, DefaultEncryption: storagev1.DefaultEncryption_DEFAULT_ENCRYPTION_SSE_S3})
		refused(t, err, errs.FailedPrecondition, "ENCRYPTION_UNSUPPORTED")
		if writes := w.calls.writes(); len(writes) > 0 || w.exists(bucket) {
			t.Errorf("MinIO was written %v", writes)
		}
		made := w.create(acc, bucket)
		_, err = w.changeBucket(acc, bucket, &storagev1.Bucket{DefaultEncryption: storagev1.DefaultEncryption_DEFAULT_ENCRYPTION_SSE_S3}, "default_encryption")
		refused(t, err, errs.FailedPrecondition, "ENCRYPTION_UNSUPPORTED")
		if made.GetDefaultEncryption() != storagev1.DefaultEncryption_DEFAULT_ENCRYPTION_NONE {
			t.Errorf("made %v", made)
		}
		list, err := w.backends.ListBackends(w.as(acc), &storagev1.ListBackendsRequest{})
		if err != nil || list.GetBackends()[0].GetFeatures() == nil || list.GetBackends()[0].GetFeatures().GetDefaultEncryption() {
			t.Errorf("it is listed as %v, %v", list, err)
		}
		_, err = w.makeAsked(acc, &storagev1.CreateBucketRequest{CorsRules: []*storagev1.CorsRule{{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}}}})
		refused(t, err, errs.FailedPrecondition, "CORS_UNSUPPORTED")
		_, err = w.changeBucket(acc, bucket, &storagev1.Bucket{CorsRules: []*storagev1.CorsRule{{AllowedOrigins: []string{"*"}}}}, "cors_rules")
		refused(t, err, errs.FailedPrecondition, "CORS_UNSUPPORTED")
	})
	t.Run("with one it is set, repaired and taken away", func(t *testing.T) {
		w := newWorld(t, testkit.NewMinIO(t, testkit.WithKMS))
		acc := account()
		list, err := w.backends.ListBackends(w.as(acc), &storagev1.ListBackendsRequest{})
		if err != nil || !list.GetBackends()[0].GetFeatures().GetDefaultEncryption() {
			t.Errorf("it is listed as %v, %v", list, err)
		}
		made, err := w.makeAsked(acc, &storagev1.CreateBucketRequest{DefaultEncryption: storagev1.DefaultEncryption_DEFAULT_ENCRYPTION_SSE_S3})
		if err != nil || made.GetDefaultEncryption() != storagev1.DefaultEncryption_DEFAULT_ENCRYPTION_SSE_S3 {
			t.Fatalf("made %v, %v", made, err)
		}
		w.put(made.GetName(), "k")
		found, err := w.s3().StatObject(testkit.Context(t), made.GetName(), "k", client.StatObjectOptions{})
		if err != nil || found.Metadata.Get("X-Amz-Server-Side-Encryption") != "AES256" {
			t.Errorf("the object has %v, %v", found.Metadata, err)
		}
		if err := w.s3().SetBucketEncryption(testkit.Context(t), made.GetName(), sse.NewConfigurationSSEKMS("primecloud-test")); err != nil {
			t.Fatal(err)
		}
		w.repairsDrift(acc, made.GetName(), "default_encryption")
		got, err := w.changeBucket(acc, made.GetName(), &storagev1.Bucket{}, "default_encryption")
		if err != nil || got.GetDefaultEncryption() != storagev1.DefaultEncryption_DEFAULT_ENCRYPTION_NONE {
			t.Fatalf("got %v, %v", got, err)
		}
		if _, err := w.s3().GetBucketEncryption(testkit.Context(t), made.GetName()); err == nil {
			t.Error("MinIO still has it")
		}
	})
}

// anybodyGets returns what everybody is answered.
func (w *world) anybodyGets(bucket, path string) int {
	w.t.Helper()
	response, err := http.DefaultClient.Do(w.request(http.MethodGet, w.minio.Endpoint()+"/"+bucket+path))
	if err != nil {
		w.t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// openToAll opens a bucket to everybody, or closes it.
func (w *world) openToAll(acc, bucket string, read bool, prefix string) (*storagev1.Bucket, error) {
	response, err := w.buckets.SetBucketPublicAccess(w.as(acc), &storagev1.SetBucketPublicAccessRequest{
		AccountId: acc, Bucket: bucket, Read: read, Prefix: prefix,
	})
	return response.GetBucket(), err
}

func TestPublicAccess_is_an_act_of_its_own(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	w.put(bucket, "pub/a")
	w.put(bucket, "private")
	got, err := w.openToAll(acc, bucket, true, "pub/")
	if err != nil || !got.GetPublicAccess().GetRead() || got.GetPublicAccess().GetPrefix() != "pub/" || got.GetPublicAccess().GetStopped() {
		t.Fatalf("got %v, %v", got, err)
	}
	answers := func(t *testing.T, pub, private, list int) {
		t.Helper()
		if a, b, c := w.anybodyGets(bucket, "/pub/a"), w.anybodyGets(bucket, "/private"), w.anybodyGets(bucket, "/"); a != pub || b != private || c != list {
			t.Errorf("everybody is answered %d, %d and for the list %d", a, b, c)
		}
	}
	answers(t, 200, 403, 403)
	t.Run("the trail has it as a warning, with before and after", func(t *testing.T) {
		w.tells(acc, 1, "bucket.set_public_access STARTED by usr_"+acc)
		w.tells(acc, 1, "bucket.set_public_access SUCCEEDED by usr_"+acc)
		w.warns(acc, "bucket.set_public_access", auditv1.AuditEntry_SEVERITY_WARNING)
	})
	t.Run("nobody but owner and admin may, and not by the way of an update", func(t *testing.T) {
		for _, role := range []string{"developer", "viewer", "billing", "external"} {
			_, err := w.buckets.SetBucketPublicAccess(w.asRole(acc, role), &storagev1.SetBucketPublicAccessRequest{AccountId: acc, Bucket: bucket, Read: true})
			refused(t, err, errs.PermissionDenied, "ROLE_NOT_ALLOWED")
		}
		_, err := w.changeBucket(acc, bucket, &storagev1.Bucket{PublicAccess: &storagev1.PublicAccess{Read: true}}, "public_access")
		refused(t, err, errs.InvalidArgument, "FIELD_NOT_UPDATABLE")
	})
	t.Run("a prefix that the backend would take for a pattern is refused", func(t *testing.T) {
		for _, prefix := range []string{"*", "a?", "${aws:username}", "../other", "a//b", "a/./b", "a\nb"} {
			_, err := w.openToAll(acc, bucket, true, prefix)
			refused(t, err, errs.InvalidArgument, "PUBLIC_PREFIX_INVALID")
		}
		answers(t, 200, 403, 403)
	})
	t.Run("drift in it is repaired, whatever was put in its place", func(t *testing.T) {
		if err := w.s3().SetBucketPolicy(testkit.Context(t), bucket, ""); err != nil {
			t.Fatal(err)
		}
		w.repairsDrift(acc, bucket, "public_access")
		answers(t, 200, 403, 403)
		everything := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::` +
			bucket + `","arn:aws:s3:::` + bucket + `/*"]}]}`
		if err := w.s3().SetBucketPolicy(testkit.Context(t), bucket, everything); err != nil {
			t.Fatal(err)
		}
		answers(t, 200, 200, 200)
		w.repairsDrift(acc, bucket, "public_access")
		answers(t, 200, 403, 403)
	})
	t.Run("it stops with the account and comes back as it was", func(t *testing.T) {
		drifts := w.row(`select count(*)::text from storage.drift where account_id = $1`, acc)
		for i, step := range []struct {
			state identityv1.AccountState
			verb  string
			want  int
		}{{suspended, "suspended", 403}, {active, "restored", 200}} {
			w.says(stands(acc, step.verb, step.state, int64(10+i)))
			testkit.Eventually(t, patience, func() error {
				if got := w.anybodyGets(bucket, "/pub/a"); got != step.want {
					return fmt.Errorf("%s: everybody is answered %d, want %d", step.verb, got, step.want)
				}
				return nil
			})
			shown, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
			if p := shown.GetBucket().GetPublicAccess(); err != nil || !p.GetRead() || p.GetStopped() != (step.want == 403) {
				t.Errorf("%s: it is shown as %v, %v", step.verb, p, err)
			}
		}
		answers(t, 200, 403, 403)
		if after := w.row(`select count(*)::text from storage.drift where account_id = $1`, acc); after != drifts {
			t.Errorf("that counts as drift: %s findings, %s before", after, drifts)
		}
	})
	t.Run("it is closed again", func(t *testing.T) {
		got, err := w.openToAll(acc, bucket, false, "ignored")
		if err != nil || got.GetPublicAccess().GetRead() || got.GetPublicAccess().GetPrefix() != "" {
			t.Fatalf("got %v, %v", got, err)
		}
		answers(t, 403, 403, 403)
		w.tells(acc, 2, "bucket.set_public_access SUCCEEDED by usr_"+acc)
		w.warns(acc, "bucket.set_public_access", auditv1.AuditEntry_SEVERITY_NOTICE)
	})
}

// warns fails the test unless the last entry of the action has the severity, and tells of
// before and after.
func (w *world) warns(acc, action string, want auditv1.AuditEntry_Severity) {
	w.t.Helper()
	events, err := w.published()
	if err != nil {
		w.t.Fatal(err)
	}
	var last *auditv1.AuditEntry
	for _, e := range events {
		var payload auditv1.AuditRecorded
		if e.AccountID != acc || e.Type != "primecloud.storage.audit.recorded.v1" {
			continue
		}
		if err := proto.Unmarshal(e.Payload, &payload); err != nil {
			w.t.Fatal(err)
		}
		if entry := payload.GetAuditEntry(); entry.GetAction() == action && entry.GetAfter() != nil {
			last = entry
		}
	}
	if last.GetSeverity() != want {
		w.t.Errorf("the last entry of %s is %v, want %v", action, last, want)
	}
}

func TestEventsOfABucketCarryItsSettings(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	made, err := w.makeAsked(acc, &storagev1.CreateBucketRequest{
		Tags: map[string]string{"team": "red"}, Labels: map[string]string{"env": "prod"}, ObjectLock: &storagev1.ObjectLock{},
		LifecycleRules: []*storagev1.LifecycleRule{{Id: "a", AbortIncompleteUploadAfterDays: 2, Tags: nil}},
	})
	if err != nil {
		t.Fatal(err)
	}
	open, err := w.openToAll(acc, made.GetName(), true, "pub/")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		events, err := w.published()
		if err != nil {
			return err
		}
		told := 0
		for _, e := range events {
			var payload storagev1.BucketChanged
			if e.Aggregate.Kind != "bucket" || e.Aggregate.ID != made.GetId() {
				continue
			}
			if err := proto.Unmarshal(e.Payload, &payload); err != nil {
				return err
			}
			for _, want := range []*storagev1.Bucket{made, open} {
				got := payload.GetBucket()
				if got.GetEtag() == want.GetEtag() && proto.Equal(got.GetPublicAccess(), want.GetPublicAccess()) && got.GetObjectLock() != nil &&
					got.GetTags()["team"] == "red" && got.GetLabels()["env"] == "prod" && got.GetLifecycleRules()[0].GetAbortIncompleteUploadAfterDays() == 2 {
					told++
				}
			}
		}
		if told != 2 {
			return fmt.Errorf("%d of 2 changes are told with their settings", told)
		}
		return nil
	})
}

func TestAPlainBucketCostsTheBackendOneLookAndOneMark(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	w.create(acc, name())
	w.calls.taken()
	w.create(acc, name())
	var calls []string
	for _, call := range w.calls.taken() {
		if call == "minio.ObserveBucket" || call == "minio.MakeBucket" || call == "minio.MarkBucket" || call == "minio.Features" || len(call) > 9 && call[:9] == "minio.Set" {
			calls = append(calls, call)
		}
	}
	if !slices.Equal(calls, []string{"minio.ObserveBucket", "minio.MakeBucket", "minio.MarkBucket", "minio.ObserveBucket"}) {
		t.Errorf("MinIO was asked %v", calls)
	}
}

// taken returns all calls since the last time.
func (c *calls) taken() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := c.names
	c.names = nil
	return names
}
