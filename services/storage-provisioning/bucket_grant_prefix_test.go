package storage_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	client "github.com/minio/minio-go/v7"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// limited makes a bucket of an external person who reaches folders of it, and returns both.
func (w *world) limited(acc string, permission storagev1.Permission, prefixes ...string) (bucket, user string) {
	w.t.Helper()
	bucket, user = name(), person()
	w.create(acc, bucket)
	w.says(membership("created", acc, user, "external", 2))
	testkit.Eventually(w.t, patience, func() error {
		_, err := w.grants.SetBucketGrant(w.as(acc), &storagev1.SetBucketGrantRequest{
			AccountId: acc, Bucket: bucket, UserId: user, Permission: permission, Prefixes: prefixes,
		})
		return err
	})
	return bucket, user
}

// pathless are the methods about a bucket that name nothing in it.
var pathless = []string{"BucketGrantService/ExplainBucketAccess", "BucketService/GetBucket", "BucketService/ListBuckets", "FavouriteService/RemoveFavourite"}

// Every method that an external person gets to is tried, as the contract has it: each field that
// names a key or a prefix in turn is put outside, the others stay within.
func TestAGrantOfFoldersReachesNothingOutsideThemByAnyMethod(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	bucket, user := w.limited(acc, storagev1.Permission_PERMISSION_READ_WRITE, "team/", "inbox/")
	ctx := w.asPerson(acc, user, "external")
	tried := 0
	for _, short := range reachable {
		service, method, _ := strings.Cut(short, "/")
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("primecloud.storage.v1." + service + "." + method))
		if err != nil {
			t.Fatal(err)
		}
		m, _ := found.(protoreflect.MethodDescriptor)
		if m.Input().Fields().ByName("bucket") == nil || slices.Contains(pathless, short) {
			continue
		}
		paths := pathsOf(m.Input())
		if len(paths) == 0 {
			t.Errorf("%s names a bucket and nothing in it: is the gate asked about all that it reaches?", short)
		}
		call := func(outside string, path string) error {
			request := dynamicpb.NewMessage(m.Input())
			fill(request, acc, bucket, outside, path)
			return w.conn.Invoke(ctx, fmt.Sprintf("/primecloud.storage.v1.%s/%s", service, method), request, dynamicpb.NewMessage(m.Output()))
		}
		if reason := errs.ReasonOf(call("", "")); reason == "BUCKET_GRANT_TOO_NARROW" || reason == "REQUEST_INVALID" {
			t.Errorf("%s within: %s", short, reason)
		}
		for _, field := range paths {
			for _, path := range []string{"other/k/", "teams/", "tea/"} {
				tried++
				refusedFor(t, fmt.Sprintf("%s with %s %s", short, field, path), call(field, path), "BUCKET_GRANT_TOO_NARROW")
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d calls were tried", tried)
	}
	for _, list := range []func() error{
		func() error {
			_, err := w.objects.ListObjects(ctx, &storagev1.ListObjectsRequest{AccountId: acc, Bucket: bucket, Delimiter: "/"})
			return err
		},
		func() error {
			_, err := w.keys.CreateTemporaryCredentials(ctx, &storagev1.CreateTemporaryCredentialsRequest{AccountId: acc, Bucket: bucket, Permission: storagev1.Permission_PERMISSION_READ})
			return err
		},
	} {
		refusedFor(t, "the whole bucket", list(), "BUCKET_GRANT_TOO_NARROW")
	}
}

func refusedFor(t *testing.T, what string, err error, reason string) {
	t.Helper()
	if got := errs.ReasonOf(err); got != reason {
		t.Errorf("%s: %v, want %s", what, err, reason)
	}
}

// pathsOf are the fields of a request that name keys or prefixes.
func pathsOf(m protoreflect.MessageDescriptor) []string {
	var names []string
	for _, field := range []string{"key", "prefix", "key_prefix", "destination_key", "path", "prefixes", "objects"} {
		if m.Fields().ByName(protoreflect.Name(field)) != nil {
			names = append(names, field)
		}
	}
	return names
}

// fill makes a request that is good as far as the contract goes. Its keys and prefixes are within,
// but for the one that is to be outside.
func fill(m *dynamicpb.Message, acc, bucket, outside, path string) {
	fields := m.Descriptor().Fields()
	at := func(field, within string) protoreflect.Value {
		if field == outside {
			within = path
		}
		return protoreflect.ValueOfString(within)
	}
	form := fields.ByName("key_prefix") != nil
	for name, value := range map[string]protoreflect.Value{
		"account_id": protoreflect.ValueOfString(acc), "bucket": protoreflect.ValueOfString(bucket), "upload_id": protoreflect.ValueOfString("x"),
		"key": at("key", "team/k"), "prefix": at("prefix", "inbox/"), "destination_key": at("destination_key", "inbox/k"), "path": at("path", "team/"),
		"key_prefix": at("key_prefix", "team/"), "permission": protoreflect.ValueOfEnum(1),
	} {
		field := fields.ByName(protoreflect.Name(name))
		// A form has a key or a prefix.
		if field == nil || form && (name == "key" && outside == "key_prefix" || name == "key_prefix" && outside != "key_prefix") {
			continue
		}
		m.Set(field, value)
	}
	if m.Descriptor().Name() == "RestoreObjectVersionRequest" {
		m.Set(fields.ByName("version_id"), protoreflect.ValueOfString("null"))
	}
	if field := fields.ByName("part_numbers"); field != nil {
		m.Mutable(field).List().Append(protoreflect.ValueOfInt32(1))
	}
	if field := fields.ByName("prefixes"); field != nil {
		m.Mutable(field).List().Append(protoreflect.ValueOfString("inbox/"))
		m.Mutable(field).List().Append(at("prefixes", "team/a/"))
	}
	if field := fields.ByName("objects"); field != nil {
		for _, key := range []protoreflect.Value{protoreflect.ValueOfString("team/1"), at("objects", "team/2")} {
			one := m.Mutable(field).List().AppendMutable().Message()
			one.Set(one.Descriptor().Fields().ByName("key"), key)
		}
	}
	if field := fields.ByName("parts"); field != nil {
		part := m.Mutable(field).List().AppendMutable().Message()
		part.Set(part.Descriptor().Fields().ByName("part_number"), protoreflect.ValueOfInt32(1))
		part.Set(part.Descriptor().Fields().ByName("etag"), protoreflect.ValueOfString(strings.Repeat("0", 32)))
	}
}

func TestTemporaryCredentialsOfAGrantOfFoldersWorkThereAlone(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	bucket, user := w.limited(acc, storagev1.Permission_PERMISSION_READ_WRITE, "team/")
	w.put(bucket, "team/theirs")
	w.put(bucket, "secret")
	made, err := w.keys.CreateTemporaryCredentials(w.asPerson(acc, user, "external"), &storagev1.CreateTemporaryCredentialsRequest{
		AccountId: acc, Bucket: bucket, Permission: storagev1.Permission_PERMISSION_READ_WRITE, Prefixes: []string{"team/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := w.s3With(t, w.minio.Address(), made)
	put := func(key string) error {
		_, err := c.PutObject(t.Context(), bucket, key, strings.NewReader("x"), 1, putOptions)
		return err
	}
	get := func(key string) error {
		_, err := c.StatObject(t.Context(), bucket, key, client.StatObjectOptions{})
		return err
	}
	list := func(prefix string) (err error) {
		for o := range c.ListObjects(t.Context(), bucket, client.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			err = o.Err
		}
		return err
	}
	for what, err := range map[string]error{"put": put("team/new"), "get": get("team/theirs"), "list": list("team/")} {
		if err != nil {
			t.Errorf("%s within: %v", what, err)
		}
	}
	for what, err := range map[string]error{"put": put("new"), "get": get("secret"), "list": list(""), "list of what begins alike": list("te")} {
		if code := client.ToErrorResponse(err).Code; code != "AccessDenied" {
			t.Errorf("%s outside: %v", what, err)
		}
	}
}

func TestAGrantToWriteAloneShowsNothingOfTheBucket(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	bucket, user := w.limited(acc, storagev1.Permission_PERMISSION_WRITE, "inbox/")
	ctx := w.asPerson(acc, user, "external")
	up, err := w.objects.PresignUpload(ctx, &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: "inbox/report"})
	if err != nil {
		t.Fatal(err)
	}
	if status, answer, _ := send(t, up.GetMethod(), up.GetUrl(), "hello", up.GetHeaders()); status != 200 {
		t.Errorf("upload: %d %s", status, answer)
	}
	for what, call := range map[string]func(context.Context) error{
		"list": func(ctx context.Context) error {
			_, err := w.objects.ListObjects(ctx, &storagev1.ListObjectsRequest{AccountId: acc, Bucket: bucket, Prefix: "inbox/"})
			return err
		},
		"look": func(ctx context.Context) error {
			_, err := w.objects.GetObject(ctx, &storagev1.GetObjectRequest{AccountId: acc, Bucket: bucket, Key: "inbox/report"})
			return err
		},
		"download": func(ctx context.Context) error {
			_, err := w.objects.PresignDownload(ctx, &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: bucket, Key: "inbox/report"})
			return err
		},
		"tags": func(ctx context.Context) error {
			_, err := w.objects.SetObjectTags(ctx, &storagev1.SetObjectTagsRequest{AccountId: acc, Bucket: bucket, Key: "inbox/report", Tags: map[string]string{"a": "b"}})
			return err
		},
		"copy": func(ctx context.Context) error {
			_, err := w.objects.CopyObject(ctx, &storagev1.CopyObjectRequest{AccountId: acc, Bucket: bucket, Key: "inbox/report", DestinationKey: "inbox/copy"})
			return err
		},
	} {
		refusedFor(t, what, call(ctx), "BUCKET_GRANT_TOO_LOW")
	}
	access, err := w.grants.ExplainBucketAccess(ctx, &storagev1.ExplainBucketAccessRequest{AccountId: acc, Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, a := range access.GetBucketAccess().GetAbilities() {
		said = append(said, fmt.Sprint(a.GetAllowed(), " ", a.GetReason()))
		if a.GetAct() == storagev1.BucketAbility_ACT_UPLOAD && !strings.Contains(a.GetExplanation(), "inbox/") {
			t.Errorf("it is explained by %q", a.GetExplanation())
		}
	}
	if want := []string{"true ", "false BUCKET_GRANT_TOO_LOW", "true "}; !slices.Equal(said, want) {
		t.Errorf("they are told %q", said)
	}
}

func TestAnInvitationMayGrantFolders(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user, bucket, other := account(), person(), name(), name()
	id, otherID := w.create(acc, bucket).GetId(), w.create(acc, other).GetId()
	good, bad := offer(id, "write"), offer(otherID, "read")
	good.Prefixes, bad.Prefixes = []string{"b/", "a/x/", "a/"}, []string{"../"}
	w.says(membership("created", acc, user, "external", 7), acceptance(acc, user, 7, good, bad))
	w.sees(acc, user, bucket)
	w.tells(acc, 1, "GRANT_PATTERN_INVALID")
	list, err := w.grants.ListBucketGrants(w.as(acc), &storagev1.ListBucketGrantsRequest{AccountId: acc})
	if g := list.GetBucketGrants(); err != nil || len(g) != 1 || !slices.Equal(g[0].GetPrefixes(), []string{"a/", "b/"}) ||
		g[0].GetPermission() != storagev1.Permission_PERMISSION_WRITE {
		t.Errorf("the grants are %v, %v", g, err)
	}
}

func TestPrefixesOfAGrantAreChangedWithIt(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	bucket, user := w.limited(acc, storagev1.Permission_PERMISSION_READ, "a/")
	set := func(prefixes ...string) (*storagev1.BucketGrant, error) {
		r, err := w.grants.SetBucketGrant(w.as(acc), &storagev1.SetBucketGrantRequest{
			AccountId: acc, Bucket: bucket, UserId: user, Permission: storagev1.Permission_PERMISSION_READ, Prefixes: prefixes,
		})
		return r.GetBucketGrant(), err
	}
	same, err := set("a/", "a/b/")
	if err != nil || !slices.Equal(same.GetPrefixes(), []string{"a/"}) || !strings.HasSuffix(same.GetEtag(), ".1") {
		t.Errorf("what comes to the same is a change: %v, %v", same, err)
	}
	_, err = set("a/", "b")
	refused(t, err, errs.InvalidArgument, "GRANT_PATTERN_INVALID")
	if err := w.download(w.asPerson(acc, user, "external"), acc, bucket); errs.ReasonOf(err) != "BUCKET_GRANT_TOO_NARROW" {
		t.Errorf("a key outside: %v", err)
	}
	if all, err := set(); err != nil || len(all.GetPrefixes()) != 0 || !strings.HasSuffix(all.GetEtag(), ".2") {
		t.Errorf("widened to %v, %v", all, err)
	}
	if err := w.download(w.asPerson(acc, user, "external"), acc, bucket); err != nil {
		t.Errorf("the whole bucket: %v", err)
	}
}

func TestAnExternalPersonLearnsOfNobodyElsesFoldersAndUploads(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket, user := account(), name(), person()
	if _, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{
		AccountId: acc, Name: bucket, LifecycleRules: []*storagev1.LifecycleRule{{Id: "r", Prefix: "partner-b/", ExpireAfterDays: 3}},
	}); err != nil {
		t.Fatal(err)
	}
	w.says(membership("created", acc, user, "external", 2))
	w.set(acc, bucket, user, storagev1.Permission_PERMISSION_WRITE)
	ctx := w.asPerson(acc, user, "external")
	seen, err := w.buckets.GetBucket(ctx, &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.buckets.ListBuckets(ctx, &storagev1.ListBucketsRequest{AccountId: acc})
	if text := seen.String() + list.String(); err != nil || strings.Contains(text, "partner-b") || len(list.GetBuckets()) != 1 {
		t.Errorf("they see %s, %v", text, err)
	}
	core := client.Core{Client: w.s3()}
	if _, err := core.NewMultipartUpload(t.Context(), bucket, "another's", putOptions); err != nil {
		t.Fatal(err)
	}
	made, err := w.keys.CreateTemporaryCredentials(ctx, &storagev1.CreateTemporaryCredentialsRequest{
		AccountId: acc, Bucket: bucket, Permission: storagev1.Permission_PERMISSION_WRITE,
	})
	if err != nil {
		t.Fatal(err)
	}
	theirs := client.Core{Client: w.s3With(t, w.minio.Address(), made)}
	if found, err := theirs.ListMultipartUploads(t.Context(), bucket, "", "", "", "", 10); client.ToErrorResponse(err).Code != "AccessDenied" {
		t.Errorf("they list the uploads %v, %v", found.Uploads, err)
	}
	if _, err := theirs.Client.PutObject(t.Context(), bucket, "mine", strings.NewReader("x"), 1, putOptions); err != nil {
		t.Errorf("they cannot write: %v", err)
	}
}
