package gateway_test

import (
	"maps"
	"testing"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestBuckets_are_listed_by_labels_in_brackets(t *testing.T) {
	w := newWorld(t)
	c := w.as("usr_1", "acc_1")
	c.get(buckets + "?labels[env]=prod&labels%5Bteam.x%5D=red").ok(t)
	got := w.storage.last(t).request.(*storagev1.ListBucketsRequest).GetLabels()
	if want := map[string]string{"env": "prod", "team.x": "red"}; !maps.Equal(got, want) {
		t.Errorf("the labels became %v", got)
	}
	for _, bad := range []string{"?label[env]=prod", "?pageSize[x]=1", "?[env]=prod"} {
		t.Run(bad+" is refused", func(t *testing.T) { c.get(buckets+bad).wants(t, 400, "REQUEST_INVALID") })
	}
}
