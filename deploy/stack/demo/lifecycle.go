package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// hits is a part of a preview as it travels: int64 values are strings in JSON.
type hits struct{ Count, Bytes string }

// settings makes a bucket with versions, asks what a lifecycle rule would do there, adds it,
// and opens a part of the bucket to everybody and closes it again.
func (d *Demo) settings(ctx context.Context) error {
	bucket := d.bucket + "-versions"
	root, err := d.client(d.target.MinIO, d.target.MinIOUser, d.target.MinIOPassword)
	if err != nil {
		return err
	}
	at := "/v1/accounts/" + d.account + "/buckets/" + bucket
	if _, err := d.web.Call(ctx, http.MethodPost, "/v1/accounts/"+d.account+"/buckets", map[string]any{
		"name": bucket, "versioning": "VERSIONING_ENABLED", "labels": map[string]string{"for": "demo"}, "tags": map[string]string{"team": "red"},
	}, nil, webclient.Key("demo-bucket-"+bucket)); err != nil {
		return err
	}
	for _, key := range []string{"public/report", "public/report", "public/report", "private"} {
		if _, err := root.PutObject(ctx, bucket, key, strings.NewReader("0123456789"), 10, minio.PutObjectOptions{}); err != nil {
			return err
		}
	}
	if err := d.previewRule(ctx, at); err != nil {
		return err
	}
	if err := d.openAndClose(ctx, at, bucket); err != nil {
		return err
	}
	for object := range root.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{WithVersions: true, Recursive: true}) {
		if object.Err != nil {
			return object.Err
		}
		if err := root.RemoveObject(ctx, bucket, object.Key, minio.RemoveObjectOptions{VersionID: object.VersionID}); err != nil {
			return err
		}
	}
	return d.deleteBucket(ctx, d.account, bucket)
}

func (d *Demo) previewRule(ctx context.Context, at string) error {
	rule := map[string]any{"id": "old-versions", "prefix": "public/", "expireNoncurrentAfterDays": 0, "keepNewerNoncurrent": 1}
	var preview struct {
		ExpireNoncurrent hits
		Examined         string
		Complete         bool
	}
	if _, err := d.web.Call(ctx, http.MethodPost, at+"/lifecycleRules:preview", map[string]any{"lifecycleRule": rule}, &preview); err != nil {
		return err
	}
	if preview.ExpireNoncurrent != (hits{Count: "1", Bytes: "10"}) || !preview.Complete {
		return fmt.Errorf("the preview is %+v", preview)
	}
	d.show("a rule that keeps one old version would now remove %s of %s versions, %s bytes", preview.ExpireNoncurrent.Count,
		preview.Examined, preview.ExpireNoncurrent.Bytes)
	var made struct{ ID string }
	if _, err := d.web.Call(ctx, http.MethodPost, at+"/lifecycleRules", rule, &made, webclient.Key("demo-rule-"+d.suffix)); err != nil {
		return err
	}
	d.show("rule %q is added", made.ID)
	return nil
}

func (d *Demo) openAndClose(ctx context.Context, at, bucket string) error {
	for _, step := range []struct {
		read    bool
		want    int
		comment string
	}{{true, http.StatusOK, "open"}, {false, http.StatusForbidden, "closed again"}} {
		if _, err := d.web.Call(ctx, http.MethodPost, at+":setPublicAccess", map[string]any{"read": step.read, "prefix": "public/"}, nil,
			webclient.Key(fmt.Sprintf("demo-public-%s-%v", d.suffix, step.read))); err != nil {
			return err
		}
		for path, want := range map[string]int{"/public/report": step.want, "/private": http.StatusForbidden, "/": http.StatusForbidden} {
			status, _, err := send(ctx, signed{Method: http.MethodGet, URL: d.target.S3 + "/" + bucket + path}, nil)
			if err != nil || status != want {
				return fmt.Errorf("%s without a key: HTTP %d, want %d, %w", path, status, want, err)
			}
		}
		d.show("public/ is %s: without a key its objects answer HTTP %d, the rest and the list HTTP 403", step.comment, step.want)
	}
	return nil
}
