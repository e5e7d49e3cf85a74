package minio_test

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

// objectCalls are those of calls that concern objects.
func objectCalls(b *minio.Backend) map[string]func(context.Context) error {
	login := object.Login{User: secretUser, Secret: secretWord}
	scope := object.Scope{Login: login, Policy: []byte(`{}`)}
	ref := object.Ref{Key: "k"}
	upload := object.UploadRef{Bucket: "acme", Key: "k", ID: "ZDEuYzIz"}
	return map[string]func(context.Context) error{
		"List": func(ctx context.Context) error {
			_, err := b.List(ctx, login, object.Listing{Bucket: "acme", Limit: 1})
			return err
		},
		"ListVersions": func(ctx context.Context) error {
			_, err := b.ListVersions(ctx, login, object.Listing{Bucket: "acme", Limit: 1})
			return err
		},
		"Stat": func(ctx context.Context) error { _, err := b.Stat(ctx, login, "acme", ref); return err },
		"Copy": func(ctx context.Context) error {
			_, err := b.Copy(ctx, login, object.Copying{FromBucket: "acme", From: ref, ETag: "e", ToBucket: "acme", Key: "c"})
			return err
		},
		"Remove": func(ctx context.Context) error {
			_, err := b.Remove(ctx, login, "acme", []object.Ref{ref, {Key: "l"}})
			return err
		},
		"SetTags": func(ctx context.Context) error {
			return b.SetTags(ctx, login, "acme", ref, map[string]string{"a": "b"})
		},
		"Begin": func(ctx context.Context) error {
			_, err := b.Begin(ctx, scope, object.NewUpload{Bucket: "acme", Key: "k"})
			return err
		},
		"Parts": func(ctx context.Context) error { _, _, err := b.Parts(ctx, login, upload, 0, 1); return err },
		"Complete": func(ctx context.Context) error {
			_, err := b.Complete(ctx, login, upload, []object.Part{{Number: 1, ETag: "e"}})
			return err
		},
		"Abort": func(ctx context.Context) error { return b.Abort(ctx, login, upload) },
		"Pending": func(ctx context.Context) error {
			_, _, err := b.Pending(ctx, login, object.Listing{Bucket: "acme", Limit: 1})
			return err
		},
		"PresignParts": func(ctx context.Context) error {
			_, err := b.PresignParts(ctx, object.PartURLs{Scope: scope, UploadRef: upload, Numbers: []int{1}, Lifetime: time.Minute})
			return err
		},
		"PresignForm": func(ctx context.Context) error {
			_, err := b.PresignForm(ctx, object.Form{Scope: scope, Bucket: "acme", Key: "k", Max: 1, Lifetime: time.Minute})
			return err
		},
	}
}
