package storage_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// store puts an object through a presigned URL and returns its version.
func (w *world) store(acc, bucket, key, content string) string {
	w.t.Helper()
	up, err := w.objects.PresignUpload(w.as(acc), &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: key, ContentType: "text/plain"})
	if err != nil {
		w.t.Fatal(err)
	}
	status, answer, header := send(w.t, up.GetMethod(), up.GetUrl(), content, up.GetHeaders())
	if status != http.StatusOK {
		w.t.Fatalf("put %s: %d %s", key, status, answer)
	}
	return header.Get("X-Amz-Version-Id")
}

// content gets an object, or a version of it, through a presigned URL.
func (w *world) content(acc, bucket, key, version string) string {
	w.t.Helper()
	down, err := w.objects.PresignDownload(w.as(acc), &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: bucket, Key: key, VersionId: version})
	if err != nil {
		w.t.Fatal(err)
	}
	status, answer, _ := send(w.t, down.GetMethod(), down.GetUrl(), "", nil)
	if status == http.StatusNotFound {
		return "absent"
	}
	if status != http.StatusOK {
		w.t.Fatalf("get %s: %d %s", key, status, answer)
	}
	return answer
}

// versioned makes a bucket that keeps versions.
func (w *world) versioned(acc, bucket string) {
	w.t.Helper()
	testkit.Eventually(w.t, 30*time.Second, func() error {
		_, err := w.buckets.CreateBucket(withKey(w.as(acc), "create-"+bucket), &storagev1.CreateBucketRequest{
			AccountId: acc, Name: bucket, Versioning: storagev1.Versioning_VERSIONING_ENABLED,
		})
		return err
	})
}

// listed lists everything, a page of the size at a time: keys, and prefixes with a mark.
func (w *world) listed(t *testing.T, r *storagev1.ListObjectsRequest, acc string) []string {
	t.Helper()
	found := []string{}
	for {
		page, err := w.objects.ListObjects(w.as(acc), r)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.GetObjects()) + len(page.GetPrefixes()); r.GetPageSize() > 0 && n > int(r.GetPageSize()) {
			t.Errorf("a page holds %d", n)
		}
		for _, o := range page.GetObjects() {
			found = append(found, o.GetKey())
		}
		for _, p := range page.GetPrefixes() {
			found = append(found, "folder "+p)
		}
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			return found
		}
	}
}

