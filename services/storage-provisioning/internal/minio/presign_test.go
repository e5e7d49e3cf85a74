package minio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// signing is a tenant with the hidden reader key, behind a door.
type signing struct {
	tenant
	b              *minio.Backend
	reader, secret string
}

func newSigning(t *testing.T, s *testkit.Storage, public string) signing {
	t.Helper()
	b := backend(t, s, func(c *minio.Config) { c.PublicEndpoint = public })
	one := signing{tenant: newTenant(t, b, name("sign-")), b: b, reader: name("R"), secret: name("reader-secret-")}
	must(t, b.PutKey(t.Context(), principal.KeySpec{User: one.user, ID: one.reader, Secret: one.secret, Policy: policy.Documents{}.Reader()}))
	return one
}

func (s signing) upload(t interface{ Fatal(...any) }, ctx context.Context, key string, lifetime time.Duration, contentType string) object.Signed {
	session, err := policy.Upload(s.bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.b.PresignUpload(ctx, object.Upload{
		User: s.user, Secret: s.tenant.secret, Policy: session, Bucket: s.bucket, Key: key, Lifetime: lifetime, ContentType: contentType,
	})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (s signing) download(t interface{ Fatal(...any) }, ctx context.Context, key, disposition string) object.Signed {
	signed, err := s.b.PresignDownload(ctx, object.Download{
		Reader: s.reader, Secret: s.secret, Bucket: s.bucket, Key: key, Lifetime: time.Minute, Disposition: disposition,
	})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// send sends a request as a browser would and returns status, body and headers.
func send(ctx context.Context, method, address, body string, headers map[string]string) (int, string, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, string(got), res.Header, err
}

func TestPresignedURLsThroughTheDoor(t *testing.T) {
	s := testkit.MinIO(t)
	door := testkit.Door(t, s.MinIO)
	ctx := t.Context()
	one := newSigning(t, s, door.Endpoint())
	expect := func(t *testing.T, want int, method, address, body string, headers map[string]string) string {
		t.Helper()
		status, got, _, err := send(ctx, method, address, body, headers)
		must(t, err)
		if status != want {
			t.Fatalf("%s: got %d, want %d: %s", method, status, want, got)
		}
		return got
	}

	t.Run("an upload and a download go through", func(t *testing.T) {
		up := one.upload(t, ctx, "a/report ä+%2f.pdf", time.Minute, "")
		if !strings.HasPrefix(up.URL, door.Endpoint()+"/"+one.bucket+"/") || up.Method != http.MethodPut {
			t.Fatalf("%s", up.Method)
		}
		if left := time.Until(up.ExpireTime); left < 50*time.Second || left > time.Minute {
			t.Errorf("it says that it ends in %s", left)
		}
		expect(t, http.StatusOK, up.Method, up.URL, "hello", up.Headers)
		down := one.download(t, ctx, "a/report ä+%2f.pdf", `attachment; filename="x.pdf"`)
		status, got, headers, err := send(ctx, down.Method, down.URL, "", nil)
		must(t, err)
		if status != http.StatusOK || got != "hello" || headers.Get("Content-Disposition") != `attachment; filename="x.pdf"` {
			t.Errorf("got %d %q %v", status, got, headers)
		}
	})
	t.Run("a URL for the public host is refused on another", func(t *testing.T) {
		up := one.upload(t, ctx, "k", time.Minute, "")
		expect(t, http.StatusForbidden, up.Method, strings.Replace(up.URL, door.Address(), s.Address(), 1), "x", nil)
	})
	t.Run("an upload cannot write another key, nor do anything else", func(t *testing.T) {
		up := one.upload(t, ctx, "mine", time.Minute, "")
		other := strings.Replace(up.URL, "/mine?", "/yours?", 1)
		expect(t, http.StatusForbidden, http.MethodPut, other, "x", nil)
		expect(t, http.StatusForbidden, http.MethodPut, strings.Replace(up.URL, "/mine?", "/mine/?", 1), "x", nil)
		expect(t, http.StatusForbidden, http.MethodGet, up.URL, "", nil)
		expect(t, http.StatusForbidden, http.MethodDelete, up.URL, "", nil)
		expect(t, http.StatusForbidden, http.MethodPut, up.URL+"&partNumber=1&uploadId=x", "x", nil)
	})
	t.Run("a declared content type is required", func(t *testing.T) {
		up := one.upload(t, ctx, "typed", time.Minute, "image/png")
		expect(t, http.StatusBadRequest, up.Method, up.URL, "x", nil) // so MinIO answers to a signed header that is missing
		expect(t, http.StatusForbidden, up.Method, up.URL, "x", map[string]string{"Content-Type": "text/html"})
		expect(t, http.StatusOK, up.Method, up.URL, "x", up.Headers)
	})
	t.Run("a download cannot write, list or read another object", func(t *testing.T) {
		put(t, root(t, s), one.bucket, "d1")
		put(t, root(t, s), one.bucket, "d2")
		down := one.download(t, ctx, "d1", "")
		expect(t, http.StatusOK, http.MethodGet, down.URL, "", nil)
		expect(t, http.StatusForbidden, http.MethodPut, down.URL, "x", nil)
		expect(t, http.StatusForbidden, http.MethodGet, strings.Replace(down.URL, "/d1?", "/d2?", 1), "", nil)
		expect(t, http.StatusForbidden, http.MethodGet, strings.Replace(down.URL, "/d1?", "?", 1), "", nil)
	})
	t.Run("an expired one is refused", func(t *testing.T) {
		up := one.upload(t, ctx, "late", time.Second, "")
		testkit.Eventually(t, 5*time.Second, func() error {
			status, got, _, err := send(ctx, up.Method, up.URL, "x", nil)
			if err == nil && (status != http.StatusForbidden || !strings.Contains(got, "expired")) {
				err = errors.New(got)
			}
			return err
		})
	})
	t.Run("disabling the account's user ends them at once, enabling brings them back", func(t *testing.T) {
		put(t, root(t, s), one.bucket, "k")
		up, down := one.upload(t, ctx, "k", time.Minute, ""), one.download(t, ctx, "k", "")
		must(t, rootAdmin(t, s).SetUserStatus(ctx, one.user, "disabled"))
		expect(t, http.StatusForbidden, up.Method, up.URL, "x", nil)
		expect(t, http.StatusForbidden, down.Method, down.URL, "", nil)
		must(t, rootAdmin(t, s).SetUserStatus(ctx, one.user, "enabled"))
		expect(t, http.StatusOK, up.Method, up.URL, "x", nil)
		expect(t, http.StatusOK, down.Method, down.URL, "", nil)
	})
	t.Run("an upload without a session policy is refused, since it could do what the user can", func(t *testing.T) {
		_, err := one.b.PresignUpload(ctx, object.Upload{User: one.user, Secret: one.tenant.secret, Bucket: one.bucket, Key: "k", Lifetime: time.Minute})
		if err == nil {
			t.Error("it is signed")
		}
	})
}

// A URL shows the id of its key, and the server's holes turn an id into a key: so what
// matters is what the temporary credentials could do, not what the URL can.
func TestTheCredentialsOfAnUploadWriteOneObject(t *testing.T) {
	s := testkit.MinIO(t)
	ctx := t.Context()
	one := newSigning(t, s, "")
	for _, key := range []string{"k", "a/b", "dir/", "a$b", "a{b}"} {
		t.Run(key, func(t *testing.T) {
			session, err := policy.Upload(one.bucket, key)
			must(t, err)
			provider := &credentials.STSAssumeRole{STSEndpoint: s.Endpoint(), Options: credentials.STSAssumeRoleOptions{
				AccessKey: one.user, SecretKey: one.tenant.secret, Policy: string(session), Location: s.Region, DurationSeconds: 900,
			}}
			temporary, err := client.New(s.Address(), &client.Options{
				Creds: credentials.New(provider), Region: s.Region, BucketLookup: client.BucketLookupPath, MaxRetries: 1,
			})
			must(t, err)
			put(t, temporary, one.bucket, key)
			for _, other := range []string{key + "/", strings.TrimSuffix(key, "/"), key + "x", "x" + key, "other"} {
				if other != key && tryPut(ctx, temporary, one.bucket, other) == nil {
					t.Errorf("they write %q", other)
				}
			}
			if _, err := temporary.StatObject(ctx, one.bucket, key, client.StatObjectOptions{}); err == nil {
				t.Error("they read")
			}
			if err := temporary.RemoveObject(ctx, one.bucket, key, client.RemoveObjectOptions{}); err == nil {
				t.Error("they delete")
			}
			if strings.HasSuffix(key, "/") {
				return // MinIO takes no parts of such an object, from nobody
			}
			id, err := client.Core{Client: temporary}.NewMultipartUpload(ctx, one.bucket, key, client.PutObjectOptions{})
			must(t, err)
			must(t, client.Core{Client: temporary}.AbortMultipartUpload(ctx, one.bucket, key, id))
		})
	}
	t.Run("MinIO knows no escape for a pattern, so such a key cannot be named exactly", func(t *testing.T) {
		for _, spelled := range []string{"a*b", "a${*}b", `a\*b`, "a[*]b"} {
			document := bytes.ReplaceAll([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::B/K"]}]}`), []byte("B/K"), []byte(one.bucket+"/"+strings.ReplaceAll(spelled, `\`, `\\`)))
			id := name("K")
			must(t, one.b.PutKey(ctx, principal.KeySpec{User: one.user, ID: id, Secret: "secret-secret", Policy: document}))
			c := s3(t, s.Address(), s.Region, id, "secret-secret")
			exact, wide := tryPut(ctx, c, one.bucket, "a*b") == nil, tryPut(ctx, c, one.bucket, "aXXb") == nil
			if exact && !wide {
				t.Errorf("%s names a*b exactly: then uploads of such keys could be offered", spelled)
			}
		}
	})
}

// stored puts a key and says under which key the server lists it.
func stored(ctx context.Context, c *client.Client, bucket, key string) (string, error) {
	if err := tryPut(ctx, c, bucket, key); err != nil {
		return "", err
	}
	var found []string
	for o := range c.ListObjectsIter(ctx, bucket, client.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			return "", o.Err
		}
		found = append(found, o.Key)
	}
	for _, k := range found {
		if err := c.RemoveObject(ctx, bucket, k, client.RemoveObjectOptions{}); err != nil {
			return "", err
		}
	}
	return strings.Join(found, "|"), nil
}

func TestObjectKeysOnTheRealMinIO(t *testing.T) {
	s := testkit.MinIO(t)
	c, ctx := root(t, s), t.Context()
	bucket := name("keys-")
	must(t, c.MakeBucket(ctx, bucket, client.MakeBucketOptions{}))
	t.Run("what the server refuses or changes is refused before", func(t *testing.T) {
		for _, key := range []string{
			"/a", "//a", "a//b", "a/../b", "../b", "..", ".", "./a", "a/.", "a/..", "a/./b", `..\b`, `a\..\b`, " ", "\t", "a/ .. /b", ".. ",
			"a\x00b", "a\xffb", "__XLDIR__", "a__XLDIR__", "a__XLDIR__/b", strings.Repeat("k", 256), strings.Repeat("k/", 512) + "k",
		} {
			if object.CheckKey(key) == nil {
				t.Errorf("%q passes", key)
			}
			got, err := stored(ctx, c, bucket, key)
			if err == nil && got == key {
				t.Logf("the server keeps %q as it is", key)
			}
		}
	})
	t.Run("what passes is kept as it is", func(t *testing.T) {
		for _, key := range []string{
			"a", "a/", `a\b`, " a", "a ", "a/ /b", "a+b", "a%2fb", "a%2e%2e", "a*b", "a?b", "a$b", "a#b", "a;b", "a:b", "a|b", "a<b>", "a&b", `a"b`,
			"ä", "a\u0308", "\u202e", ".minio.sys/x", "xl.meta", "c/part.1", "...", "a/...", "~a", "-a", "null", "a__XLDIR", "日本語", "🪣",
			strings.Repeat("k", 255), strings.Repeat("k/", 511) + "kk",
		} {
			if err := object.CheckKey(key); err != nil {
				t.Errorf("%q is refused: %v", key, err)
				continue
			}
			if got, err := stored(ctx, c, bucket, key); err != nil || got != key {
				t.Errorf("%q is kept as %q, %v", key, got, err)
			}
		}
	})
	t.Run("any key that passes is kept as it is, and its URLs work", func(t *testing.T) {
		one := newSigning(t, s, "")
		rapid.Check(t, func(t *rapid.T) {
			key := rapid.StringMatching(`[ -~äé日🪣\\]{1,12}(/[ -~ä\\]{0,6}){0,3}`).Draw(t, "key")
			if object.CheckKey(key) != nil {
				return
			}
			if got, err := stored(ctx, c, bucket, key); err != nil || got != key {
				t.Fatalf("%q is kept as %q, %v", key, got, err)
			}
			if _, err := policy.Upload(one.bucket, key); err != nil {
				return
			}
			up := one.upload(t, ctx, key, time.Minute, "")
			if status, got, _, err := send(ctx, up.Method, up.URL, "hello", nil); err != nil || status != http.StatusOK {
				t.Fatalf("upload of %q: %d %s %v", key, status, got, err)
			}
			down := one.download(t, ctx, key, "")
			if status, got, _, err := send(ctx, down.Method, down.URL, "", nil); err != nil || status != http.StatusOK || got != "hello" {
				t.Fatalf("download of %q: %d %s %v", key, status, got, err)
			}
			if u, err := url.Parse(up.URL); err != nil || u.Path != "/"+one.bucket+"/"+key {
				t.Fatalf("the URL of %q has the path %q, %v", key, u.Path, err)
			}
		})
	})
}
