package suite_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// root is MinIO's administrator on the internal address: somebody behind our back.
func root(t *testing.T) *minio.Client {
	t.Helper()
	user, password := running.environment.MinIOAdmin()
	return s3(t, running.environment.MinIO.Address(), user, password)
}

// s3 is a plain client that knows nothing of us.
func s3(t *testing.T, address, id, secret string) *minio.Client {
	t.Helper()
	client, err := minio.New(address, &minio.Options{
		Creds: credentials.NewStaticV4(id, secret, ""), Region: environment.Region, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func put(t *testing.T, client *minio.Client, bucket, key string) {
	t.Helper()
	if _, err := client.PutObject(t.Context(), bucket, key, strings.NewReader("content"), 7, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

// onMinIO says whether MinIO has the bucket.
func onMinIO(t *testing.T, name string) bool {
	t.Helper()
	there, err := root(t).BucketExists(testkit.Context(t), name)
	if err != nil {
		t.Fatal(err)
	}
	return there
}

func TestABucketNameThatBreaksARuleIsRefusedWithTheRule(t *testing.T) {
	client := browser(t, anna)
	account := newAccount(t, client)
	key := newAPIKey(t, client, account, "ROLE_DEVELOPER", "storage.write")
	buckets := storagev1.NewBucketServiceClient(wire(t, "storage-provisioning"))
	machine := rpc.WithBearer(t.Context(), bearer(t, key))
	cases := []struct {
		name, bucket string
		rules        []string
	}{
		{"too short", "ab", []string{"NAME_LENGTH"}},
		{"too long", strings.Repeat("a", 64), []string{"NAME_LENGTH"}},
		{"upper case", "Invoices", []string{"NAME_CHARACTERS"}},
		{"an underscore", "in_voices", []string{"NAME_CHARACTERS"}},
		{"a letter beyond ASCII", "rechnungen-für", []string{"NAME_CHARACTERS"}},
		{"a slash", "a/../b", []string{"NAME_ADJACENT_DOTS", "NAME_CHARACTERS"}},
		{"a hyphen first", "-invoices", []string{"NAME_ENDS"}},
		{"a dot last", "invoices.", []string{"NAME_ENDS"}},
		{"two dots", "in..voices", []string{"NAME_ADJACENT_DOTS"}},
		{"a dot beside a hyphen", "in.-voices", []string{"NAME_DOT_BESIDE_HYPHEN"}},
		{"an IP address", "192.168.5.4", []string{"NAME_LIKE_ADDRESS"}},
		{"a reserved beginning", "xn--invoices", []string{"NAME_RESERVED_PREFIX"}},
		{"a reserved end", "invoices-s3alias", []string{"NAME_RESERVED_SUFFIX"}},
		{"the backend's own", "minio", []string{"NAME_RESERVED"}},
		{"several rules at once", "-A", []string{"NAME_CHARACTERS", "NAME_ENDS", "NAME_LENGTH"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			for _, rule := range c.rules {
				want = append(want, "name "+rule)
			}
			_, err := client.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": c.bucket}, nil)
			if got := violations(refused(t, err, http.StatusBadRequest, "BUCKET_NAME_INVALID")); !slices.Equal(got, want) {
				t.Errorf("over REST %v are broken, want %v", got, want)
			}
			_, err = buckets.CreateBucket(machine, &storagev1.CreateBucketRequest{AccountId: account, Name: c.bucket})
			e, ok := errs.As(err)
			if !ok || e.Kind() != errs.InvalidArgument || e.Reason() != "BUCKET_NAME_INVALID" || len(e.Violations()) != len(want) {
				t.Errorf("over gRPC: %v", err)
			}
		})
	}
	for _, name := range []string{"", strings.Repeat("a", 300)} {
		t.Run(fmt.Sprintf("%d characters", len(name)), func(t *testing.T) {
			_, err := client.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": name}, nil)
			if got := violations(refused(t, err, http.StatusBadRequest, "REQUEST_INVALID")); len(got) != 1 || !strings.HasPrefix(got[0], "name ") {
				t.Errorf("the violations are %v", got)
			}
		})
	}
}

func TestATakenBucketNameIsRefusedAlikeWhoeverHasIt(t *testing.T) {
	client, other := browser(t, anna), browser(t, bert)
	account, foreign := newAccount(t, client), newAccount(t, other)
	taken := newBucket(t, client, account, nil)
	_, err := client.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": taken.Name}, nil)
	mine := refused(t, err, http.StatusConflict, "BUCKET_NAME_TAKEN")
	_, err = other.Call(t.Context(), http.MethodPost, bucketsOf(foreign), map[string]any{"name": taken.Name}, nil)
	theirs := refused(t, err, http.StatusConflict, "BUCKET_NAME_TAKEN")
	sameButForIDs(t, mine, theirs)
	t.Run("and one that nobody of ours made is never adopted", func(t *testing.T) {
		behind := unique("behind")
		if err := root(t).MakeBucket(t.Context(), behind, minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
		put(t, root(t), behind, "theirs")
		_, err := client.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": behind}, nil)
		sameButForIDs(t, mine, refused(t, err, http.StatusConflict, "BUCKET_NAME_TAKEN"))
		_, err = client.Call(t.Context(), http.MethodGet, bucketsOf(account, behind), nil, nil)
		refused(t, err, http.StatusNotFound, "BUCKET_NOT_FOUND")
		if _, err := root(t).StatObject(t.Context(), behind, "theirs", minio.StatObjectOptions{}); err != nil {
			t.Errorf("its content: %v", err)
		}
		tags, err := root(t).GetBucketTagging(t.Context(), behind)
		if minio.ToErrorResponse(err).Code != "NoSuchTagSet" {
			t.Errorf("it carries a mark: %v, %v", tags, err)
		}
	})
}

func TestABucketWithContentIsNotDeletedAndTheAnswerSaysHowMuchIsInIt(t *testing.T) {
	client := browser(t, anna)
	account := newAccount(t, client)
	cases := []struct {
		name, versioning string
		fill             func(t *testing.T, bucket string)
		objects          string
	}{
		{"objects", "VERSIONING_OFF", func(t *testing.T, bucket string) {
			for _, key := range []string{"a", "b", "c/d"} {
				put(t, root(t), bucket, key)
			}
		}, "3"},
		{"versions and delete markers where nothing is listed any more", "VERSIONING_ENABLED", func(t *testing.T, bucket string) {
			put(t, root(t), bucket, "a")
			put(t, root(t), bucket, "a")
			if err := root(t).RemoveObject(t.Context(), bucket, "a", minio.RemoveObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "3"},
		{"more than is counted", "VERSIONING_OFF", func(t *testing.T, bucket string) { fill(t, bucket, 1001) }, "1000+"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			made := newBucket(t, client, account, map[string]any{"versioning": c.versioning})
			c.fill(t, made.Name)
			_, err := client.Call(t.Context(), http.MethodDelete, bucketsOf(account, made.Name), nil, nil)
			status := refused(t, err, http.StatusBadRequest, "BUCKET_NOT_EMPTY")
			metadata, _ := detail(status, "ErrorInfo")["metadata"].(map[string]any)
			if metadata["objects"] != c.objects || !strings.Contains(status.Message, c.objects+" objects") {
				t.Errorf("it says %q with %v, want %s objects", status.Message, metadata, c.objects)
			}
			var still bucket
			do(t, client, http.MethodGet, bucketsOf(account, made.Name), nil, &still)
			if still.State != "BUCKET_STATE_READY" || !onMinIO(t, made.Name) {
				t.Errorf("afterwards it is %+v", still)
			}
		})
	}
}

// fill puts n small objects, in one request.
func fill(t *testing.T, bucket string, n int) {
	t.Helper()
	objects := make(chan minio.SnowballObject, n)
	for i := range n {
		objects <- minio.SnowballObject{Key: fmt.Sprintf("many/%04d", i), Size: 1, ModTime: time.Now(), Content: strings.NewReader("x")}
	}
	close(objects)
	if err := root(t).PutObjectsSnowball(t.Context(), bucket, minio.SnowballOptions{InMemory: true}, objects); err != nil {
		t.Fatal(err)
	}
}