func TestObjects_are_listed_page_by_page_whatever_their_keys(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	strange := []string{"line\nend", "tab\tand\x01control", "ä/日本語 🪣", "a*?${x}", "%2e%2e", strings.Repeat("k/", 511) + "kk"}
	plain := []string{"a.txt", "b/1", "b/2", "b/c/3", "b/c/4", "c.txt", "d/5", "e"}
	for _, key := range slices.Concat(strange, plain) {
		w.put(bucket, key)
	}
	list := func(change func(*storagev1.ListObjectsRequest)) []string {
		r := &storagev1.ListObjectsRequest{AccountId: acc, Bucket: bucket}
		change(r)
		return w.listed(t, r, acc)
	}
	everything := slices.Concat(strange, plain)
	slices.Sort(everything)
	for _, size := range []int32{0, 1, 3} {
		if got := list(func(r *storagev1.ListObjectsRequest) { r.PageSize = size }); !slices.Equal(got, everything) {
			t.Errorf("in pages of %d it lists\n%q, want\n%q", size, got, everything)
		}
		got := list(func(r *storagev1.ListObjectsRequest) { r.PageSize, r.Prefix, r.Delimiter = size, "b/", "/" })
		slices.Sort(got)
		if want := []string{"b/1", "b/2", "folder b/c/"}; !slices.Equal(got, want) {
			t.Errorf("in pages of %d the folder lists %q, want %q", size, got, want)
		}
	}
	if got := list(func(r *storagev1.ListObjectsRequest) { r.StartAfter, r.PageSize = "b/c/4", 2 }); !slices.Equal(got[:3], []string{"c.txt", "d/5", "e"}) {
		t.Errorf("behind a key it lists %q", got)
	}
	if got := list(func(r *storagev1.ListObjectsRequest) { r.Prefix, r.Delimiter = "b", "c" }); !slices.Equal(got, []string{"b/1", "b/2", "folder b/c"}) {
		t.Errorf("with another delimiter it lists %q", got)
	}
	t.Run("a token is good for its request alone", func(t *testing.T) {
		page, err := w.objects.ListObjects(w.as(acc), &storagev1.ListObjectsRequest{AccountId: acc, Bucket: bucket, PageSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.objects.ListObjects(w.as(acc), &storagev1.ListObjectsRequest{AccountId: acc, Bucket: bucket, PageSize: 1, Prefix: "b", PageToken: page.GetNextPageToken()})
		refused(t, err, errs.InvalidArgument, "PAGE_TOKEN_INVALID")
	})
	t.Run("an entry says what the object is", func(t *testing.T) {
		page, err := w.objects.ListObjects(w.as(acc), &storagev1.ListObjectsRequest{AccountId: acc, Bucket: bucket, Prefix: "e"})
		if err != nil || len(page.GetObjects()) != 1 {
			t.Fatal(page, err)
		}
		if o := page.GetObjects()[0]; o.GetSizeBytes() != 7 || len(o.GetEtag()) != 32 || o.GetStorageClass() != "STANDARD" || o.GetUpdateTime() == nil || !o.GetIsLatest() {
			t.Errorf("it says %v", o)
		}
	})
	t.Run("whatever is listed can be looked at and deleted, one by one and together", func(t *testing.T) {
		for _, key := range strange {
			if got, err := w.objects.GetObject(w.as(acc), &storagev1.GetObjectRequest{AccountId: acc, Bucket: bucket, Key: key}); err != nil || got.GetObject().GetSizeBytes() != 7 {
				t.Errorf("%q: %v %v", key, got, err)
			}
		}
		for _, key := range strange[:2] {
			if _, err := w.objects.DeleteObject(w.as(acc), &storagev1.DeleteObjectRequest{AccountId: acc, Bucket: bucket, Key: key}); err != nil {
				t.Errorf("%q: %v", key, err)
			}
		}
		// What XML would make of the second of these keys, were it sent in a list.
		w.put(bucket, "tab\tand\ufffdcontrol")
		w.put(bucket, strange[1])
		r := &storagev1.DeleteObjectsRequest{AccountId: acc, Bucket: bucket}
		for _, key := range append(strange[1:], "never was", "a/../b") {
			r.Objects = append(r.Objects, &storagev1.ObjectReference{Key: key})
		}
		done, err := w.objects.DeleteObjects(w.as(acc), r)
		if err != nil || done.GetFailedCount() != 1 || len(done.GetResults()) != len(r.Objects) {
			t.Fatal(done, err)
		}
		for i, one := range done.GetResults() {
			if one.GetKey() != r.GetObjects()[i].GetKey() || one.GetDeleted() == (one.GetReason() == "OBJECT_KEY_INVALID") {
				t.Errorf("of %q it says %v", r.GetObjects()[i].GetKey(), one)
			}
		}
		want := append([]string{"tab\tand\ufffdcontrol"}, plain...)
		slices.Sort(want)
		if got := list(func(*storagev1.ListObjectsRequest) {}); !slices.Equal(got, want) {
			t.Errorf("it leaves %q, want %q", got, want)
		}
	})
}

func TestVersions_of_an_object_are_listed_restored_and_deleted(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.versioned(acc, bucket)
	first, second := w.store(acc, bucket, "k", "one"), w.store(acc, bucket, "k", "two")
	w.store(acc, bucket, "k2", "other")
	list := func() []*storagev1.Object {
		var versions []*storagev1.Object
		r := &storagev1.ListObjectVersionsRequest{AccountId: acc, Bucket: bucket, Prefix: "k", PageSize: 1}
		for {
			page, err := w.objects.ListObjectVersions(w.as(acc), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range page.GetVersions() {
				if v.GetKey() == "k" {
					versions = append(versions, v)
				}
			}
			if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
				return versions
			}
		}
	}
	if got := list(); len(got) != 2 || got[0].GetVersionId() != second || !got[0].GetIsLatest() || got[1].GetVersionId() != first || got[1].GetIsLatest() {
		t.Fatalf("it lists %v", got)
	}
	if got := w.content(acc, bucket, "k", first); got != "one" {
		t.Errorf("the first version is %q", got)
	}
	for range 2 { // a repetition adds nothing
		restored, err := w.objects.RestoreObjectVersion(w.as(acc), &storagev1.RestoreObjectVersionRequest{AccountId: acc, Bucket: bucket, Key: "k", VersionId: first})
		if err != nil || restored.GetObject().GetSizeBytes() != 3 {
			t.Fatal(restored, err)
		}
		if got := list(); len(got) != 3 || got[0].GetVersionId() != restored.GetObject().GetVersionId() {
			t.Fatalf("it lists %v", got)
		}
	}
	if got := w.content(acc, bucket, "k", ""); got != "one" {
		t.Errorf("the current content is %q", got)
	}
	gone, err := w.objects.DeleteObject(w.as(acc), &storagev1.DeleteObjectRequest{AccountId: acc, Bucket: bucket, Key: "k"})
	if err != nil || !gone.GetIsDeleteMarker() || gone.GetVersionId() == "" {
		t.Fatal(gone, err)
	}
	if got := list(); len(got) != 4 || !got[0].GetIsDeleteMarker() || got[0].GetVersionId() != gone.GetVersionId() {
		t.Fatalf("it lists %v", got)
	}
	for _, version := range []string{"", gone.GetVersionId(), "11111111-2222-3333-4444-555555555555", "never"} {
		_, err := w.objects.GetObject(w.as(acc), &storagev1.GetObjectRequest{AccountId: acc, Bucket: bucket, Key: "k", VersionId: version})
		refused(t, err, errs.NotFound, "OBJECT_NOT_FOUND")
	}
	again, err := w.objects.DeleteObjects(w.as(acc), &storagev1.DeleteObjectsRequest{AccountId: acc, Bucket: bucket, Objects: []*storagev1.ObjectReference{
		{Key: "k"}, {Key: "k", VersionId: second},
	}})
	if err != nil || again.GetFailedCount() != 0 || again.GetResults()[0].GetDeleteMarkerVersionId() == "" || again.GetResults()[1].GetDeleteMarkerVersionId() != "" {
		t.Fatal(again, err)
	}
	for range 2 {
		back, err := w.objects.UndeleteObject(w.as(acc), &storagev1.UndeleteObjectRequest{AccountId: acc, Bucket: bucket, Key: "k"})
		if err != nil || back.GetObject().GetSizeBytes() != 3 {
			t.Fatal(back, err)
		}
	}
	if got := list(); len(got) != 2 || w.content(acc, bucket, "k", "") != "one" {
		t.Errorf("it lists %v", got)
	}
	for _, key := range []string{"never-was", "k1"} {
		_, err = w.objects.UndeleteObject(w.as(acc), &storagev1.UndeleteObjectRequest{AccountId: acc, Bucket: bucket, Key: key})
		refused(t, err, errs.NotFound, "OBJECT_NOT_FOUND")
	}
}

func TestObjects_are_copied_and_moved_on_the_backend(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket, other := account(), name(), name()
	w.create(acc, bucket)
	w.versioned(acc, other)
	ctx := w.as(acc)
	w.store(acc, bucket, "from/a\u00e4", "hello")
	if _, err := w.objects.SetObjectTags(ctx, &storagev1.SetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: "from/a\u00e4", Tags: map[string]string{"color": "red"}}); err != nil {
		t.Fatal(err)
	}
	copied, err := w.objects.CopyObject(ctx, &storagev1.CopyObjectRequest{
		AccountId: acc, Bucket: bucket, Key: "from/a\u00e4", DestinationBucket: other, DestinationKey: "to/b",
	})
	if err != nil || copied.GetObject().GetSizeBytes() != 5 || copied.GetObject().GetVersionId() == "" {
		t.Fatal(copied, err)
	}
	got, err := w.objects.GetObject(ctx, &storagev1.GetObjectRequest{AccountId: acc, Bucket: other, Key: "to/b"})
	if err != nil || got.GetObject().GetContentType() != "text/plain" || got.GetObject().GetTags()["color"] != "red" || w.content(acc, other, "to/b", "") != "hello" {
		t.Fatal(got, err)
	}
	for range 2 {
		moved, err := w.objects.MoveObject(ctx, &storagev1.MoveObjectRequest{AccountId: acc, Bucket: other, Key: "to/b", DestinationBucket: bucket, DestinationKey: "moved"})
		if got := w.content(acc, bucket, "moved", ""); got != "hello" {
			t.Fatalf("it is %q", got)
		}
		if err != nil {
			refused(t, err, errs.NotFound, "OBJECT_NOT_FOUND") // the repetition
		} else if moved.GetObject().GetSizeBytes() != 5 || w.content(acc, other, "to/b", "") != "absent" {
			t.Fatal(moved)
		}
	}
	for name, c := range map[string]struct {
		change func(*storagev1.CopyObjectRequest)
		kind   errs.Kind
		reason string
	}{
		"an absent object":           {func(r *storagev1.CopyObjectRequest) { r.Key = "absent" }, errs.NotFound, "OBJECT_NOT_FOUND"},
		"onto itself":                {func(r *storagev1.CopyObjectRequest) { r.DestinationKey = r.GetKey() }, errs.InvalidArgument, "REQUEST_INVALID"},
		"to a key that cannot be":    {func(r *storagev1.CopyObjectRequest) { r.DestinationKey = "a/../b" }, errs.InvalidArgument, "OBJECT_KEY_INVALID"},
		"from a key that escapes":    {func(r *storagev1.CopyObjectRequest) { r.Key = "../" + other + "/to/b" }, errs.InvalidArgument, "OBJECT_KEY_INVALID"},
		"to a bucket that is absent": {func(r *storagev1.CopyObjectRequest) { r.DestinationBucket = "never-was" }, errs.NotFound, "BUCKET_NOT_FOUND"},
	} {
		r := &storagev1.CopyObjectRequest{AccountId: acc, Bucket: bucket, Key: "moved", DestinationKey: "x"}
		c.change(r)
		_, err := w.objects.CopyObject(ctx, r)
		if e, ok := errs.As(err); !ok || e.Kind() != c.kind || e.Reason() != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Run("a source that is overwritten meanwhile stays", func(t *testing.T) {
		w.store(acc, bucket, "busy", "old")
		reached, held := w.calls.hold("minio.Copy")
		ended := make(chan error, 1)
		go func() {
			_, err := w.objects.MoveObject(ctx, &storagev1.MoveObjectRequest{AccountId: acc, Bucket: bucket, Key: "busy", DestinationKey: "calm"})
			ended <- err
		}()
		<-reached
		w.store(acc, bucket, "busy", "newer")
		close(held)
		refused(t, <-ended, errs.Aborted, "OBJECT_CHANGED")
		if got := w.content(acc, bucket, "busy", "") + " " + w.content(acc, bucket, "calm", ""); got != "newer old" {
			t.Errorf("it left %q", got)
		}
	})
	t.Run("a move that dies in between leaves both, and a repetition goes on", func(t *testing.T) {
		w.store(acc, bucket, "cut", "whole")
		w.calls.cutNext("minio.Remove", false)
		r := &storagev1.MoveObjectRequest{AccountId: acc, Bucket: bucket, Key: "cut", DestinationKey: "pasted"}
		if _, err := w.objects.MoveObject(ctx, r); err == nil {
			t.Fatal("it was not cut")
		}
		if got := w.content(acc, bucket, "cut", "") + " " + w.content(acc, bucket, "pasted", ""); got != "whole whole" {
			t.Errorf("it left %q", got)
		}
		if _, err := w.objects.MoveObject(ctx, r); err != nil || w.content(acc, bucket, "cut", "") != "absent" {
			t.Error(err)
		}
	})
	t.Run("the trail tells what began and how it ended", func(t *testing.T) {
		for _, text := range []string{"object.copy", "object.move", "object.set_tags", "from/a\u00e4"} {
			if got := w.row(`select count(*)::text from storage.outbox where account_id = $1 and type like '%audit.recorded%' and position($2::bytea in payload) > 0`, acc, []byte(text)); got == "0" || got == "1" {
				t.Errorf("%s stands %s times in the trail", text, got)
			}
		}
	})
}

func TestObjects_are_found_by_text_and_by_tag(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	ctx := w.as(acc)
	for i := range 25 {
		key := fmt.Sprintf("logs/Day-%02d.txt", i)
		w.put(bucket, key)
		if i%5 == 0 {
			tags := map[string]string{"kind": "kept + safe=1/2", "n": fmt.Sprint(i)}
			if _, err := w.objects.SetObjectTags(ctx, &storagev1.SetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: key, Tags: tags}); err != nil && i > 0 {
				t.Fatal(err)
			}
		}
	}
	w.put(bucket, "other/day-01.txt")
	find := func(r *storagev1.SearchObjectsRequest) (keys []string, scanned int64) {
		t.Helper()
		r.AccountId, r.Bucket = acc, bucket
		for {
			page, err := w.objects.SearchObjects(ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			if page.GetComplete() != (page.GetNextPageToken() == "") || r.GetPageSize() > 0 && len(page.GetObjects()) > int(r.GetPageSize()) {
				t.Errorf("a page says %v", page)
			}
			for _, o := range page.GetObjects() {
				keys = append(keys, o.GetKey())
			}
			scanned += page.GetScannedCount()
			if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
				return keys, scanned
			}
		}
	}
	if keys, scanned := find(&storagev1.SearchObjectsRequest{Prefix: "logs/", Contains: "dAY-1", PageSize: 3}); len(keys) != 10 || scanned < 25 || keys[0] != "logs/Day-10.txt" {
		t.Errorf("it finds %v among %d", keys, scanned)
	}
	if keys, _ := find(&storagev1.SearchObjectsRequest{Tags: map[string]string{"kind": "kept + safe=1/2"}, PageSize: 2}); len(keys) != 5 {
		t.Errorf("it finds %v", keys)
	}
	if keys, _ := find(&storagev1.SearchObjectsRequest{Tags: map[string]string{"kind": "", "n": "15"}}); !slices.Equal(keys, []string{"logs/Day-15.txt"}) {
		t.Errorf("it finds %v", keys)
	}
	if keys, _ := find(&storagev1.SearchObjectsRequest{Prefix: "logs/", Contains: "logs"}); len(keys) != 0 {
		t.Errorf("it finds %v", keys)
	}
	tags, err := w.objects.GetObjectTags(ctx, &storagev1.GetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: "logs/Day-05.txt"})
	if err != nil || len(tags.GetTags()) != 2 || tags.GetTags()["kind"] != "kept + safe=1/2" {
		t.Error(tags, err)
	}
	if _, err := w.objects.SetObjectTags(ctx, &storagev1.SetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: "logs/Day-05.txt"}); err != nil {
		t.Error(err)
	}
	if tags, err := w.objects.GetObjectTags(ctx, &storagev1.GetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: "logs/Day-05.txt"}); err != nil || len(tags.GetTags()) != 0 {
		t.Error(tags, err)
	}
	_, err = w.objects.SetObjectTags(ctx, &storagev1.SetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: "logs/Day-05.txt", Tags: map[string]string{"a\nb": "c"}})
	refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
	_, err = w.objects.SetObjectTags(ctx, &storagev1.SetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: "absent", Tags: map[string]string{"a": "b"}})
	refused(t, err, errs.NotFound, "OBJECT_NOT_FOUND")
}

