package minio_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
)

func TestContentOnTheRealMinIO(t *testing.T) {
	s := testkit.MinIO(t)
	b, ctx := backend(t, s), t.Context()
	fresh := func(t *testing.T, options client.MakeBucketOptions) string {
		t.Helper()
		n := name("c-")
		options.Region = s.Region
		must(t, root(t, s).MakeBucket(ctx, n, options))
		return n
	}
	put := func(t *testing.T, n, key string, options client.PutObjectOptions) {
		t.Helper()
		_, err := root(t, s).PutObject(ctx, n, key, strings.NewReader("1234567"), 7, options)
		must(t, err)
	}

	t.Run("a page ends with the last version of its last key", func(t *testing.T) {
		n := fresh(t, client.MakeBucketOptions{})
		must(t, b.SetVersioning(ctx, n, bucket.VersioningEnabled))
		for _, key := range []string{"a", "b", "b", "b", "c", "dir/", "dir/x"} {
			put(t, n, key, client.PutObjectOptions{})
		}
		must(t, root(t, s).RemoveObject(ctx, n, "c", client.RemoveObjectOptions{}))
		for _, step := range []struct {
			after string
			want  purge.Count
		}{
			{"", purge.Count{Content: purge.Content{Entries: 4, Objects: 2, Bytes: 28}, To: "b", More: true}},
			{"b", purge.Count{Content: purge.Content{Entries: 2, Bytes: 7}, To: "c", More: true}},
			{"c", purge.Count{Content: purge.Content{Entries: 2, Objects: 2, Bytes: 14}, To: "dir/x"}},
			{"dir/x", purge.Count{To: "dir/x"}},
		} {
			got, err := b.CountEntries(ctx, n, step.after, 2)
			if err != nil || got != step.want {
				t.Errorf("after %q: %+v, %v", step.after, got, err)
			}
		}
		first, err := b.RemoveEntries(ctx, n, "", 2)
		if want := (purge.Batch{Removed: purge.Content{Entries: 4, Bytes: 28}, To: "b", More: true}); err != nil || first != want {
			t.Errorf("the first batch is %+v, %v", first, err)
		}
		second, err := b.RemoveEntries(ctx, n, "", 100)
		if err != nil || second.Removed != (purge.Content{Entries: 4, Bytes: 21}) || second.More {
			t.Errorf("the second batch is %+v, %v", second, err)
		}
		must(t, b.RemoveBucket(ctx, n))
	})

	t.Run("what is under retention or legal hold stays, and is passed", func(t *testing.T) {
		n := fresh(t, client.MakeBucketOptions{ObjectLocking: true})
		until := time.Now().Add(time.Hour)
		put(t, n, "a", client.PutObjectOptions{Mode: client.Governance, RetainUntilDate: until})
		put(t, n, "b", client.PutObjectOptions{})
		put(t, n, "c", client.PutObjectOptions{LegalHold: client.LegalHoldEnabled})
		put(t, n, "control\x01", client.PutObjectOptions{Mode: client.Governance, RetainUntilDate: until})
		got, err := b.RemoveEntries(ctx, n, "", 100)
		if err != nil || got.Removed != (purge.Content{Entries: 1, Bytes: 7}) || got.Locked != 3 || got.More {
			t.Errorf("it came to %+v, %v", got, err)
		}
		if got, err = b.RemoveEntries(ctx, n, "a", 1); err != nil || got.Locked != 1 || got.To != "c" || !got.More {
			t.Errorf("after the first key it came to %+v, %v", got, err)
		}
		if err := b.RemoveBucket(ctx, n); !errors.Is(err, bucket.ErrNotEmpty) {
			t.Errorf("MinIO removed a bucket with content: %v", err)
		}
	})

	t.Run("incomplete uploads are aborted with the last batch", func(t *testing.T) {
		n, core := fresh(t, client.MakeBucketOptions{}), client.Core{Client: root(t, s)}
		for _, key := range []string{"half", "half", "other"} {
			upload, err := core.NewMultipartUpload(ctx, n, key, client.PutObjectOptions{})
			must(t, err)
			_, err = core.PutObjectPart(ctx, n, key, upload, 1, bytes.NewReader(make([]byte, 10)), 10, client.PutObjectPartOptions{})
			must(t, err)
		}
		got, err := b.RemoveEntries(ctx, n, "", 100)
		if err != nil || got.Removed != (purge.Content{Uploads: 3}) || got.More {
			t.Errorf("it came to %+v, %v", got, err)
		}
		if found, _, err := b.CountContent(ctx, n, 10); err != nil || found != 0 {
			t.Errorf("%d are left, %v", found, err)
		}
	})

	t.Run("of a bucket that is not there", func(t *testing.T) {
		if _, err := b.CountEntries(ctx, name("absent-"), "", 10); !errors.Is(err, bucket.ErrVanished) {
			t.Errorf("counting: %v", err)
		}
		if _, err := b.RemoveEntries(ctx, name("absent-"), "", 10); !errors.Is(err, bucket.ErrVanished) {
			t.Errorf("removing: %v", err)
		}
	})

	t.Run("users and policies that are not there are removed already", func(t *testing.T) {
		must(t, b.RemoveUser(ctx, name("u")))
		must(t, b.RemovePolicy(ctx, name("p")))
	})
}
