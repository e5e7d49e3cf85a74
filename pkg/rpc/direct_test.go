package rpc_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

type secretKey struct{}

func TestChannel_in_process_takes_nothing_of_the_callers_context_but_its_end_and_metadata(t *testing.T) {
	w := start(t)
	channel := w.server.Channel("gateway")
	var seen any
	var left time.Duration
	w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		seen = ctx.Value(secretKey{})
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return &storagev1.GetBucketResponse{}, nil
	}
	ctx, cancel := context.WithTimeout(context.WithValue(rpc.WithBearer(t.Context(), "owner"), secretKey{}, "the caller's own"), 2*time.Second)
	defer cancel()
	if err := getBucket(ctx, channel); err != nil {
		t.Fatal(err)
	}
	if seen != nil || left <= 0 || left > 2*time.Second {
		t.Errorf("the handler saw %v and has %s left", seen, left)
	}
	t.Run("cancelling the caller cancels the handler", func(t *testing.T) {
		w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		wants(t, getBucket(ctx, channel), errs.Canceled, "CANCELED")
	})
}

func TestChannel_in_process_needs_no_goroutine_to_watch_a_timeout(t *testing.T) {
	w := start(t)
	var more int
	w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		before := runtime.NumGoroutine()
		for range 100 {
			_, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
		}
		more = runtime.NumGoroutine() - before
		return &storagev1.GetBucketResponse{}, nil
	}
	if err := getBucket(as(t, "owner"), w.server.Channel("")); err != nil || more >= 100 {
		t.Errorf("100 timeouts took %d goroutines, %v", more, err)
	}
}

func TestChannel_in_process_brings_headers_and_trailers_back(t *testing.T) {
	w := start(t)
	w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		if err := grpc.SetHeader(ctx, metadata.Pairs("one", "1")); err != nil {
			return nil, err
		}
		if err := grpc.SendHeader(ctx, metadata.Pairs("two", "2")); err != nil {
			return nil, err
		}
		return &storagev1.GetBucketResponse{}, grpc.SetTrailer(ctx, metadata.Pairs("three", "3"))
	}
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		var header, trailer metadata.MD
		_, err := storagev1.NewBucketServiceClient(conn).GetBucket(as(t, "owner"),
			&storagev1.GetBucketRequest{AccountId: mine, Bucket: "a"}, grpc.Header(&header), grpc.Trailer(&trailer))
		if err != nil || len(header["one"]) != 1 || len(header["two"]) != 1 || len(trailer["three"]) != 1 {
			t.Errorf("header %v, trailer %v, %v", header, trailer, err)
		}
	})
}

func TestChannel_in_process_replaces_what_the_response_held_before(t *testing.T) {
	w := start(t)
	w.buckets.get = func(context.Context, *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		return &storagev1.GetBucketResponse{}, nil
	}
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		stale := &storagev1.GetBucketResponse{Bucket: &storagev1.Bucket{Name: "of the call before"}}
		request := &storagev1.GetBucketRequest{AccountId: mine, Bucket: "a"}
		err := conn.Invoke(as(t, "owner"), storagev1.BucketService_GetBucket_FullMethodName, request, stale)
		if err != nil || stale.GetBucket() != nil {
			t.Errorf("got %v, %v", stale, err)
		}
	})
}
