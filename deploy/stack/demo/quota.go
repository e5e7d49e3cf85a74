package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// quota has the platform limit the account, and shows that an upload which does not fit gets
// no URL, and that an account beyond its limit reads and does not write.
func (d *Demo) quota(ctx context.Context) error {
	operator := webclient.New(d.target.Gateway)
	if err := operator.Login(ctx, d.target.Operator, d.target.OperatorPassword); err != nil {
		return err
	}
	if err := d.limit(ctx, operator, 1<<30); err != nil {
		return err
	}
	var status *webclient.Status
	_, err := d.web.Call(ctx, http.MethodPost, "/v1/accounts/"+d.account+"/buckets/"+d.bucket+"/objects:presignUpload",
		map[string]any{"key": "large.bin", "sizeBytes": fmt.Sprint(2 << 30)}, nil)
	if !errors.As(err, &status) || status.Reason() != "QUOTA_EXCEEDED" {
		return fmt.Errorf("an upload of 2 GiB with a limit of 1 GiB: %w", err)
	}
	d.show("a URL for 2 GiB with a limit of 1 GiB: HTTP %d %s", status.HTTP, status.Reason())
	for _, act := range []struct {
		bytes int64
		want  int
	}{{10, http.StatusForbidden}, {0, http.StatusOK}} {
		if err := d.limit(ctx, operator, act.bytes); err != nil {
			return err
		}
		began := time.Now()
		if err := within(ctx, time.Minute, func() error { return d.puts(ctx, act.want) }); err != nil {
			return err
		}
		d.show("with a limit of %d bytes (0 is none) a put with the key gets HTTP %d after %s, a get works",
			act.bytes, act.want, time.Since(began).Round(100*time.Millisecond))
	}
	return nil
}

// limit gives the account a hard limit of bytes.
func (d *Demo) limit(ctx context.Context, operator *webclient.Client, bytes int64) error {
	_, err := operator.Call(ctx, http.MethodPut, "/v1/platform/accounts/"+d.account+"/quota", map[string]any{
		"limits": map[string]string{"storageHardBytes": fmt.Sprint(bytes)}, "reason": "the demo shows a quota",
	}, nil)
	return err
}

// puts reports whether a put gets the answer, and a get works.
func (d *Demo) puts(ctx context.Context, want int) error {
	s3, err := d.client(d.target.S3, d.key.accessKeyID, d.key.secret)
	if err != nil {
		return err
	}
	const key = "quota.txt"
	status := http.StatusOK
	if _, err := s3.PutObject(ctx, d.bucket, key, strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
		var refused minio.ErrorResponse
		if !errors.As(err, &refused) {
			return err
		}
		status = refused.StatusCode
	}
	if status != want {
		return fmt.Errorf("a put: HTTP %d", status)
	}
	if _, err := s3.StatObject(ctx, d.bucket, "hello.txt", minio.StatObjectOptions{}); err != nil {
		return fmt.Errorf("a get: %w", err)
	}
	return s3.RemoveObject(ctx, d.bucket, key, minio.RemoveObjectOptions{})
}
