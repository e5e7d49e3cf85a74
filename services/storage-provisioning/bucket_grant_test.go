package storage_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestAnExternalPersonReachesWhatTheirInvitationGrantedAndNothingElse(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user := account(), person()
	readable, writable, hidden := name(), name(), name()
	readableID, writableID := w.create(acc, readable).GetId(), w.create(acc, writable).GetId()
	w.create(acc, hidden)
	ctx := w.asPerson(acc, user, "external")

	// The token may be there before the event.
	if got := w.seen(ctx, acc, 0); len(got) != 0 {
		t.Fatalf("before the event they see %v", got)
	}
	w.reachesNothing(ctx, acc, readable)
	w.says(membership("created", acc, user, "external", 7), acceptance(acc, user, 7, offer(readableID, "read"), offer(writableID, "read-write")))
	w.sees(acc, user, readable, writable)

	if err := w.read(ctx, acc, readable); err != nil {
		t.Error(err)
	}
	refused(t, w.upload(ctx, acc, readable), errs.PermissionDenied, "BUCKET_GRANT_TOO_LOW")
	w.tells(acc, 1, "DENIED by "+user+" BUCKET_GRANT_TOO_LOW")
	w.put(readable, "k")
	down, err := w.objects.PresignDownload(ctx, &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: readable, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if status, answer, _ := send(t, down.GetMethod(), down.GetUrl(), "", nil); status != http.StatusOK || answer != "content" {
		t.Errorf("download: %d %s", status, answer)
	}
	up, err := w.objects.PresignUpload(ctx, &storagev1.PresignUploadRequest{AccountId: acc, Bucket: writable, Key: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	if status, answer, _ := send(t, up.GetMethod(), up.GetUrl(), "hello", up.GetHeaders()); status != http.StatusOK {
		t.Errorf("upload: %d %s", status, answer)
	}
	w.reachesNothing(ctx, acc, hidden)
	t.Run("nor in another account, where the same bucket is nobody's", func(t *testing.T) {
		other := account()
		w.create(other, hidden+"-other")
		w.reachesNothing(w.asPerson(other, user, "external"), other, readable)
		refused(t, w.read(ctx, other, readable), errs.NotFound, "NOT_FOUND")
	})
	t.Run("and another external person sees none of it", func(t *testing.T) {
		w.reachesNothing(w.asPerson(acc, person(), "external"), acc, readable)
	})
	t.Run("while members see all", func(t *testing.T) {
		if got := w.seen(w.asRole(acc, "viewer"), acc, 0); len(got) != 3 {
			t.Errorf("a viewer sees %v", got)
		}
	})
}

func TestTheListOfAnExternalPersonIsPagedOverWhatTheySee(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user, prefix := account(), person(), name()
	var granted []string
	w.says(membership("created", acc, user, "external", 3))
	for i := range 6 {
		bucket := fmt.Sprintf("%s-%d", prefix, i)
		w.create(acc, bucket)
		if i%2 == 1 {
			granted = append(granted, bucket)
			w.set(acc, bucket, user, storagev1.Permission_PERMISSION_READ)
		}
	}
	ctx := w.asPerson(acc, user, "external")
	for _, size := range []int32{1, 2, 3, 50} {
		if got := w.seen(ctx, acc, size); !slices.Equal(got, granted) {
			t.Errorf("by %d they see %v, want %v", size, got, granted)
		}
	}
	page, err := w.buckets.ListBuckets(ctx, &storagev1.ListBucketsRequest{AccountId: acc, PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.buckets.ListBuckets(w.as(acc), &storagev1.ListBucketsRequest{AccountId: acc, PageSize: 1, PageToken: page.GetNextPageToken()})
	refused(t, err, errs.InvalidArgument, "PAGE_TOKEN_INVALID")
}

// set gives a person a bucket, as soon as storage has heard of them.
func (w *world) set(acc, bucket, user string, permission storagev1.Permission) *storagev1.BucketGrant {
	w.t.Helper()
	var made *storagev1.BucketGrant
	testkit.Eventually(w.t, patience, func() error {
		response, err := w.grants.SetBucketGrant(w.as(acc), &storagev1.SetBucketGrantRequest{
			AccountId: acc, Bucket: bucket, UserId: user, Permission: permission,
		})
		made = response.GetBucketGrant()
		return err
	})
	return made
}

// reachable are the methods of storage that an external person gets to, of all there are.
// Where a bucket is named the grant decides; the list of backends is for any login.
var reachable = []string{
	"AccessKeyService/CreateTemporaryCredentials",
	"BackendService/ListBackends", "BucketGrantService/ExplainBucketAccess", "BucketService/GetBucket", "BucketService/ListBuckets",
	"FavouriteService/AddFavourite", "FavouriteService/ListFavourites", "FavouriteService/RemoveFavourite",
	"MultipartUploadService/AbortMultipartUpload", "MultipartUploadService/CompleteMultipartUpload",
	"MultipartUploadService/CreateMultipartUpload", "MultipartUploadService/ListMultipartUploads",
	"MultipartUploadService/ListParts", "MultipartUploadService/SignParts",
	"ObjectService/CopyObject", "ObjectService/DeleteObject", "ObjectService/DeleteObjects", "ObjectService/GetObject",
	"ObjectService/GetObjectTags", "ObjectService/ListObjectVersions", "ObjectService/ListObjects", "ObjectService/MoveObject",
	"ObjectService/PresignDownload", "ObjectService/PresignPost", "ObjectService/PresignUpload",
	"ObjectService/RestoreObjectVersion", "ObjectService/SearchObjects", "ObjectService/SetObjectTags", "ObjectService/UndeleteObject",
	// For anybody with a link.
	"ShareService/ResolveShare",
}

// notForThem is how the interceptor refuses an external person: by their role, or at once since
// the method is the platform's.
var notForThem = []string{"ROLE_NOT_ALLOWED", "CALLER_NOT_ALLOWED"}

func TestAnExternalPersonGetsToNoMethodButTheDeclaredOnes(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	w.create(acc, name())
	ctx := w.asPerson(acc, person(), "external")
	var got []string
	all := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("primecloud.storage.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				all++
				method := service.Methods().Get(j)
				request := dynamicpb.NewMessage(method.Input())
				if field := method.Input().Fields().ByName("account_id"); field != nil {
					request.Set(field, protoreflect.ValueOfString(acc))
				}
				full := fmt.Sprintf("/%s/%s", service.FullName(), method.Name())
				err := w.conn.Invoke(ctx, full, request, dynamicpb.NewMessage(method.Output()))
				if e, ok := errs.As(err); ok && e.Kind() == errs.PermissionDenied && slices.Contains(notForThem, e.Reason()) {
					continue
				}
				got = append(got, fmt.Sprintf("%s/%s", service.Name(), method.Name()))
			}
		}
		return true
	})
	slices.Sort(got)
	if !slices.Equal(got, reachable) || all < 20 {
		t.Errorf("of %d methods these are reachable:\n%s\nwant\n%s", all, strings.Join(got, "\n"), strings.Join(reachable, "\n"))
	}
}

func TestOwnersAndAdminsSetListAndDeleteGrants(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user, other := account(), person(), person()
	first, second := name(), name()
	w.create(acc, first)
	w.create(acc, second)
	w.says(membership("created", acc, user, "external", 2), membership("created", acc, other, "external", 3))
	made := w.set(acc, first, user, storagev1.Permission_PERMISSION_READ)
	w.set(acc, second, user, storagev1.Permission_PERMISSION_READ)
	w.set(acc, first, other, storagev1.Permission_PERMISSION_READ_WRITE)
	set := func(change func(*storagev1.SetBucketGrantRequest)) (*storagev1.BucketGrant, error) {
		r := &storagev1.SetBucketGrantRequest{AccountId: acc, Bucket: first, UserId: user, Permission: storagev1.Permission_PERMISSION_READ_WRITE}
		change(r)
		response, err := w.grants.SetBucketGrant(withKey(w.asRole(acc, "admin"), "k-"+random()), r)
		return response.GetBucketGrant(), err
	}
	changed, err := set(func(r *storagev1.SetBucketGrantRequest) { r.Etag = made.GetEtag() })
	if err != nil || changed.GetId() != made.GetId() || changed.GetPermission() != storagev1.Permission_PERMISSION_READ_WRITE || changed.GetEtag() == made.GetEtag() {
		t.Fatalf("changed to %v, %v", changed, err)
	}
	if same, err := set(func(*storagev1.SetBucketGrantRequest) {}); err != nil || same.GetEtag() != changed.GetEtag() {
		t.Errorf("the same again is %v, %v", same, err)
	}
	if err := w.upload(w.asPerson(acc, user, "external"), acc, first); err != nil {
		t.Errorf("they cannot write: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*storagev1.SetBucketGrantRequest)
		kind   errs.Kind
		reason string
	}{
		"what the caller has not seen":   {func(r *storagev1.SetBucketGrantRequest) { r.Etag = made.GetEtag() }, errs.Aborted, "ETAG_MISMATCH"},
		"a bucket that is not there":     {func(r *storagev1.SetBucketGrantRequest) { r.Bucket = "never-was" }, errs.NotFound, "BUCKET_NOT_FOUND"},
		"a person of whom nobody heard":  {func(r *storagev1.SetBucketGrantRequest) { r.UserId = person() }, errs.NotFound, "EXTERNAL_MEMBER_NOT_FOUND"},
		"a permission that nobody gets":  {func(r *storagev1.SetBucketGrantRequest) { r.Permission = storagev1.Permission_PERMISSION_LIST }, errs.InvalidArgument, "REQUEST_INVALID"},
		"a permission that is not there": {func(r *storagev1.SetBucketGrantRequest) { r.Permission = 0 }, errs.InvalidArgument, "REQUEST_INVALID"},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			_, err := set(c.change)
			refused(t, err, c.kind, c.reason)
		})
	}
	t.Run("a developer may not", func(t *testing.T) {
		_, err := w.grants.SetBucketGrant(w.asRole(acc, "developer"), &storagev1.SetBucketGrantRequest{
			AccountId: acc, Bucket: first, UserId: user, Permission: storagev1.Permission_PERMISSION_READ,
		})
		refused(t, err, errs.PermissionDenied, "ROLE_NOT_ALLOWED")
	})
	list := func(r *storagev1.ListBucketGrantsRequest) string {
		var said []string
		r.AccountId, r.PageSize = acc, 1
		for {
			page, err := w.grants.ListBucketGrants(w.as(acc), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range page.GetBucketGrants() {
				said = append(said, g.GetBucket()+" "+g.GetUserId())
			}
			if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
				return strings.Join(said, ", ")
			}
		}
	}
	all := fmt.Sprintf("%s %s, %s %s, %s %s", first, user, second, user, first, other)
	if got := list(&storagev1.ListBucketGrantsRequest{}); got != all {
		t.Errorf("all are %s", got)
	}
	if got := list(&storagev1.ListBucketGrantsRequest{Bucket: first}); got != fmt.Sprintf("%s %s, %s %s", first, user, first, other) {
		t.Errorf("on one bucket are %s", got)
	}
	if got := list(&storagev1.ListBucketGrantsRequest{UserId: other, Bucket: first}); got != first+" "+other {
		t.Errorf("of one person are %s", got)
	}

	remove := &storagev1.DeleteBucketGrantRequest{AccountId: acc, Bucket: first, UserId: user, Etag: made.GetEtag()}
	_, err = w.grants.DeleteBucketGrant(w.as(acc), remove)
	refused(t, err, errs.Aborted, "ETAG_MISMATCH")
	remove.Etag = changed.GetEtag()
	key := withKey(w.as(acc), "delete")
	for range 2 {
		if _, err := w.grants.DeleteBucketGrant(key, remove); err != nil {
			t.Error(err)
		}
	}
	_, err = w.grants.DeleteBucketGrant(w.as(acc), &storagev1.DeleteBucketGrantRequest{AccountId: acc, Bucket: first, UserId: user})
	refused(t, err, errs.NotFound, "BUCKET_GRANT_NOT_FOUND")
	w.reachesNothing(w.asPerson(acc, user, "external"), acc, first)
	w.sees(acc, user, second)
	w.tells(acc, 3, "bucket_grant.create SUCCEEDED by usr_"+acc)
	w.tells(acc, 1, "bucket_grant.update SUCCEEDED by usr_"+acc)
	w.tells(acc, 1, "bucket_grant.delete SUCCEEDED by usr_"+acc)
	if got := w.grantEvents(t); !slices.Equal(got, []string{"created READ 1", "created READ 1", "created READ_WRITE 1", "updated READ_WRITE 2", "deleted READ_WRITE 3"}) {
		t.Errorf("the events are %v", got)
	}
}

func TestARepeatedGrantIsTheSameGrant(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user, bucket := account(), person(), name()
	w.create(acc, bucket)
	w.says(membership("created", acc, user, "external", 2))
	w.set(acc, bucket, user, storagev1.Permission_PERMISSION_READ)
	key := withKey(w.as(acc), "again")
	request := &storagev1.SetBucketGrantRequest{AccountId: acc, Bucket: bucket, UserId: user, Permission: storagev1.Permission_PERMISSION_READ_WRITE}
	first, err := w.grants.SetBucketGrant(key, request)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.grants.SetBucketGrant(key, request)
	if err != nil || second.GetBucketGrant().GetEtag() != first.GetBucketGrant().GetEtag() {
		t.Errorf("the repetition gives %v, %v", second, err)
	}
	request.Permission = storagev1.Permission_PERMISSION_READ
	_, err = w.grants.SetBucketGrant(key, request)
	refused(t, err, errs.InvalidArgument, "IDEMPOTENCY_KEY_REUSED")
}

func TestABucketTakesItsGrantsWithIt(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user, bucket := account(), person(), name()
	w.create(acc, bucket)
	w.says(membership("created", acc, user, "external", 2))
	w.set(acc, bucket, user, storagev1.Permission_PERMISSION_READ)
	w.put(bucket, "a")
	if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket}); err == nil {
		t.Fatal("a full bucket was deleted")
	}
	w.sees(acc, user, bucket)
	if err := w.s3().RemoveObject(testkit.Context(t), bucket, "a", removeLatest); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		_, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
		return err
	})
	w.tells(acc, 1, "bucket_grant.delete SUCCEEDED by usr_"+acc)
	// The name may still be kept, and with it the id.
	w.create(acc, bucket)
	w.reachesNothing(w.asPerson(acc, user, "external"), acc, bucket)
	if n := w.row("select count(*)::text from storage.bucket_grant where account_id = $1", acc); n != "0" {
		t.Errorf("%s grants are left", n)
	}
}
