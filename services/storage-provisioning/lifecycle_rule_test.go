package storage_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/lifecycle"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// rules is the rules of one bucket, called for as its owner.
type rules struct {
	w           *world
	acc, bucket string
	use         storagev1.LifecycleRuleServiceClient
}

func (w *world) rulesOf(acc, bucket string) rules {
	return rules{w: w, acc: acc, bucket: bucket, use: storagev1.NewLifecycleRuleServiceClient(w.conn)}
}

func (r rules) create(rule *storagev1.LifecycleRule) (*storagev1.LifecycleRule, error) {
	response, err := r.use.CreateLifecycleRule(r.w.as(r.acc), &storagev1.CreateLifecycleRuleRequest{AccountId: r.acc, Bucket: r.bucket, LifecycleRule: rule})
	return response.GetLifecycleRule(), err
}

func (r rules) update(id string, rule *storagev1.LifecycleRule, mask ...string) (*storagev1.LifecycleRule, error) {
	response, err := r.use.UpdateLifecycleRule(r.w.as(r.acc), &storagev1.UpdateLifecycleRuleRequest{
		AccountId: r.acc, Bucket: r.bucket, RuleId: id, LifecycleRule: rule, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask},
	})
	return response.GetLifecycleRule(), err
}

func (r rules) remove(id string) error {
	_, err := r.use.DeleteLifecycleRule(r.w.as(r.acc), &storagev1.DeleteLifecycleRuleRequest{AccountId: r.acc, Bucket: r.bucket, RuleId: id})
	return err
}

func (r rules) preview(rule *storagev1.LifecycleRule, limit int32) (*storagev1.LifecyclePreview, error) {
	response, err := r.use.PreviewLifecycleRule(r.w.as(r.acc), &storagev1.PreviewLifecycleRuleRequest{
		AccountId: r.acc, Bucket: r.bucket, LifecycleRule: rule, Limit: limit,
	})
	return response.GetPreview(), err
}

// onMinIO returns MinIO's rules of the bucket, by id.
func (r rules) onMinIO() map[string]lifecycle.Rule {
	r.w.t.Helper()
	found := map[string]lifecycle.Rule{}
	got, err := r.w.s3().GetBucketLifecycle(testkit.Context(r.w.t), r.bucket)
	if err != nil && client.ToErrorResponse(err).Code != "NoSuchLifecycleConfiguration" {
		r.w.t.Fatal(err)
	}
	if err == nil {
		for _, rule := range got.Rules {
			found[rule.ID] = rule
		}
	}
	return found
}

