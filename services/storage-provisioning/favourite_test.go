package storage_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestFavouritesAreAPersonsOwnAndEndWithMembershipAndBucket(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	favourites := storagev1.NewFavouriteServiceClient(w.conn)
	acc, other, bucket, second := account(), account(), name(), name()
	w.create(acc, bucket)
	w.create(acc, second)
	anna, bert, ext := person(), person(), person()
	add := func(ctx context.Context, bucket, path string) (*storagev1.Favourite, error) {
		response, err := favourites.AddFavourite(ctx, &storagev1.AddFavouriteRequest{AccountId: acc, Bucket: bucket, Path: path})
		return response.GetFavourite(), err
	}
	added := func(ctx context.Context, bucket, path string) *storagev1.Favourite {
		t.Helper()
		f, err := add(ctx, bucket, path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	list := func(ctx context.Context) []string {
		t.Helper()
		found, token := []string{}, ""
		for {
			page, err := favourites.ListFavourites(ctx, &storagev1.ListFavouritesRequest{AccountId: acc, PageSize: 1, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range page.GetFavourites() {
				found = append(found, map[string]string{bucket: "1", second: "2"}[f.GetBucket()]+" "+f.GetPath())
			}
			if token = page.GetNextPageToken(); token == "" {
				return found
			}
		}
	}
	wants := func(ctx context.Context, want ...string) {
		t.Helper()
		if got := list(ctx); !slices.Equal(got, want) {
			t.Errorf("listed %q, want %q", got, want)
		}
	}
	asAnna, asBert := w.asPerson(acc, anna, "developer"), w.asPerson(acc, bert, "viewer")
	first := added(asAnna, bucket, "a/photo.jpg")
	if again := added(asAnna, bucket, "a/photo.jpg"); again.GetId() != first.GetId() {
		t.Error("the same one is noted twice")
	}
	added(asAnna, bucket, "a/")
	added(asAnna, second, "")
	added(asBert, bucket, "a/photo.jpg")
	wants(asAnna, "1 a/photo.jpg", "1 a/", "2 ")
	wants(asBert, "1 a/photo.jpg")
	_, err := add(asAnna, name(), "x")
	refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
	_, err = add(asAnna, bucket, "a/../b")
	refused(t, err, errs.InvalidArgument, "OBJECT_KEY_INVALID")
	if _, err := favourites.ListFavourites(w.asPerson(other, anna, "owner"), &storagev1.ListFavouritesRequest{AccountId: acc}); errs.ReasonOf(err) != "NOT_FOUND" {
		t.Errorf("another account: %v", err)
	}
	for range 2 { // the second time there is nothing
		_, err := favourites.RemoveFavourite(asAnna, &storagev1.RemoveFavouriteRequest{AccountId: acc, Bucket: bucket, Path: "a/"})
		if err != nil {
			t.Error(err)
		}
	}
	wants(asAnna, "1 a/photo.jpg", "2 ")
	t.Run("an external person's, as far as their grants go", func(t *testing.T) {
		asExt := w.asPerson(acc, ext, "external")
		_, err := add(asExt, bucket, "x")
		refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
		w.says(membership("created", acc, ext, "external", 2))
		w.set(acc, bucket, ext, storagev1.Permission_PERMISSION_READ)
		added(asExt, bucket, "x")
		wants(asExt, "1 x")
		if _, err := w.grants.DeleteBucketGrant(w.as(acc), &storagev1.DeleteBucketGrantRequest{AccountId: acc, Bucket: bucket, UserId: ext}); err != nil {
			t.Fatal(err)
		}
		wants(asExt)
	})
	t.Run("end with the membership, and not with an earlier one's late end", func(t *testing.T) {
		late := membership("deleted", acc, bert, "viewer", 8)
		late.Time = time.Now().Add(-time.Hour)
		w.says(late, membership("deleted", acc, anna, "developer", 9))
		testkit.Eventually(t, patience, func() error {
			if got := list(asAnna); len(got) > 0 {
				return fmt.Errorf("they have %q", got)
			}
			return nil
		})
		wants(asBert, "1 a/photo.jpg")
	})
	t.Run("and with the bucket", func(t *testing.T) {
		added(asBert, second, "y")
		if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: second}); err != nil {
			t.Fatal(err)
		}
		w.gone(second)
		w.create(acc, second)
		wants(asBert, "1 a/photo.jpg")
	})
	t.Run("and are a thousand at most", func(t *testing.T) {
		w.exec(`insert into storage.object_favourite select 'fav_' || n, $1, $2, (select id from storage.bucket where name = $3), 'p' || n, now()
			from generate_series(1, 999) n`, acc, bert, bucket)
		_, err := add(asBert, bucket, "one more")
		refused(t, err, errs.ResourceExhausted, "FAVOURITE_LIMIT_REACHED")
		added(asBert, bucket, "p5") // it is there
	})
}

// exec writes behind the scenes.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.database.Superuser(w.t).Exec(testkit.Context(w.t), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}
