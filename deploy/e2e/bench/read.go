package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/deploy/e2e/bench/load"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// What is wanted, of the yardstick's requests per second.
const (
	wantOne      = 0.70
	wantList     = 0.55
	wantSeparate = 0.40
	wantGRPC     = 0.70
	wantWrite    = 0.70
)

// oneBucket is a bucket from the middle of the list.
const oneBucket = "bench-25"

func (b *bench) onePath() string { return "/v1/accounts/" + b.world.account + "/buckets/" + oneBucket }

func (b *bench) listPath() string {
	return fmt.Sprintf("/v1/accounts/%s/buckets?pageSize=%d", b.world.account, listed)
}

// gateway is the gateway's host and port.
func (b *bench) gateway() string { return strings.TrimPrefix(b.place.Target.Gateway, "http://") }

// get makes callers that read a path with the token.
func (b *bench) get(address, path string) func(context.Context) (load.Caller, error) {
	return load.HTTP(load.Request{Address: address, Method: "GET", Path: path, Header: []string{"Authorization: Bearer " + b.world.token}})
}

// oneProcess are the comparisons of the suite in one process.
func (b *bench) oneProcess() []duel {
	return []duel{
		{
			name: "rest-one", title: "REST, one process: read one bucket", target: wantOne,
			ours: b.get(b.gateway(), b.onePath()), theirs: b.get(b.bare.Address, b.onePath()),
		},
		{
			name: "rest-list", title: fmt.Sprintf("REST, one process: list %d buckets", listed), target: wantList,
			ours: b.get(b.gateway(), b.listPath()), theirs: b.get(b.bare.Address, b.listPath()),
		},
		{
			name: "grpc-one", title: "gRPC with TLS: read one bucket", target: wantGRPC,
			ours:   b.grpc(storagev1.BucketService_GetBucket_FullMethodName, b.oneRequest()),
			theirs: b.get(b.bare.Address, b.onePath()),
		},
		{
			name: "grpc-list", title: fmt.Sprintf("gRPC with TLS: list %d buckets", listed), target: wantGRPC,
			ours:   b.grpc(storagev1.BucketService_ListBuckets_FullMethodName, b.listRequest()),
			theirs: b.get(b.bare.Address, b.listPath()),
		},
		{
			name: "write", title: "REST, one process: create an account", target: wantWrite, reset: b.resetAccounts,
			ours: b.createAccount(), theirs: b.createBareAccount("/v1/accounts"),
		},
		{
			name: "write-batched", title: "the same beside all rows in one batch", reset: b.resetAccounts,
			ours: b.createAccount(), theirs: b.createBareAccount("/batched/v1/accounts"),
		},
	}
}

// separateProcesses are the comparisons of the suite as separate processes.
func (b *bench) separateProcesses() []duel {
	return []duel{
		{
			name: "separate-one", title: "REST, separate processes, mTLS: read one bucket", target: wantSeparate,
			ours: b.get(b.gateway(), b.onePath()), theirs: b.get(b.bare.Address, b.onePath()),
		},
		{
			name: "separate-list", title: fmt.Sprintf("REST, separate processes, mTLS: list %d buckets", listed), target: wantSeparate,
			ours: b.get(b.gateway(), b.listPath()), theirs: b.get(b.bare.Address, b.listPath()),
		},
	}
}

func (b *bench) oneRequest() *storagev1.GetBucketRequest {
	return &storagev1.GetBucketRequest{AccountId: b.world.account, Bucket: oneBucket}
}

func (b *bench) listRequest() *storagev1.ListBucketsRequest {
	return &storagev1.ListBucketsRequest{AccountId: b.world.account, PageSize: listed}
}

// grpc makes callers of storage itself.
func (b *bench) grpc(method string, request proto.Message) func(context.Context) (load.Caller, error) {
	return func(ctx context.Context) (load.Caller, error) {
		trust, err := b.trust()
		if err != nil {
			return nil, err
		}
		return load.GRPC{Address: b.place.Storage, TLS: trust, Method: method, Bearer: b.world.token, Request: request}.Dial(ctx)
	}
}

// trust is how a program outside of the suite speaks to a service: it knows the authority, and
// shows a token instead of a certificate.
func (b *bench) trust() (*tls.Config, error) {
	raw, err := os.ReadFile(b.place.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, errors.New("the authority's file holds no certificate")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, nil
}
