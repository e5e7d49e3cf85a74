package bench

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// wantReach is within what a revocation must be known to another process, 99 times of 100.
const wantReach = time.Second

// revocations is how long they took to end a token at another process, in milliseconds.
type revocations struct{ took sample }

func (r revocations) percentile(p float64) float64 {
	sorted := slices.Sorted(slices.Values(r.took))
	return sorted[int(math.Ceil(p*float64(len(sorted))))-1]
}

func (r revocations) met() bool { return r.percentile(0.99) < float64(wantReach.Milliseconds()) }

// revoke ends API keys one after the other and asks storage-provisioning, which verifies tokens
// by itself, until it refuses the key's token. The clock runs from before the revocation is
// asked for, so that its own commit is in the figure.
func (b *bench) revoke(ctx context.Context) (revocations, error) {
	var r revocations
	trust, err := b.trust()
	if err != nil {
		return r, err
	}
	conn, err := grpc.NewClient(b.place.Storage, grpc.WithTransportCredentials(credentials.NewTLS(trust)))
	if err != nil {
		return r, err
	}
	defer func() { _ = conn.Close() }()
	buckets := storagev1.NewBucketServiceClient(conn)
	for range b.config.Revocations {
		took, err := b.revokeOne(ctx, buckets)
		if err != nil {
			return r, err
		}
		r.took = append(r.took, float64(took)/float64(time.Millisecond))
	}
	return r, nil
}

func (b *bench) revokeOne(ctx context.Context, buckets storagev1.BucketServiceClient) (time.Duration, error) {
	keys := "/v1/accounts/" + b.world.account + "/apiKeys"
	var made struct {
		APIKey struct{ ID string } `json:"apiKey"`
		Secret string
	}
	if _, err := b.world.web.Call(ctx, http.MethodPost, keys, map[string]any{
		"displayName": "to be revoked", "role": "ROLE_VIEWER", "scopes": []string{"storage.read"},
	}, &made); err != nil {
		return 0, err
	}
	var token struct{ AccessToken string }
	if _, err := webclient.New(b.world.web.Base()).Call(ctx, http.MethodPost, "/v1/tokens:exchangeApiKey", map[string]string{"apiKey": made.Secret}, &token); err != nil {
		return 0, err
	}
	authorised := rpc.WithBearer(ctx, token.AccessToken)
	if _, err := buckets.GetBucket(authorised, b.oneRequest()); err != nil {
		return 0, fmt.Errorf("the token does not work before it is revoked: %w", err)
	}
	began := time.Now()
	if _, err := b.world.web.Call(ctx, http.MethodPost, keys+"/"+made.APIKey.ID+":revoke", nil, nil); err != nil {
		return 0, err
	}
	for {
		_, err := buckets.GetBucket(authorised, b.oneRequest())
		took := time.Since(began)
		switch reason := errs.ReasonOf(rpc.FromStatus(err)); {
		case reason == "TOKEN_REVOKED":
			return took, nil
		case err != nil:
			return 0, err
		case took > time.Minute:
			return 0, fmt.Errorf("the token still works %s after it was revoked", took)
		}
	}
}
