package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	operationv1 "github.com/primecloud/primecloud/proto/gen/primecloud/operation/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// quick answers from memory and records nothing, so that what is measured is the way.
type quick struct {
	storagev1.UnimplementedBucketServiceServer
	page *storagev1.ListBucketsResponse
}

func (q *quick) GetBucket(context.Context, *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
	return &storagev1.GetBucketResponse{Bucket: q.page.GetBuckets()[0]}, nil
}

func (q *quick) ListBuckets(context.Context, *storagev1.ListBucketsRequest) (*storagev1.ListBucketsResponse, error) {
	return q.page, nil
}

// BenchmarkREST is what the gateway and the chain of a service cost in one process, from
// the request to the answer, without a socket and without a database.
func BenchmarkREST(b *testing.B) {
	page := &storagev1.ListBucketsResponse{}
	for i := range 50 {
		page.Buckets = append(page.Buckets, &storagev1.Bucket{
			Id: fmt.Sprintf("bkt_%026d", i), AccountId: "acc_06h0gd4a1hcwernqxc8z53zpaw", Name: fmt.Sprintf("acme-%d", i), Backend: "local",
			QuotaBytes: 10 << 30, State: storagev1.BucketState_BUCKET_STATE_READY, Generation: 3, ObservedGeneration: 3, Etag: "3-a1b2",
			Conditions: []*operationv1.Condition{{Type: "Ready", Status: true, Reason: "AS_ASKED", Message: "as asked", TransitionTime: timestamppb.Now()}},
			CreateTime: timestamppb.Now(), UpdateTime: timestamppb.Now(),
		})
	}
	w := newWorldWith(b, &quick{page: page}, set("RATE_LIMIT", "100000000"))
	for name, path := range map[string]string{"one": buckets + "/acme-0", "list of 50": buckets + "?pageSize=50"} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("Authorization", "Bearer "+w.bearer("usr_1", "acc_1"))
			r.Header.Set("User-Agent", "bench")
			for b.Loop() {
				w.handler.ServeHTTP(&discard{header: http.Header{}}, r)
			}
			b.ReportAllocs()
		})
	}
}
