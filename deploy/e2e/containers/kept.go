package containers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/deploy/stack/demo"
	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// kept is a bucket with one object, and the key that reaches it.
type kept struct {
	account, bucket, keyID, secret string
}

const content = "outlives its containers"

// leave makes an account, a bucket, a key and an object.
func leave(ctx context.Context, target demo.Target) (kept, error) {
	k := kept{bucket: fmt.Sprintf("kept-%x", time.Now().UnixNano()/1000)}
	web := webclient.New(target.Gateway)
	if err := web.Login(ctx, target.Login, target.Password); err != nil {
		return k, err
	}
	var account struct{ ID string }
	if _, err := web.Call(ctx, http.MethodPost, "/v1/accounts", map[string]string{"displayName": "Kept"}, &account); err != nil {
		return k, err
	}
	k.account = account.ID
	if _, err := web.Call(ctx, http.MethodPost, "/v1/accounts/"+k.account+"/buckets", map[string]string{"name": k.bucket}, nil); err != nil {
		return k, err
	}
	var key struct {
		AccessKey       struct{ AccessKeyID string }
		SecretAccessKey string
	}
	if _, err := web.Call(ctx, http.MethodPost, "/v1/accounts/"+k.account+"/accessKeys", map[string]any{
		"displayName": "kept", "grants": []map[string]string{{"bucket": k.bucket, "permission": "PERMISSION_READ_WRITE"}},
	}, &key); err != nil {
		return k, err
	}
	k.keyID, k.secret = key.AccessKey.AccessKeyID, key.SecretAccessKey
	s3, err := k.client(target)
	if err != nil {
		return k, err
	}
	_, err = s3.PutObject(ctx, k.bucket, "kept.txt", strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{})
	return k, err
}

func (k kept) client(target demo.Target) (*minio.Client, error) {
	u, err := url.Parse(target.S3)
	if err != nil {
		return nil, err
	}
	return minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(k.keyID, k.secret, ""), Region: target.Region})
}

// read reads the object as an S3 client does.
func (k kept) read(ctx context.Context, target demo.Target) error {
	s3, err := k.client(target)
	if err != nil {
		return err
	}
	object, err := s3.GetObject(ctx, k.bucket, "kept.txt", minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }()
	got, err := io.ReadAll(object)
	if err != nil {
		return fmt.Errorf("read the object: %w", err)
	}
	if string(got) != content {
		return fmt.Errorf("the object holds %q", got)
	}
	return nil
}

// find sees the bucket in the account after a new login.
func (k kept) find(ctx context.Context, target demo.Target) error {
	web := webclient.New(target.Gateway)
	if err := web.Login(ctx, target.Login, target.Password); err != nil {
		return err
	}
	var bucket struct{ Name, State string }
	if _, err := web.Call(ctx, http.MethodGet, "/v1/accounts/"+k.account+"/buckets/"+k.bucket, nil, &bucket); err != nil {
		return err
	}
	if bucket.Name != k.bucket {
		return fmt.Errorf("the bucket is now %+v", bucket)
	}
	return nil
}
