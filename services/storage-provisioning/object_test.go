package storage_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// send sends a request as a browser would.
func send(t *testing.T, method, address, body string, headers map[string]string) (status int, answer string, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(testkit.Context(t), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range headers {
		request.Header.Set(k, v)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(raw), response.Header
}

func TestPresigned_URLs(t *testing.T) {
	minio := testkit.MinIO(t)
	door := testkit.Door(t, minio.MinIO)
	w := newWorld(t, minio, func(s config.Source) { s["PRIMECLOUD_STORAGE_BACKEND_PUBLIC_ENDPOINT"] = door.Endpoint() })
	acc, other := account(), account()
	bucket := name()
	w.create(acc, bucket)
	w.create(other, bucket+"-corp")
	upload := func(change func(*storagev1.PresignUploadRequest)) (*storagev1.PresignUploadResponse, error) {
		r := &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: "a/file ä.txt"}
		change(r)
		return w.objects.PresignUpload(w.as(acc), r)
	}
	download := func(change func(*storagev1.PresignDownloadRequest)) (*storagev1.PresignDownloadResponse, error) {
		r := &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: bucket, Key: "a/file ä.txt"}
		change(r)
		return w.objects.PresignDownload(w.as(acc), r)
	}
	t.Run("upload and download on the public address", func(t *testing.T) {
		up, err := upload(func(r *storagev1.PresignUploadRequest) { r.ContentType = "text/plain" })
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(up.GetUrl(), door.Endpoint()+"/") || up.GetMethod() != "PUT" {
			t.Fatalf("it is for %s on another host", up.GetMethod())
		}
		if left := time.Until(up.GetExpireTime().AsTime()); left < 14*time.Minute || left > 15*time.Minute {
			t.Errorf("it works for %s", left)
		}
		if status, answer, _ := send(t, up.GetMethod(), up.GetUrl(), "hello", up.GetHeaders()); status != http.StatusOK {
			t.Fatalf("upload: %d %s", status, answer)
		}
		down, err := download(func(r *storagev1.PresignDownloadRequest) { r.DownloadName = `my "file" ä.txt` })
		if err != nil {
			t.Fatal(err)
		}
		status, answer, header := send(t, down.GetMethod(), down.GetUrl(), "", nil)
		if status != http.StatusOK || answer != "hello" || header.Get("Content-Type") != "text/plain" {
			t.Errorf("download: %d %s %v", status, answer, header)
		}
		if got := header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment;") || !strings.Contains(got, "utf-8''my%20%22file%22%20%C3%A4.txt") {
			t.Errorf("it is saved as %s", got)
		}
	})
	t.Run("it costs nothing but the credentials", func(t *testing.T) {
		w.calls.writes()
		if _, err := upload(func(*storagev1.PresignUploadRequest) {}); err != nil {
			t.Fatal(err)
		}
		if writes := w.calls.writes(); len(writes) != 0 {
			t.Errorf("MinIO was written %v", writes)
		}
	})
	for name, key := range map[string]string{
		"a leading slash": "/a", "a doubled slash": "a//b", "dots": "a/../b", "a control character": "a\x01", "a segment too long": strings.Repeat("x", 256),
	} {
		t.Run("a key with "+name+" is refused either way", func(t *testing.T) {
			_, err := upload(func(r *storagev1.PresignUploadRequest) { r.Key = key })
			refused(t, err, errs.InvalidArgument, "OBJECT_KEY_INVALID")
			_, err = download(func(r *storagev1.PresignDownloadRequest) { r.Key = key })
			refused(t, err, errs.InvalidArgument, "OBJECT_KEY_INVALID")
		})
	}
	for _, key := range []string{"a*", "a?", "${x}"} {
		t.Run("a pattern, "+key+", is refused for an upload", func(t *testing.T) {
			_, err := upload(func(r *storagev1.PresignUploadRequest) { r.Key = key })
			e := refused(t, err, errs.InvalidArgument, "OBJECT_KEY_INVALID")
			if !slices.ContainsFunc(e.Violations(), func(v errs.Violation) bool { return v.Rule == "KEY_PATTERN" }) {
				t.Errorf("it names %v", e.Violations())
			}
			if _, err := download(func(r *storagev1.PresignDownloadRequest) { r.Key = key }); err != nil {
				t.Errorf("a download: %v", err)
			}
		})
	}
	t.Run("a key that grows too long for its policy is refused for an upload", func(t *testing.T) {
		_, err := upload(func(r *storagev1.PresignUploadRequest) {
			r.Key = strings.TrimSuffix(strings.Repeat(strings.Repeat("<", 200)+"/", 5), "/")
		})
		refused(t, err, errs.InvalidArgument, "OBJECT_KEY_INVALID")
	})
	t.Run("another tenant's bucket looks absent", func(t *testing.T) {
		_, err := upload(func(r *storagev1.PresignUploadRequest) { r.Bucket = bucket + "-corp" })
		refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
		_, err = download(func(r *storagev1.PresignDownloadRequest) { r.Bucket = bucket + "-corp" })
		refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
	})
	t.Run("a lifetime out of range is refused", func(t *testing.T) {
		for _, lifetime := range []time.Duration{time.Second, 2 * time.Hour, -time.Minute} {
			_, err := upload(func(r *storagev1.PresignUploadRequest) { r.Lifetime = durationpb.New(lifetime) })
			refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
		}
	})
	t.Run("a content type or file name that would break a header is refused", func(t *testing.T) {
		for _, bad := range []string{"text", "text/plain\r\nX: y", "ä/b", "a/b; c"} {
			_, err := upload(func(r *storagev1.PresignUploadRequest) { r.ContentType = bad })
			refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
		}
		for _, bad := range []string{"../x", `a\b`, "a\r\nb"} {
			_, err := download(func(r *storagev1.PresignDownloadRequest) { r.DownloadName = bad })
			refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
		}
	})
	t.Run("a viewer downloads and does not upload", func(t *testing.T) {
		_, err := w.objects.PresignUpload(w.asRole(acc, "viewer"), &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: "k"})
		refused(t, err, errs.PermissionDenied, "ROLE_NOT_ALLOWED")
		if _, err := w.objects.PresignDownload(w.asRole(acc, "viewer"), &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: bucket, Key: "k"}); err != nil {
			t.Error(err)
		}
	})
}

func TestWho_was_given_which_URL_is_in_the_trail_and_the_URL_is_not(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	told := func(text string) string {
		return w.row(`select count(*)::text from storage.outbox
			where account_id = $1 and type like '%audit.recorded%' and position($2::bytea in payload) > 0`, acc, []byte(text))
	}
	up, err := w.objects.PresignUpload(w.as(acc), &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: "in/box.txt"})
	if err != nil {
		t.Fatal(err)
	}
	down, err := w.objects.PresignDownload(w.as(acc), &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: bucket, Key: "in/box.txt"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"object.presign_upload": "1", "object.presign_download": "1", "in/box.txt": "2", "X-Amz-Signature": "0"} {
		if got := told(text); got != want {
			t.Errorf("%s stands %s times in the trail, want %s", text, got, want)
		}
	}
	for _, signed := range []string{up.GetUrl(), down.GetUrl()} {
		if got := told(signed); got != "0" {
			t.Error("a URL is in the trail")
		}
	}
	if _, err := w.objects.PresignDownload(w.as(acc), &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: bucket, Key: ""}); err == nil || told("object.presign_download") != "1" {
		t.Error("a URL that was not given is in the trail")
	}
}
