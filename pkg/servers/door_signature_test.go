package servers_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

func TestDoor_keeps_signatures_valid(t *testing.T) {
	s := startStorage(t)
	keys := []string{
		"plain", "with space and + plus", "ümlaut/日本語", "a%2Fb", "dots../..more", "minio/admin/v3/info",
		"q?x=1&y=2#z", "tilde~(paren)'quote'!*", "trailing/",
	}
	for _, key := range keys {
		t.Run("put and get "+key, func(t *testing.T) {
			want := []byte("content of " + key)
			if strings.HasSuffix(key, "/") {
				want = nil // MinIO keeps a folder marker, which has no content
			}
			if _, err := s.s3.PutObject(t.Context(), bucket, key, bytes.NewReader(want), int64(len(want)), minio.PutObjectOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := s.read(t, key, minio.GetObjectOptions{}); !bytes.Equal(got, want) {
				t.Errorf("got %q", got)
			}
		})
	}

	large := make([]byte, 11<<20)
	if _, err := rand.Read(large); err != nil {
		t.Fatal(err)
	}
	t.Run("multipart", func(t *testing.T) {
		info, err := s.s3.PutObject(t.Context(), bucket, "large", bytes.NewReader(large), int64(len(large)), minio.PutObjectOptions{PartSize: 5 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(info.ETag, "-3") {
			t.Errorf("etag %q is not that of three parts", info.ETag)
		}
		if !bytes.Equal(s.read(t, "large", minio.GetObjectOptions{}), large) {
			t.Error("what came back is not what was sent")
		}
	})
	t.Run("a range", func(t *testing.T) {
		var opts minio.GetObjectOptions
		if err := opts.SetRange(6<<20, 6<<20+99); err != nil {
			t.Fatal(err)
		}
		if got := s.read(t, "large", opts); !bytes.Equal(got, large[6<<20:6<<20+100]) {
			t.Errorf("got %d bytes, not the 100 asked for", len(got))
		}
	})
	t.Run("unsigned payload", func(t *testing.T) {
		_, err := s.s3.PutObject(t.Context(), bucket, "unsigned", strings.NewReader("x"), 1, minio.PutObjectOptions{DisableContentSha256: true})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("user metadata", func(t *testing.T) {
		_, err := s.s3.PutObject(t.Context(), bucket, "meta", strings.NewReader("x"), 1, minio.PutObjectOptions{UserMetadata: map[string]string{"Colour": "red"}})
		if err != nil {
			t.Fatal(err)
		}
		info, err := s.s3.StatObject(t.Context(), bucket, "meta", minio.StatObjectOptions{})
		if err != nil || info.UserMetadata["Colour"] != "red" {
			t.Errorf("metadata %v, %v", info.UserMetadata, err)
		}
	})
	t.Run("presigned put and get", func(t *testing.T) { presigned(t, s) })
	t.Run("a compressed object comes back compressed", func(t *testing.T) { compressed(t, s) })
	t.Run("list and delete", func(t *testing.T) {
		found := make(chan minio.ObjectInfo)
		go func() {
			defer close(found)
			for o := range s.s3.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true}) {
				found <- o
			}
		}()
		for e := range s.s3.RemoveObjects(t.Context(), bucket, found, minio.RemoveObjectsOptions{}) {
			t.Errorf("remove %q: %v", e.ObjectName, e.Err)
		}
		if err := s.s3.RemoveBucket(t.Context(), bucket); err != nil {
			t.Error(err)
		}
	})
}

func presigned(t *testing.T, s storage) {
	t.Helper()
	put, err := s.s3.PresignedPutObject(t.Context(), bucket, "presigned", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if res := send(t, http.MethodPut, put.String(), nil, "by link"); res.status != http.StatusOK {
		t.Fatalf("put answers %s", res)
	}
	get, err := s.s3.PresignedGetObject(t.Context(), bucket, "presigned", time.Minute, url.Values{
		"response-content-disposition": {`attachment; filename="x-y.txt"`},
	})
	if err != nil {
		t.Fatal(err)
	}
	if res := send(t, http.MethodGet, get.String(), nil, ""); res.status != http.StatusOK || res.body != "by link" {
		t.Errorf("get answers %s", res)
	}
	get.RawQuery = strings.Replace(get.RawQuery, "X-Amz-Expires=60", "X-Amz-Expires=61", 1)
	if res := send(t, http.MethodGet, get.String(), nil, ""); res.status != http.StatusForbidden || !strings.Contains(res.body, "SignatureDoesNotMatch") {
		t.Errorf("a changed link answers %s", res)
	}
}

func compressed(t *testing.T, s storage) {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, _ = zip.Write(bytes.Repeat([]byte("text "), 1000))
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.s3.PutObject(t.Context(), bucket, "packed", bytes.NewReader(packed.Bytes()), int64(packed.Len()),
		minio.PutObjectOptions{ContentEncoding: "gzip"}); err != nil {
		t.Fatal(err)
	}
	link, err := s.s3.PresignedGetObject(t.Context(), bucket, "packed", time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	res := send(t, http.MethodGet, link.String(), nil, "")
	if res.body != packed.String() || res.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%d bytes with encoding %q came back, %d were sent", len(res.body), res.header.Get("Content-Encoding"), packed.Len())
	}
}
