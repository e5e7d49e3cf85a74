package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// client returns a plain S3 client of an endpoint.
func (d *Demo) client(endpoint, id, secret string) (*minio.Client, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	return minio.New(u.Host, &minio.Options{
		Creds: miniocredentials.NewStaticV4(id, secret, ""), Secure: u.Scheme == "https", Region: d.target.Region,
	})
}

func (d *Demo) readBack(ctx context.Context) error {
	u, err := url.Parse(d.target.MinIO)
	if err != nil {
		return err
	}
	admin, err := madmin.NewWithOptions(u.Host, &madmin.Options{
		Creds: miniocredentials.NewStaticV4(d.target.MinIOUser, d.target.MinIOPassword, ""), Secure: u.Scheme == "https",
	})
	if err != nil {
		return err
	}
	quota, err := admin.GetBucketQuota(ctx, d.bucket)
	if err != nil {
		return err
	}
	root, err := d.client(d.target.MinIO, d.target.MinIOUser, d.target.MinIOPassword)
	if err != nil {
		return err
	}
	rules, err := root.GetBucketLifecycle(ctx, d.bucket)
	if err != nil {
		return err
	}
	if quota.Size != 1<<30 || len(rules.Rules) != 1 {
		return fmt.Errorf("MinIO has a quota of %d bytes and %d rules, not 1073741824 and 1", quota.Size, len(rules.Rules))
	}
	rule := rules.Rules[0]
	d.show("MinIO says: quota %d bytes (%s); rule %q expires %q after %d days", quota.Size, quota.Type, rule.ID, rule.RuleFilter.Prefix, rule.Expiration.Days)
	return nil
}

func (d *Demo) putAndGet(ctx context.Context) error {
	s3, err := d.client(d.target.S3, d.key.accessKeyID, d.key.secret)
	if err != nil {
		return err
	}
	const text = "bytes that never passed through the control plane"
	put, err := s3.PutObject(ctx, d.bucket, "hello.txt", strings.NewReader(text), int64(len(text)), minio.PutObjectOptions{})
	if err != nil {
		return err
	}
	object, err := s3.GetObject(ctx, d.bucket, "hello.txt", minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }()
	got, err := io.ReadAll(object)
	if err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("read %q back", got)
	}
	d.show("put %d bytes (etag %s) and read them back at %s", put.Size, put.ETag, d.target.S3)
	return nil
}

// signed is a presigned URL as the suite hands it out.
type signed struct {
	Method, URL, ExpireTime string
	Headers                 map[string]string
}

func (d *Demo) presign(ctx context.Context, verb, key string) (signed, error) {
	return d.presignAs(ctx, d.web, d.bucket, verb, key)
}

func (d *Demo) presignAs(ctx context.Context, who *webclient.Client, bucket, verb, key string) (signed, error) {
	var answer signed
	_, err := who.Call(ctx, http.MethodPost, "/v1/accounts/"+d.account+"/buckets/"+bucket+"/objects:presign"+verb,
		map[string]any{"key": key, "lifetime": "300s"}, &answer)
	return answer, err
}

func send(ctx context.Context, s signed, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, s.Method, s.URL, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for name, value := range s.Headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	return response.StatusCode, got, err
}

func (d *Demo) presigned(ctx context.Context) error {
	const text = "uploaded by URL"
	up, err := d.presign(ctx, "Upload", "inbox/note.txt")
	if err != nil {
		return err
	}
	status, answer, err := send(ctx, up, []byte(text))
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("%s: HTTP %d %s %w", up.Method, status, answer, err)
	}
	d.show("%s to %s: HTTP %d, works until %s", up.Method, host(up.URL), status, up.ExpireTime)
	elsewhere := up
	elsewhere.URL = strings.Replace(up.URL, "note.txt", "other.txt", 1)
	if status, _, err = send(ctx, elsewhere, []byte(text)); err != nil || status != http.StatusForbidden {
		return fmt.Errorf("the URL also writes another key: HTTP %d %w", status, err)
	}
	d.show("the same URL for another key: HTTP %d", status)
	down, err := d.presign(ctx, "Download", "inbox/note.txt")
	if err != nil {
		return err
	}
	status, answer, err = send(ctx, down, nil)
	if err != nil || status != http.StatusOK || string(answer) != text {
		return fmt.Errorf("%s: HTTP %d %q %w", down.Method, status, answer, err)
	}
	d.show("%s: HTTP %d, %q", down.Method, status, answer)
	return nil
}

func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}

func (d *Demo) refused(ctx context.Context) error {
	account, err := d.newAccount(ctx, "Another Tenant")
	if err != nil {
		return err
	}
	// Its name begins like the first one's: a careless pattern in a policy would match it.
	d.other = tenant{account: account, bucket: d.bucket + "-private"}
	if _, _, err := d.newBucket(ctx, account, d.other.bucket); err != nil {
		return err
	}
	s3, err := d.client(d.target.S3, d.key.accessKeyID, d.key.secret)
	if err != nil {
		return err
	}
	_, err = s3.PutObject(ctx, d.other.bucket, "intruder.txt", strings.NewReader("x"), 1, minio.PutObjectOptions{})
	var refused minio.ErrorResponse
	if !errors.As(err, &refused) || refused.Code != "AccessDenied" {
		return fmt.Errorf("put into the bucket of %s: %w", account, err)
	}
	d.show("put into %s of %s: %s", d.other.bucket, account, refused.Code)
	var status *webclient.Status
	_, err = d.web.Call(ctx, http.MethodGet, "/v1/accounts/"+account+"/buckets/"+d.bucket, nil, nil)
	if !errors.As(err, &status) || status.HTTP != http.StatusNotFound {
		return fmt.Errorf("the first tenant's bucket seen from the other account: %w", err)
	}
	d.show("the first tenant's bucket asked for in the other account: HTTP %d %s", status.HTTP, status.Reason())
	return nil
}

func (d *Demo) cleanUp(ctx context.Context) error {
	var status *webclient.Status
	if err := d.deleteBucket(ctx, d.account, d.bucket); !errors.As(err, &status) || status.Reason() != "BUCKET_NOT_EMPTY" {
		return fmt.Errorf("a bucket with content was not refused: %w", err)
	}
	d.show("the bucket with content is not deleted: %s (%s)", status.Reason(), status.Message)
	s3, err := d.client(d.target.S3, d.key.accessKeyID, d.key.secret)
	if err != nil {
		return err
	}
	for _, key := range []string{"hello.txt", "inbox/note.txt"} {
		if err := s3.RemoveObject(ctx, d.bucket, key, minio.RemoveObjectOptions{}); err != nil {
			return err
		}
	}
	if _, err := d.web.Call(ctx, http.MethodDelete, "/v1/accounts/"+d.account+"/accessKeys/"+d.key.id, nil, nil); err != nil {
		return err
	}
	_, err = s3.StatObject(ctx, d.bucket, "hello.txt", minio.StatObjectOptions{})
	var refused minio.ErrorResponse
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden {
		return fmt.Errorf("the deleted key still works: %w", err)
	}
	d.show("objects deleted; the deleted key is refused with HTTP %d", refused.StatusCode)
	if err := d.deleteBucket(ctx, d.account, d.bucket); err != nil {
		return err
	}
	if err := d.leaveNothing(ctx); err != nil {
		return err
	}
	if err := d.deleteBucket(ctx, d.other.account, d.other.bucket); err != nil {
		return err
	}
	d.show("buckets %s and %s deleted", d.bucket, d.other.bucket)
	return nil
}
