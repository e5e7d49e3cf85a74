package storage_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestLarge_objects_are_uploaded_in_parts_by_presigned_URLs(t *testing.T) {
	minio := testkit.MinIO(t)
	door := testkit.Door(t, minio.MinIO)
	w := newWorld(t, minio, func(s config.Source) { s["PRIMECLOUD_STORAGE_BACKEND_PUBLIC_ENDPOINT"] = door.Endpoint() })
	uploads := storagev1.NewMultipartUploadServiceClient(w.conn)
	acc, bucket := account(), name()
	w.create(acc, bucket)
	ctx := w.as(acc)
	key := "video/größe 1.bin"
	raw := make([]byte, 5<<20)
	_, _ = rand.Read(raw)
	first, second := string(raw), "and the rest"

	begin := func() string {
		t.Helper()
		begun, err := uploads.CreateMultipartUpload(ctx, &storagev1.CreateMultipartUploadRequest{
			AccountId: acc, Bucket: bucket, Key: key, ContentType: "video/x", Metadata: map[string]string{"Camera": "left 2"},
		})
		if err != nil || begun.GetUpload().GetKey() != key || begun.GetUpload().GetCreateTime() == nil {
			t.Fatal(begun, err)
		}
		return begun.GetUpload().GetUploadId()
	}
	id := begin()
	w.calls.writes()
	signed, err := uploads.SignParts(ctx, &storagev1.SignPartsRequest{AccountId: acc, Bucket: bucket, Key: key, UploadId: id, PartNumbers: []int32{2, 1}})
	if err != nil || len(signed.GetParts()) != 2 || signed.GetParts()[0].GetPartNumber() != 2 {
		t.Fatal(signed, err)
	}
	if left := time.Until(signed.GetExpireTime().AsTime()); left < 14*time.Minute || left > 15*time.Minute {
		t.Errorf("they work for %s", left)
	}
	parts := []*storagev1.Part{{PartNumber: 1}, {PartNumber: 2}}
	for i, content := range []string{second, first} {
		part := signed.GetParts()[i]
		if !strings.HasPrefix(part.GetUrl(), door.Endpoint()+"/") {
			t.Fatal("it is for another host")
		}
		status, answer, header := send(t, part.GetMethod(), part.GetUrl(), content, nil)
		if status != http.StatusOK {
			t.Fatalf("part %d: %d %s", part.GetPartNumber(), status, answer)
		}
		parts[part.GetPartNumber()-1].Etag = header.Get("ETag")
	}
	t.Run("a URL for a part does nothing else", func(t *testing.T) {
		part := signed.GetParts()[0].GetUrl()
		for what, address := range map[string]string{
			"another part": strings.Replace(part, "partNumber=2", "partNumber=3", 1), "another key": strings.Replace(part, "/video/", "/audio/", 1),
		} {
			if status, _, _ := send(t, http.MethodPut, address, "x", nil); status != http.StatusForbidden {
				t.Errorf("%s: %d", what, status)
			}
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPost} {
			if status, _, _ := send(t, method, part, "", nil); status != http.StatusForbidden {
				t.Errorf("%s: %d", method, status)
			}
		}
	})
	t.Run("uploads and parts are listed page by page", func(t *testing.T) {
		r := &storagev1.ListPartsRequest{AccountId: acc, Bucket: bucket, Key: key, UploadId: id, PageSize: 1}
		var sizes []int64
		for {
			page, err := uploads.ListParts(ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.GetParts() {
				sizes = append(sizes, p.GetSizeBytes())
			}
			if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
				break
			}
		}
		if !slices.Equal(sizes, []int64{5 << 20, 12}) {
			t.Errorf("the parts have %v bytes", sizes)
		}
		list, err := uploads.ListMultipartUploads(ctx, &storagev1.ListMultipartUploadsRequest{AccountId: acc, Bucket: bucket, Prefix: key})
		if err != nil || len(list.GetUploads()) != 1 || list.GetUploads()[0].GetUploadId() != id || list.GetUploads()[0].GetKey() != key {
			t.Error(list, err)
		}
	})
	complete := func(change func(*storagev1.CompleteMultipartUploadRequest)) (*storagev1.Object, error) {
		r := &storagev1.CompleteMultipartUploadRequest{AccountId: acc, Bucket: bucket, Key: key, UploadId: id, Parts: parts}
		change(r)
		done, err := uploads.CompleteMultipartUpload(ctx, r)
		return done.GetObject(), err
	}
	t.Run("parts that make no object are refused", func(t *testing.T) {
		_, err := complete(func(r *storagev1.CompleteMultipartUploadRequest) { r.Parts = []*storagev1.Part{parts[1], parts[0]} })
		refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
		_, err = complete(func(r *storagev1.CompleteMultipartUploadRequest) {
			r.Parts = []*storagev1.Part{parts[0], {PartNumber: 2, Etag: strings.Repeat("a", 32)}}
		})
		refused(t, err, errs.FailedPrecondition, "UPLOAD_PARTS_INVALID")
	})
	for range 2 { // the repetition finds the object
		done, err := complete(func(*storagev1.CompleteMultipartUploadRequest) {})
		if err != nil || done.GetSizeBytes() != 5<<20+12 || !strings.HasSuffix(done.GetEtag(), "-2") {
			t.Fatal(done, err)
		}
	}
	got, err := w.objects.GetObject(ctx, &storagev1.GetObjectRequest{AccountId: acc, Bucket: bucket, Key: key})
	if o := got.GetObject(); err != nil || o.GetContentType() != "video/x" || o.GetMetadata()["camera"] != "left 2" {
		t.Error(got, err)
	}
	if w.content(acc, bucket, key, "") != first+second {
		t.Error("the content is another")
	}
	t.Run("an upload is aborted, and then is none", func(t *testing.T) {
		id = begin()
		for range 2 {
			if _, err := uploads.AbortMultipartUpload(ctx, &storagev1.AbortMultipartUploadRequest{AccountId: acc, Bucket: bucket, Key: key, UploadId: id}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := uploads.ListParts(ctx, &storagev1.ListPartsRequest{AccountId: acc, Bucket: bucket, Key: key, UploadId: id})
		refused(t, err, errs.NotFound, "UPLOAD_NOT_FOUND")
		_, err = complete(func(r *storagev1.CompleteMultipartUploadRequest) { r.Parts = parts[:1] })
		refused(t, err, errs.NotFound, "UPLOAD_NOT_FOUND")
	})
	t.Run("a key that cannot be named exactly, and a bad request, are refused", func(t *testing.T) {
		for _, key := range []string{"a*", "a/../b", "a\nb"} {
			_, err := uploads.CreateMultipartUpload(ctx, &storagev1.CreateMultipartUploadRequest{AccountId: acc, Bucket: bucket, Key: key})
			refused(t, err, errs.InvalidArgument, "OBJECT_KEY_INVALID")
		}
		for _, metadata := range []map[string]string{{"a b": "c"}, {"a": "b\nc"}, {"a": strings.Repeat("x", 1024), "b": strings.Repeat("x", 1024)}} {
			_, err := uploads.CreateMultipartUpload(ctx, &storagev1.CreateMultipartUploadRequest{AccountId: acc, Bucket: bucket, Key: "k", Metadata: metadata})
			refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
		}
		_, err := uploads.SignParts(ctx, &storagev1.SignPartsRequest{AccountId: acc, Bucket: bucket, Key: key, UploadId: id, PartNumbers: []int32{10_001}})
		refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
	})
}

// MinIO takes what is in an upload id for a path on its disks.
func TestAn_upload_id_that_leads_to_another_tenants_upload_is_none(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	uploads := storagev1.NewMultipartUploadServiceClient(w.conn)
	mine, theirs := account(), account()
	bucket, victim := name(), name()
	w.create(mine, bucket)
	w.create(theirs, victim)
	begun, err := uploads.CreateMultipartUpload(w.as(theirs), &storagev1.CreateMultipartUploadRequest{AccountId: theirs, Bucket: victim, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	id := begun.GetUpload().GetUploadId()
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	_, upload, _ := strings.Cut(string(raw), ".")
	folder := sha(victim + "/k")
	for _, path := range []string{"../" + folder + "/" + upload, "../" + folder, "..", "../../" + victim + "/k"} {
		forged := base64.RawURLEncoding.EncodeToString([]byte("x." + path))
		_, err = uploads.AbortMultipartUpload(w.as(mine), &storagev1.AbortMultipartUploadRequest{AccountId: mine, Bucket: bucket, Key: "k", UploadId: forged})
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		_, err = uploads.SignParts(w.as(mine), &storagev1.SignPartsRequest{AccountId: mine, Bucket: bucket, Key: "k", UploadId: forged, PartNumbers: []int32{1}})
		refused(t, err, errs.NotFound, "UPLOAD_NOT_FOUND")
		_, err = uploads.ListParts(w.as(mine), &storagev1.ListPartsRequest{AccountId: mine, Bucket: bucket, Key: "k", UploadId: forged})
		refused(t, err, errs.NotFound, "UPLOAD_NOT_FOUND")
	}
	if _, err := uploads.ListParts(w.as(theirs), &storagev1.ListPartsRequest{AccountId: theirs, Bucket: victim, Key: "k", UploadId: id}); err != nil {
		t.Errorf("the upload is gone: %v", err)
	}
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestAn_object_is_uploaded_by_a_form_through_the_door(t *testing.T) {
	minio := testkit.MinIO(t)
	door := testkit.Door(t, minio.MinIO)
	w := newWorld(t, minio, func(s config.Source) { s["PRIMECLOUD_STORAGE_BACKEND_PUBLIC_ENDPOINT"] = door.Endpoint() })
	acc, bucket := account(), name()
	w.create(acc, bucket)
	ctx := w.as(acc)
	form := func(change func(*storagev1.PresignPostRequest)) *storagev1.PresignPostResponse {
		t.Helper()
		r := &storagev1.PresignPostRequest{AccountId: acc, Bucket: bucket, MaxSizeBytes: 10, MinSizeBytes: 2}
		change(r)
		signed, err := w.objects.PresignPost(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	exact := form(func(r *storagev1.PresignPostRequest) { r.Key, r.ContentType = "in/ä.txt", "text/plain" })
	if !strings.HasPrefix(exact.GetUrl(), door.Endpoint()+"/") {
		t.Fatal("it is for another host")
	}
	for name, c := range map[string]struct {
		content string
		change  map[string]string
		want    int
	}{
		"a file":                   {"hello", nil, http.StatusNoContent},
		"too large a file":         {"hello, all of you", nil, http.StatusBadRequest},
		"too small a file":         {"h", nil, http.StatusBadRequest},
		"another key":              {"hello", map[string]string{"key": "in/b.txt"}, http.StatusForbidden},
		"another content type":     {"hello", map[string]string{"Content-Type": "text/html"}, http.StatusForbidden},
		"a field that is not ours": {"hello", map[string]string{"X-Minio-Replication-Server-Side-Encryption-Iv": "x"}, http.StatusForbidden},
	} {
		if got := post(t, exact, c.content, c.change); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := w.content(acc, bucket, "in/ä.txt", ""); got != "hello" {
		t.Errorf("it is %q", got)
	}
	under := form(func(r *storagev1.PresignPostRequest) { r.KeyPrefix = "drop/" })
	for key, want := range map[string]int{
		"":                http.StatusNoContent, // as it is: with the file's name
		"drop/a/b.txt":    http.StatusNoContent,
		"other/a":         http.StatusForbidden,
		"drop/../escaped": http.StatusBadRequest,
	} {
		change := map[string]string{"Content-Type": "image/png"}
		if key != "" {
			change["key"] = key
		}
		if got := post(t, under, "hello", change); got != want {
			t.Errorf("under the prefix, %q: %d, want %d", key, got, want)
		}
	}
	if got := w.listed(t, &storagev1.ListObjectsRequest{AccountId: acc, Bucket: bucket}, acc); !slices.Equal(got, []string{"drop/a/b.txt", "drop/file.txt", "in/ä.txt"}) {
		t.Errorf("there are %q", got)
	}
	for name, change := range map[string]func(*storagev1.PresignPostRequest){
		"neither key nor prefix": func(*storagev1.PresignPostRequest) {},
		"both":                   func(r *storagev1.PresignPostRequest) { r.Key, r.KeyPrefix = "a", "b" },
		"sizes the wrong way":    func(r *storagev1.PresignPostRequest) { r.Key, r.MinSizeBytes, r.MaxSizeBytes = "a", 5, 4 },
	} {
		r := &storagev1.PresignPostRequest{AccountId: acc, Bucket: bucket}
		change(r)
		if _, err := w.objects.PresignPost(ctx, r); errs.ReasonOf(err) != "REQUEST_INVALID" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := w.objects.PresignPost(ctx, &storagev1.PresignPostRequest{AccountId: acc, Bucket: bucket, KeyPrefix: "a*"})
	refused(t, err, errs.InvalidArgument, "OBJECT_KEY_INVALID")
	t.Run("but not in a bucket with default retention, which it would not get", func(t *testing.T) {
		for rule, lock := range map[string]*storagev1.ObjectLock{
			"DEFAULT_RETENTION": {DefaultRetention: &storagev1.DefaultRetention{Mode: storagev1.RetentionMode_RETENTION_MODE_GOVERNANCE, Days: 1}},
			"":                  {},
		} {
			made, err := w.makeAsked(acc, &storagev1.CreateBucketRequest{ObjectLock: lock})
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.objects.PresignPost(ctx, &storagev1.PresignPostRequest{AccountId: acc, Bucket: made.GetName(), Key: "a"})
			switch {
			case rule != "":
				violated(t, err, "REQUEST_INVALID", rule)
			case err != nil:
				t.Errorf("with a lock alone: %v", err)
			}
		}
	})
}

// post sends the form as a browser would, some fields changed.
func post(t *testing.T, form *storagev1.PresignPostResponse, content string, change map[string]string) int {
	t.Helper()
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	fields := map[string]string{}
	for k, v := range form.GetFields() {
		fields[k] = v
	}
	for k, v := range change {
		fields[k] = v
	}
	for k, v := range fields {
		if err := parts.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	file, err := parts.CreateFormFile("file", "file.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	status, answer, _ := send(t, http.MethodPost, form.GetUrl(), body.String(), map[string]string{"Content-Type": parts.FormDataContentType()})
	if status >= http.StatusMultipleChoices {
		t.Logf("%d %s", status, answer)
	}
	return status
}

func TestA_download_is_of_the_version_and_has_the_headers_that_were_asked_for(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.versioned(acc, bucket)
	old := w.store(acc, bucket, "k", "old")
	w.store(acc, bucket, "k", "new")
	down, err := w.objects.PresignDownload(w.as(acc), &storagev1.PresignDownloadRequest{
		AccountId: acc, Bucket: bucket, Key: "k", VersionId: old, ContentType: "application/json", CacheControl: "max-age=60",
	})
	if err != nil {
		t.Fatal(err)
	}
	status, answer, header := send(t, down.GetMethod(), down.GetUrl(), "", nil)
	if status != http.StatusOK || answer != "old" || header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "max-age=60" {
		t.Errorf("%d %q %v", status, answer, header)
	}
	if status, _, _ := send(t, down.GetMethod(), strings.Replace(down.GetUrl(), "versionId="+old, "versionId=null", 1), "", nil); status != http.StatusForbidden {
		t.Errorf("another version: %d", status)
	}
	_, err = w.objects.PresignDownload(w.as(acc), &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: bucket, Key: "k", CacheControl: "a\r\nb: c"})
	refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
}
