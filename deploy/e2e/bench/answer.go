package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// sameAnswers checks that the suite, over REST and gRPC, and the yardstick give the same.
func (b *bench) sameAnswers(ctx context.Context) error {
	trust, err := b.trust()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(b.place.Storage, grpc.WithTransportCredentials(credentials.NewTLS(trust)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := storagev1.NewBucketServiceClient(conn)
	authorised := rpc.WithBearer(ctx, b.world.token)
	one, err := client.GetBucket(authorised, b.oneRequest())
	if err != nil {
		return err
	}
	list, err := client.ListBuckets(authorised, b.listRequest())
	if err != nil {
		return err
	}
	if n := len(list.GetBuckets()); n != listed {
		return fmt.Errorf("the list has %d buckets, not %d", n, listed)
	}
	if err := b.same(ctx, b.onePath(), one.GetBucket()); err != nil {
		return err
	}
	return b.same(ctx, b.listPath(), list)
}

// same holds the answers on a path against each other and against a message.
func (b *bench) same(ctx context.Context, path string, message proto.Message) error {
	raw, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(message)
	if err != nil {
		return err
	}
	want, err := plain(raw)
	if err != nil {
		return err
	}
	for name, base := range map[string]string{"the gateway": b.place.Target.Gateway, "the yardstick": "http://" + b.bare.Address} {
		body, err := b.read(ctx, base+path)
		if err != nil {
			return err
		}
		got, err := plain(body)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("%s answers %s with\n%s\nand the service with\n%s", name, path, body, raw)
		}
	}
	return nil
}

func (b *bench) read(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+b.world.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}

// plain decodes JSON so that equal values are equal, however a time is written.
func plain(raw []byte) (any, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, fmt.Errorf("%w in %.200s", err, raw)
	}
	return moments(value), nil
}

func moments(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = moments(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = moments(inner)
		}
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			// The suite shows times to the microsecond, which is what PostgreSQL keeps of most.
			return at.UTC().Truncate(time.Microsecond)
		}
	}
	return value
}
