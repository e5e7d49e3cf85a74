package servers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/servers"
)

const rootUser, rootPassword, bucket = "local-root", "local-root-secret", "data"

// storage is MinIO with its door, a bucket, and a client that goes through the door.
type storage struct {
	minio *servers.MinIO
	door  *servers.Door
	s3    *minio.Client
}

func startStorage(t *testing.T) storage {
	t.Helper()
	m, err := servers.StartMinIO(t.Context(), servers.MinIOConfig{
		Dir: t.TempDir(), RootUser: rootUser, RootPassword: rootPassword, Region: "eu-central-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, m.Server)
	d, err := servers.StartDoor(t.Context(), servers.DoorConfig{Dir: t.TempDir(), Upstream: m.Address()})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, d.Server)
	client, err := minio.New(d.Address(), &minio.Options{
		Creds: credentials.NewStaticV4(rootUser, rootPassword, ""), Region: "eu-central-1", TrailingHeaders: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return storage{minio: m, door: d, s3: client}
}

func (s storage) read(t *testing.T, key string, opts minio.GetObjectOptions) []byte {
	t.Helper()
	object, err := s.s3.GetObject(t.Context(), bucket, key, opts)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	defer func() { _ = object.Close() }()
	got, err := io.ReadAll(object)
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return got
}

// response is what one plain HTTP request got.
type response struct {
	status int
	header http.Header
	body   string
}

func (r response) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// send makes one request without a client's own additions.
func send(t *testing.T, method, address string, header map[string]string, body string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{status: res.StatusCode, header: res.Header, body: string(text)}
}

func TestMinIO_answers_nothing_while_paused_and_goes_on_after(t *testing.T) {
	s := startStorage(t)
	if err := s.minio.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.s3.BucketExists(ctx, bucket); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused MinIO answers %v", err)
	}
	if err := s.minio.Resume(); err != nil {
		t.Fatal(err)
	}
	if there, err := s.s3.BucketExists(t.Context(), bucket); err != nil || !there {
		t.Errorf("after resuming: %v, %v", there, err)
	}
}
