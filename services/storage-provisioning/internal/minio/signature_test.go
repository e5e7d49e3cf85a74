package minio_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

// A signature is right when it is the client library's. The library takes the time by itself, so
// a second may pass between the two: then they are made again.
func TestA_signature_is_the_client_librarys(t *testing.T) {
	b, err := minio.New(minio.Config{
		Endpoint: "http://127.0.0.1:1", PublicEndpoint: "https://s3.example.com:8443", Region: "eu-north-1", AdminKey: "root", AdminSecret: "root-secret",
	})
	must(t, err)
	t.Cleanup(b.Close)
	library, err := client.New("s3.example.com:8443", &client.Options{
		Creds: credentials.NewStaticV4("READER", "reader-secret", ""), Secure: true, Region: "eu-north-1", BucketLookup: client.BucketLookupPath,
	})
	must(t, err)
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[ -~äé日🪣]{1,20}(/[ -~ä]{1,9}){0,3}`).Draw(t, "key")
		query := url.Values{}
		in := object.Download{
			Reader: "READER", Secret: "reader-secret", Bucket: "acme", Key: key, Lifetime: time.Duration(rapid.IntRange(60, 3600).Draw(t, "seconds")) * time.Second,
			VersionID: rapid.StringMatching(`[0-9a-f-]{0,36}`).Draw(t, "version"), Disposition: rapid.StringMatching(`[ -~]{0,30}`).Draw(t, "disposition"),
			ContentType: rapid.StringMatching(`([a-z]{1,9}/[a-z+ ;=]{1,9})?`).Draw(t, "content type"),
		}
		for name, value := range map[string]string{
			"versionId": in.VersionID, "response-content-disposition": in.Disposition, "response-content-type": in.ContentType,
		} {
			if value != "" {
				query.Set(name, value)
			}
		}
		for {
			ours, err := b.PresignDownload(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := library.PresignHeader(t.Context(), http.MethodGet, "acme", key, in.Lifetime, query, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := url.Parse(ours.URL)
			if err != nil {
				t.Fatal(err)
			}
			if got.Query().Get("X-Amz-Date") != theirs.Query().Get("X-Amz-Date") {
				continue
			}
			if got.Query().Encode() != theirs.Query().Encode() || got.Path != theirs.Path || got.Host != theirs.Host || strings.Contains(ours.URL, "+") {
				t.Fatalf("%q:\n%s\n%s", key, ours.URL, theirs)
			}
			return
		}
	})
}