func TestLifecycleRules_are_kept_one_at_a_time(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	w.create(acc, "other-"+name())
	r := w.rulesOf(acc, w.create(acc, name()).GetName())
	first := &storagev1.LifecycleRule{
		Id: "first", Prefix: "logs/", Tags: map[string]string{"keep": "no", "team": "red"}, SizeGreaterThan: 10, SizeLessThan: 1000,
		ExpireAfterDays: 30, ExpireNoncurrentAfterDays: 7, KeepNewerNoncurrent: 2,
	}
	made, err := r.create(first)
	if err != nil || !proto.Equal(made, first) {
		t.Fatalf("made %v, %v", made, err)
	}
	before := r.onMinIO()["first"]
	untouched := func(t *testing.T) {
		t.Helper()
		got, err := r.use.GetLifecycleRule(w.as(acc), &storagev1.GetLifecycleRuleRequest{AccountId: acc, Bucket: r.bucket, RuleId: "first"})
		if err != nil || !proto.Equal(got.GetLifecycleRule(), first) {
			t.Errorf("the first rule is %v, %v", got, err)
		}
		if now := r.onMinIO()["first"]; fmt.Sprint(now) != fmt.Sprint(before) {
			t.Errorf("MinIO's first rule was\n%v and is\n%v", before, now)
		}
	}
	t.Run("adding one leaves the others", func(t *testing.T) {
		if _, err := r.create(&storagev1.LifecycleRule{Id: "markers", ExpireDeleteMarkers: true}); err != nil {
			t.Fatal(err)
		}
		if got := r.onMinIO()["markers"]; !bool(got.Expiration.DeleteMarker) {
			t.Errorf("MinIO has %v", got)
		}
		untouched(t)
	})
	t.Run("one that is there is not overwritten", func(t *testing.T) {
		_, err := r.create(&storagev1.LifecycleRule{Id: "first", ExpireAfterDays: 1})
		refused(t, err, errs.AlreadyExists, "LIFECYCLE_RULE_EXISTS")
		untouched(t)
	})
	t.Run("changing one changes what the mask names, and leaves the others", func(t *testing.T) {
		got, err := r.update("markers", &storagev1.LifecycleRule{Prefix: "old/", ExpireAfterDays: 99}, "prefix")
		if err != nil || got.GetPrefix() != "old/" || got.GetExpireAfterDays() != 0 || !got.GetExpireDeleteMarkers() {
			t.Errorf("it is %v, %v", got, err)
		}
		got, err = r.update("markers", &storagev1.LifecycleRule{Id: "ignored", ExpireAfterDays: 99})
		if err != nil || got.GetId() != "markers" || got.GetPrefix() != "" || got.GetExpireAfterDays() != 99 || got.GetExpireDeleteMarkers() {
			t.Errorf("replaced it is %v, %v", got, err)
		}
		for _, path := range []string{"id", "nothing"} {
			_, err = r.update("markers", &storagev1.LifecycleRule{}, path)
			refused(t, err, errs.InvalidArgument, "FIELD_NOT_UPDATABLE")
		}
		untouched(t)
	})
	t.Run("they are listed in pages, by id", func(t *testing.T) {
		page, err := r.use.ListLifecycleRules(w.as(acc), &storagev1.ListLifecycleRulesRequest{AccountId: acc, Bucket: r.bucket, PageSize: 1})
		if err != nil || len(page.GetLifecycleRules()) != 1 || page.GetLifecycleRules()[0].GetId() != "first" {
			t.Fatalf("listed %v, %v", page, err)
		}
		page, err = r.use.ListLifecycleRules(w.as(acc), &storagev1.ListLifecycleRulesRequest{
			AccountId: acc, Bucket: r.bucket, PageSize: 1, PageToken: page.GetNextPageToken(),
		})
		if err != nil || len(page.GetLifecycleRules()) != 1 || page.GetLifecycleRules()[0].GetId() != "markers" || page.GetNextPageToken() != "" {
			t.Errorf("listed %v, %v", page, err)
		}
	})
	t.Run("of two that are added at once both stay, or one is told to come again", func(t *testing.T) {
		var wait sync.WaitGroup
		answers := make([]error, 4)
		for i := range answers {
			wait.Go(func() {
				_, answers[i] = r.create(&storagev1.LifecycleRule{Id: fmt.Sprintf("at-once-%d", i), ExpireAfterDays: int32(i + 1)})
			})
		}
		wait.Wait()
		found, added := r.onMinIO(), 0
		for i, err := range answers {
			if _, there := found[fmt.Sprintf("at-once-%d", i)]; there != (err == nil) {
				t.Errorf("rule %d was answered %v, and MinIO has it: %v", i, err, there)
			}
			if err == nil {
				added++
			} else if errs.KindOf(err) != errs.Aborted {
				t.Errorf("rule %d was answered %v", i, err)
			}
		}
		if added == 0 {
			t.Error("none was added")
		}
		untouched(t)
	})
	t.Run("removing one leaves the others", func(t *testing.T) {
		if err := r.remove("markers"); err != nil {
			t.Fatal(err)
		}
		if _, there := r.onMinIO()["markers"]; there {
			t.Error("MinIO still has it")
		}
		refused(t, r.remove("markers"), errs.NotFound, "LIFECYCLE_RULE_NOT_FOUND")
		_, err := r.update("markers", &storagev1.LifecycleRule{ExpireAfterDays: 1})
		refused(t, err, errs.NotFound, "LIFECYCLE_RULE_NOT_FOUND")
		_, err = r.use.GetLifecycleRule(w.as(acc), &storagev1.GetLifecycleRuleRequest{AccountId: acc, Bucket: r.bucket, RuleId: "markers"})
		refused(t, err, errs.NotFound, "LIFECYCLE_RULE_NOT_FOUND")
		untouched(t)
	})
	t.Run("the same call with its key is the same call", func(t *testing.T) {
		request := &storagev1.CreateLifecycleRuleRequest{AccountId: acc, Bucket: r.bucket, LifecycleRule: &storagev1.LifecycleRule{Id: "again", ExpireAfterDays: 1}}
		for range 2 {
			if _, err := r.use.CreateLifecycleRule(withKey(w.as(acc), "rule-again"), request); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("a stale etag is refused", func(t *testing.T) {
		_, err := r.use.CreateLifecycleRule(w.as(acc), &storagev1.CreateLifecycleRuleRequest{
			AccountId: acc, Bucket: r.bucket, LifecycleRule: &storagev1.LifecycleRule{Id: "late", ExpireAfterDays: 1}, Etag: "1",
		})
		refused(t, err, errs.Aborted, "ETAG_MISMATCH")
	})
	t.Run("drift in one is repaired", func(t *testing.T) {
		if err := w.s3().SetBucketLifecycle(testkit.Context(t), r.bucket, lifecycle.NewConfiguration()); err != nil {
			t.Fatal(err)
		}
		w.repairsDrift(acc, r.bucket, "lifecycle_rules")
		untouched(t)
	})
	t.Run("another tenant finds nothing", func(t *testing.T) {
		other := w.rulesOf(account(), r.bucket)
		_, err := other.create(&storagev1.LifecycleRule{Id: "mine", ExpireAfterDays: 1})
		refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
		_, err = other.preview(&storagev1.LifecycleRule{Id: "mine", ExpireAfterDays: 1}, 0)
		refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
		_, err = other.use.ListLifecycleRules(w.as(other.acc), &storagev1.ListLifecycleRulesRequest{AccountId: other.acc, Bucket: r.bucket})
		refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
	})
}

func TestLifecycleRules_that_no_backend_carries_out_are_refused(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), func(s config.Source) { s["PRIMECLOUD_STORAGE_ABORT_UPLOADS"] = "1s" })
	acc := account()
	r := w.rulesOf(acc, w.create(acc, name()).GetName())
	for rule, broken := range map[string]*storagev1.LifecycleRule{
		"RULE_WITHOUT_ACTION":    {Id: "a"},
		"RULE_MARKERS_WITH_DAYS": {Id: "a", ExpireAfterDays: 1, ExpireDeleteMarkers: true},
		"RULE_TAGS_NEVER":        {Id: "a", ExpireDeleteMarkers: true, Tags: map[string]string{"k": "v"}},
		"RULE_SIZE":              {Id: "a", ExpireAfterDays: 1, SizeGreaterThan: 5, SizeLessThan: 6},
		"RULE_ABORT_DAYS":        {Id: "a", AbortIncompleteUploadAfterDays: 8},
		"RULE_SIZE_NEVER":        {Id: "a", AbortIncompleteUploadAfterDays: 1, SizeLessThan: 6},
		"TAG_CHARACTERS":         {Id: "a", ExpireAfterDays: 1, Tags: map[string]string{"ä": "v"}},
	} {
		_, err := r.create(broken)
		violated(t, err, "LIFECYCLE_RULE_INVALID", rule)
		_, err = r.preview(broken, 0)
		violated(t, err, "LIFECYCLE_RULE_INVALID", rule)
	}
	_, err := r.create(&storagev1.LifecycleRule{Id: "cold", Transition: &storagev1.LifecycleRule_Transition{Tier: "COLD", AfterDays: 3}})
	refused(t, err, errs.FailedPrecondition, "TIER_UNKNOWN")
	_, err = w.changeBucket(acc, r.bucket, &storagev1.Bucket{LifecycleRules: []*storagev1.LifecycleRule{
		{Id: "cold", Transition: &storagev1.LifecycleRule_Transition{Tier: "COLD", AfterDays: 3}},
	}}, "lifecycle_rules")
	refused(t, err, errs.FailedPrecondition, "TIER_UNKNOWN")
	if len(r.onMinIO()) > 0 {
		t.Errorf("MinIO has %v", r.onMinIO())
	}
	t.Run("aborting uploads is ours, so MinIO is told nothing of it", func(t *testing.T) {
		w.calls.writes()
		if _, err := r.create(&storagev1.LifecycleRule{Id: "uploads", AbortIncompleteUploadAfterDays: 1}); err != nil {
			t.Fatal(err)
		}
		if writes := w.calls.writes(); len(writes) > 0 || len(r.onMinIO()) > 0 {
			t.Errorf("MinIO was written %v", writes)
		}
		core := client.Core{Client: w.s3()}
		id, err := core.NewMultipartUpload(testkit.Context(t), r.bucket, "big", client.PutObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.preview(&storagev1.LifecycleRule{Id: "uploads", AbortIncompleteUploadAfterDays: 1}, 0)
		if err != nil || got.GetAbortIncompleteUploads().GetCount() != 0 {
			t.Errorf("one that is new would be aborted: %v, %v", got, err)
		}
		w.calls.taken()
		testkit.Eventually(t, patience, func() error {
			if names := w.calls.taken(); !slices.Contains(names, "minio.ListUploads") {
				return fmt.Errorf("uploads are not looked for: %v", names)
			}
			return nil
		})
		if list, err := core.ListMultipartUploads(testkit.Context(t), r.bucket, "", "", "", "", 10); err != nil || len(list.Uploads) != 1 || list.Uploads[0].UploadID != id {
			t.Errorf("MinIO has %v, %v", list, err)
		}
	})
}

func TestLifecyclePreview_says_what_a_rule_would_do_and_does_nothing(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	made, err := w.makeAsked(acc, &storagev1.CreateBucketRequest{Versioning: storagev1.Versioning_VERSIONING_ENABLED})
	if err != nil {
		t.Fatal(err)
	}
	r := w.rulesOf(acc, made.GetName())
	for range 4 {
		w.put(r.bucket, "logs/a")
	}
	w.put(r.bucket, "logs/b")
	w.put(r.bucket, "other")
	gone, err := w.s3().PutObject(testkit.Context(t), r.bucket, "logs/gone", http.NoBody, 0, putOptions)
	if err != nil {
		t.Fatal(err)
	}
	for _, options := range []client.RemoveObjectOptions{removeLatest, {VersionID: gone.VersionID}} {
		if err := w.s3().RemoveObject(testkit.Context(t), r.bucket, "logs/gone", options); err != nil {
			t.Fatal(err)
		}
	}
	w.calls.writes()
	t.Run("old versions beyond those to keep", func(t *testing.T) {
		got, err := r.preview(&storagev1.LifecycleRule{Id: "a", Prefix: "logs/", KeepNewerNoncurrent: 1}, 0)
		if err != nil || got.GetExpireNoncurrent().GetCount() != 2 || got.GetExpireNoncurrent().GetBytes() != 14 ||
			got.GetExpire().GetCount() != 0 || got.GetExamined() != 6 || !got.GetComplete() {
			t.Errorf("it would do %v, %v", got, err)
		}
	})
	t.Run("delete markers without a version", func(t *testing.T) {
		got, err := r.preview(&storagev1.LifecycleRule{Id: "a", ExpireDeleteMarkers: true}, 0)
		if err != nil || got.GetExpireDeleteMarkers().GetCount() != 1 || got.GetExamined() != 7 {
			t.Errorf("it would do %v, %v", got, err)
		}
	})
	t.Run("it looks at no more than it is told to, and says so", func(t *testing.T) {
		got, err := r.preview(&storagev1.LifecycleRule{Id: "a", KeepNewerNoncurrent: 1}, 5)
		if err != nil || got.GetComplete() || got.GetExamined() != 5 || got.GetExpireNoncurrent().GetCount() != 2 {
			t.Errorf("it would do %v, %v", got, err)
		}
	})
	t.Run("nothing of it was done", func(t *testing.T) {
		if writes := w.calls.writes(); len(writes) > 0 || len(r.onMinIO()) > 0 {
			t.Errorf("MinIO was written %v", writes)
		}
	})
	t.Run("MinIO does what was foretold", func(t *testing.T) {
		for _, rule := range []*storagev1.LifecycleRule{{Id: "keep", Prefix: "logs/", KeepNewerNoncurrent: 1}, {Id: "markers", ExpireDeleteMarkers: true}} {
			if _, err := r.create(rule); err != nil {
				t.Fatal(err)
			}
		}
		testkit.Eventually(t, 3*time.Minute, func() error {
			var left []string
			for o := range w.s3().ListObjectsIter(testkit.Context(t), r.bucket, client.ListObjectsOptions{WithVersions: true, Recursive: true}) {
				if o.Err != nil {
					return o.Err
				}
				left = append(left, o.Key)
			}
			if !slices.Equal(left, []string{"logs/a", "logs/a", "logs/b", "other"}) {
				return fmt.Errorf("MinIO has left %v", left)
			}
			return nil
		})
	})
}
