package minio_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

// forged is an upload id that MinIO takes for a path from where uploads are kept.
func forged(path string) string { return base64.RawURLEncoding.EncodeToString([]byte("x." + path)) }

// TestA_forged_upload_id shows first that the hole is there: with a key of its own, and on its
// own bucket, one tenant overwrites what another keeps. Through the door it does not.
func TestA_forged_upload_id_reaches_another_tenants_object_on_MinIO_and_not_through_the_door(t *testing.T) {
	s := testkit.MinIO(t)
	door := testkit.Door(t, s.MinIO)
	ctx := t.Context()
	b := backend(t, s)
	mine, theirs := newTenant(t, b, name("mine-")), newTenant(t, b, name("theirs-"))
	// Small objects are kept where parts do not reach.
	const size = 1 << 20
	content := func(of string) io.Reader { return strings.NewReader(strings.Repeat(of, size)) }
	keep := func(key string) {
		t.Helper()
		_, err := root(t, s).PutObject(ctx, theirs.bucket, key, content("v"), size, client.PutObjectOptions{DisableMultipart: true})
		must(t, err)
	}
	intact := func(key string) bool {
		got, err := root(t, s).GetObject(ctx, theirs.bucket, key, client.GetObjectOptions{})
		must(t, err)
		raw, err := io.ReadAll(got)
		return err == nil && string(raw) == strings.Repeat("v", size)
	}
	keep("direct")
	keep("door")
	to := func(key string) string { return forged("../../../" + theirs.bucket + "/" + key) }
	direct := client.Core{Client: s3(t, s.Address(), s.Region, mine.key, mine.keySecret)}
	if _, err := direct.PutObjectPart(ctx, mine.bucket, "k", to("direct"), 1, content("e"), size, client.PutObjectPartOptions{}); err != nil || intact("direct") {
		t.Errorf("MinIO itself refuses it (%v): the hole is closed, and this test proves nothing", err)
	}

	through := client.Core{Client: s3(t, door.Address(), s.Region, mine.key, mine.keySecret)}
	for _, path := range []string{"../../../" + theirs.bucket + "/door", "a../../../" + theirs.bucket + "/door", "ab/../../../../" + theirs.bucket + "/door"} {
		id := forged(path)
		_, put := through.PutObjectPart(ctx, mine.bucket, "k", id, 1, content("e"), size, client.PutObjectPartOptions{})
		_, list := through.ListObjectParts(ctx, mine.bucket, "k", id, 0, 10)
		_, copied := through.CopyObjectPart(ctx, mine.bucket, "k", mine.bucket, "k", id, 1, 0, -1, nil)
		_, complete := through.CompleteMultipartUpload(ctx, mine.bucket, "k", id, []client.CompletePart{{PartNumber: 1, ETag: strings.Repeat("0", 32)}}, client.PutObjectOptions{})
		abort := through.AbortMultipartUpload(ctx, mine.bucket, "k", id)
		for what, err := range map[string]error{"put": put, "list": list, "copy": copied, "complete": complete} {
			if got := code(err); got != "NoSuchUpload" {
				t.Errorf("%s with %q: %s", what, path, got)
			}
		}
		if got := code(abort); got != "NoSuchUpload" {
			t.Errorf("abort with %q: %s", path, got)
		}
	}
	t.Run("nor with a disguise", func(t *testing.T) {
		id := to("door")
		for what, query := range map[string]string{
			"an escaped letter":        "uploadId=%" + fmt.Sprintf("%02X", id[0]) + id[1:],
			"an escaped line end":      "uploadId=" + id[:5] + "%0A" + id[5:],
			"a second one":             "uploadId=ZDEuYzIz&uploadId=" + id,
			"one in front":             "uploadId=" + id + "&uploadId=ZDEuYzIz",
			"an escaped name":          "upload%49d=" + id,
			"a body that says another": "uploadId=ZDEuYzIz",
		} {
			header := map[string]string{}
			if strings.HasPrefix(what, "a body") {
				header["Content-Type"] = "application/x-www-form-urlencoded"
			}
			status, _, _, err := send(ctx, http.MethodPut, door.Endpoint()+"/"+mine.bucket+"/k?partNumber=1&"+query, "uploadId="+id, header)
			if err != nil || status != http.StatusNotFound && (status != http.StatusForbidden || !strings.Contains(what, "name") && !strings.HasPrefix(what, "a body")) {
				t.Errorf("%s: %d %v", what, status, err)
			}
		}
	})
	if !intact("door") {
		t.Error("the object is another")
	}
	t.Run("an id that MinIO made goes through", func(t *testing.T) {
		for range 20 {
			id, err := through.NewMultipartUpload(ctx, mine.bucket, "k", client.PutObjectOptions{})
			must(t, err)
			if _, err := through.ListObjectParts(ctx, mine.bucket, "k", id, 0, 10); err != nil {
				t.Errorf("%s: %v", id, err)
			}
			must(t, through.AbortMultipartUpload(ctx, mine.bucket, "k", id))
		}
	})
}

// What the door looks for in the letters of an id is a slash, wherever it falls in a group.
func TestThe_door_finds_a_slash_in_an_upload_id_wherever_it_stands(t *testing.T) {
	s := testkit.MinIO(t)
	door := testkit.Door(t, s.MinIO)
	answer := func(plain string) string {
		id := base64.RawURLEncoding.EncodeToString([]byte(plain))
		_, said, _, err := send(t.Context(), http.MethodGet, door.Endpoint()+"/no-such-bucket/k?uploadId="+url.QueryEscape(id), "", nil)
		must(t, err)
		return said
	}
	for _, around := range []string{"\x00", "-", ".", "0", "f", "x", "\xff", "o", "\x2f"} {
		for at := range 7 {
			text := strings.Repeat(around, at) + "/" + strings.Repeat(around, 6-at)
			if said := answer(text); !strings.Contains(said, "<Code>NoSuchUpload</Code>") {
				t.Errorf("%q passes: %s", text, said)
			}
		}
		if around == "\x2f" {
			continue
		}
		if said := answer(strings.Repeat(around, 7)); strings.Contains(said, "<Code>NoSuchUpload</Code>") {
			t.Errorf("%q is refused", strings.Repeat(around, 7))
		}
	}
}

func TestThe_adapter_takes_no_upload_id_that_MinIO_has_not_made(t *testing.T) {
	s := testkit.MinIO(t)
	b := backend(t, s)
	one := newTenant(t, b, name("ids-"))
	login := object.Login{User: one.user, Secret: one.secret}
	for _, id := range []string{"", "k", forged("../a"), forged("a/b"), forged(".."), forged("a\\b"), "ZDEuYzIz=", "ZDEu\nYzIz"} {
		at := object.UploadRef{Bucket: one.bucket, Key: "k", ID: id}
		_, _, parts := b.Parts(t.Context(), login, at, 0, 1)
		_, complete := b.Complete(t.Context(), login, at, []object.Part{{Number: 1}})
		_, sign := b.PresignParts(t.Context(), object.PartURLs{Scope: object.Scope{Login: login, Policy: []byte("{}")}, UploadRef: at, Numbers: []int{1}, Lifetime: time.Minute})
		for _, err := range []error{parts, complete, sign, b.Abort(t.Context(), login, at)} {
			refused(t, err, errs.NotFound, "UPLOAD_NOT_FOUND")
		}
	}
	_, err := b.Begin(t.Context(), object.Scope{Login: login}, object.NewUpload{Bucket: one.bucket, Key: "k"})
	if errs.ReasonOf(err) != "BACKEND_REJECTED" {
		t.Errorf("without a session policy: %v", err)
	}
}
