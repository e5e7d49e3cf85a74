package minio_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

func TestTallyBucket_counts_every_version_once_in_stretches_of_whole_keys(t *testing.T) {
	s := testkit.MinIO(t)
	b := backend(t, s, func(c *minio.Config) { c.Stretch = 3 })
	bucket, ctx, c := name("tally-"), t.Context(), root(t, s)
	must(t, b.MakeBucket(ctx, bucket))
	must(t, c.EnableVersioning(ctx, bucket))
	// Five versions of the second key do not fit into a stretch, and one key is deleted.
	for _, key := range []string{"a", "b/1", "b/1", "b/1", "b/1", "b/1", "b/2 ä", "c"} {
		put(t, c, bucket, key)
	}
	must(t, c.RemoveObject(ctx, bucket, "c", client.RemoveObjectOptions{}))
	expected := map[string]time.Time{"a": {}, "b/1": time.Now().Add(time.Hour), "b/2 ä": {}, "z": {}}
	var whole quota.Size
	var seen []string
	stretches, after := 0, ""
	for {
		stretch, err := b.TallyBucket(ctx, bucket, after, expected)
		must(t, err)
		whole = quota.Size{Bytes: whole.Bytes + stretch.Size.Bytes, Versions: whole.Versions + stretch.Size.Versions}
		seen = append(seen, stretch.Seen...)
		stretches++
		if after = stretch.Next; after == "" {
			break
		}
	}
	if want := (quota.Size{Bytes: 8 * 7, Versions: 8}); whole != want {
		t.Errorf("counted %+v, want %+v", whole, want)
	}
	if stretches != 2 {
		t.Errorf("it took %d stretches", stretches)
	}
	if !slices.Equal(seen, []string{"a", "b/2 ä"}) {
		t.Errorf("of the expected it has seen %q", seen)
	}
}

func TestTallyBucket_tells_a_bucket_that_is_not_there_from_an_empty_one(t *testing.T) {
	s := testkit.MinIO(t)
	b := backend(t, s)
	if _, err := b.TallyBucket(t.Context(), name("gone-"), "", nil); !errors.Is(err, quota.ErrNoBucket) {
		t.Errorf("absent: %v", err)
	}
	bucket := name("empty-")
	must(t, b.MakeBucket(t.Context(), bucket))
	if got, err := b.TallyBucket(t.Context(), bucket, "", nil); err != nil || got.Size != (quota.Size{}) || got.Next != "" {
		t.Errorf("empty: %+v, %v", got, err)
	}
}

func TestReportUsage_says_by_and_by_what_is_in_a_bucket(t *testing.T) {
	s := testkit.MinIO(t)
	b := backend(t, s)
	bucket, c := name("report-"), root(t, s)
	must(t, b.MakeBucket(t.Context(), bucket))
	for i := range 3 {
		put(t, c, bucket, strings.Repeat("k", i+1))
	}
	testkit.Eventually(t, 2*time.Minute, func() error {
		report, err := b.ReportUsage(t.Context())
		if err != nil {
			return err
		}
		if got, want := report[bucket], (quota.Size{Bytes: 21, Versions: 3}); got != want {
			return fmt.Errorf("reported %+v, want %+v", got, want)
		}
		return nil
	})
}