// userOf returns the account's user on the backend: the one whose policy names the bucket.
func (w *world) userOf(bucket string) string {
	w.t.Helper()
	users, err := w.admin().ListUsers(testkit.Context(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	for name, user := range users {
		document, err := w.admin().InfoCannedPolicyV2(testkit.Context(w.t), user.PolicyName)
		if err == nil && strings.Contains(string(document.Policy), `"arn:aws:s3:::`+bucket+`"`) {
			return name
		}
	}
	w.t.Fatal("no user reaches the bucket")
	return ""
}

// objectCalls are all calls on what is in a bucket; those that write change or hand out a way to.
func (w *world) objectCalls(acc, bucket string) (reads, writes map[string]func(context.Context) error) {
	uploads := storagev1.NewMultipartUploadServiceClient(w.conn)
	id := "ZDEuYzIz"
	reads = map[string]func(context.Context) error{
		"ListObjects": func(ctx context.Context) error {
			_, err := w.objects.ListObjects(ctx, &storagev1.ListObjectsRequest{AccountId: acc, Bucket: bucket})
			return err
		},
		"ListObjectVersions": func(ctx context.Context) error {
			_, err := w.objects.ListObjectVersions(ctx, &storagev1.ListObjectVersionsRequest{AccountId: acc, Bucket: bucket})
			return err
		},
		"GetObject": func(ctx context.Context) error {
			_, err := w.objects.GetObject(ctx, &storagev1.GetObjectRequest{AccountId: acc, Bucket: bucket, Key: "k"})
			return err
		},
		"SearchObjects": func(ctx context.Context) error {
			_, err := w.objects.SearchObjects(ctx, &storagev1.SearchObjectsRequest{AccountId: acc, Bucket: bucket})
			return err
		},
		"GetObjectTags": func(ctx context.Context) error {
			_, err := w.objects.GetObjectTags(ctx, &storagev1.GetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: "k"})
			return err
		},
		"ListMultipartUploads": func(ctx context.Context) error {
			_, err := uploads.ListMultipartUploads(ctx, &storagev1.ListMultipartUploadsRequest{AccountId: acc, Bucket: bucket})
			return err
		},
	}
	writes = map[string]func(context.Context) error{
		"CopyObject": func(ctx context.Context) error {
			_, err := w.objects.CopyObject(ctx, &storagev1.CopyObjectRequest{AccountId: acc, Bucket: bucket, Key: "k", DestinationKey: "x"})
			return err
		},
		"MoveObject": func(ctx context.Context) error {
			_, err := w.objects.MoveObject(ctx, &storagev1.MoveObjectRequest{AccountId: acc, Bucket: bucket, Key: "k", DestinationKey: "x"})
			return err
		},
		"DeleteObject": func(ctx context.Context) error {
			_, err := w.objects.DeleteObject(ctx, &storagev1.DeleteObjectRequest{AccountId: acc, Bucket: bucket, Key: "k"})
			return err
		},
		"DeleteObjects": func(ctx context.Context) error {
			_, err := w.objects.DeleteObjects(ctx, &storagev1.DeleteObjectsRequest{AccountId: acc, Bucket: bucket, Objects: []*storagev1.ObjectReference{{Key: "k"}}})
			return err
		},
		"RestoreObjectVersion": func(ctx context.Context) error {
			_, err := w.objects.RestoreObjectVersion(ctx, &storagev1.RestoreObjectVersionRequest{AccountId: acc, Bucket: bucket, Key: "k", VersionId: "null"})
			return err
		},
		"UndeleteObject": func(ctx context.Context) error {
			_, err := w.objects.UndeleteObject(ctx, &storagev1.UndeleteObjectRequest{AccountId: acc, Bucket: bucket, Key: "k"})
			return err
		},
		"SetObjectTags": func(ctx context.Context) error {
			_, err := w.objects.SetObjectTags(ctx, &storagev1.SetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: "k"})
			return err
		},
		"PresignPost": func(ctx context.Context) error {
			_, err := w.objects.PresignPost(ctx, &storagev1.PresignPostRequest{AccountId: acc, Bucket: bucket, Key: "k"})
			return err
		},
		"CreateMultipartUpload": func(ctx context.Context) error {
			_, err := uploads.CreateMultipartUpload(ctx, &storagev1.CreateMultipartUploadRequest{AccountId: acc, Bucket: bucket, Key: "k"})
			return err
		},
		"SignParts": func(ctx context.Context) error {
			_, err := uploads.SignParts(ctx, &storagev1.SignPartsRequest{AccountId: acc, Bucket: bucket, Key: "k", UploadId: id, PartNumbers: []int32{1}})
			return err
		},
		"ListParts": func(ctx context.Context) error {
			_, err := uploads.ListParts(ctx, &storagev1.ListPartsRequest{AccountId: acc, Bucket: bucket, Key: "k", UploadId: id})
			return err
		},
		"CompleteMultipartUpload": func(ctx context.Context) error {
			_, err := uploads.CompleteMultipartUpload(ctx, &storagev1.CompleteMultipartUploadRequest{
				AccountId: acc, Bucket: bucket, Key: "k", UploadId: id, Parts: []*storagev1.Part{{PartNumber: 1, Etag: strings.Repeat("0", 32)}},
			})
			return err
		},
		"AbortMultipartUpload": func(ctx context.Context) error {
			_, err := uploads.AbortMultipartUpload(ctx, &storagev1.AbortMultipartUploadRequest{AccountId: acc, Bucket: bucket, Key: "k", UploadId: id})
			return err
		},
	}
	return reads, writes
}

func TestWho_must_not_reach_objects_reaches_none_of_them(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user := account(), person()
	bucket, theirs := name(), name()
	w.create(acc, bucket)
	w.create(account(), theirs)
	w.put(bucket, "k")
	w.says(membership("created", acc, user, "external", 1))
	external := w.asPerson(acc, user, "external")
	reads, writes := w.objectCalls(acc, bucket)
	for name, call := range reads {
		refused(t, call(external), errs.NotFound, "BUCKET_NOT_FOUND")
		refused(t, call(w.asRole(acc, "billing")), errs.PermissionDenied, "ROLE_NOT_ALLOWED")
		if err := call(w.asRole(acc, "viewer")); err != nil {
			t.Errorf("%s as a viewer: %v", name, err)
		}
	}
	for _, call := range writes {
		refused(t, call(external), errs.NotFound, "BUCKET_NOT_FOUND")
		refused(t, call(w.asRole(acc, "viewer")), errs.PermissionDenied, "ROLE_NOT_ALLOWED")
	}
	suspended := w.asClaims(token.Claims{Subject: "usr_1", Kind: "person", Account: acc, AccountState: "suspended", Role: "owner", Session: "ses_1"})
	for _, calls := range []map[string]func(context.Context) error{reads, writes} {
		for _, call := range calls {
			refused(t, call(suspended), errs.FailedPrecondition, "ACCOUNT_SUSPENDED")
		}
	}
	foreignReads, foreignWrites := w.objectCalls(acc, theirs)
	for _, calls := range []map[string]func(context.Context) error{foreignReads, foreignWrites} {
		for _, call := range calls {
			refused(t, call(w.as(acc)), errs.NotFound, "BUCKET_NOT_FOUND")
		}
	}
	t.Run("a grant to read reads and does not write", func(t *testing.T) {
		w.set(acc, bucket, user, storagev1.Permission_PERMISSION_READ)
		for name, call := range reads {
			if err := call(external); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, call := range writes {
			refused(t, call(external), errs.PermissionDenied, "BUCKET_GRANT_TOO_LOW")
		}
	})
	t.Run("an account whose user is disabled is refused by the backend", func(t *testing.T) {
		owner := w.as(acc)
		if err := w.admin().SetUserStatus(testkit.Context(t), w.userOf(bucket), "disabled"); err != nil {
			t.Fatal(err)
		}
		for name, call := range reads {
			if err := call(owner); errs.ReasonOf(err) != "OBJECT_ACCESS_DENIED" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := writes["DeleteObject"](owner); errs.ReasonOf(err) != "OBJECT_ACCESS_DENIED" {
			t.Error(err)
		}
		if _, err := w.s3().StatObject(testkit.Context(t), bucket, "k", client.StatObjectOptions{}); err != nil {
			t.Errorf("the object: %v", err)
		}
	})
}
