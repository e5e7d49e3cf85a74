package minio

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/tags"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

var (
	_ object.Store        = (*Backend)(nil)
	_ object.Uploads      = (*Backend)(nil)
	_ object.UploadSigner = (*Backend)(nil)
)

// as returns a client of the internal endpoint for the login.
func (b *Backend) as(keys *credentials.Credentials) (*minio.Client, error) {
	c, err := minio.New(b.s3.EndpointURL().Host, &minio.Options{
		Creds: keys, Secure: b.s3.EndpointURL().Scheme == "https", Region: b.cfg.Region,
		Transport: b.http.Transport, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		return nil, errRejected.WithMessage("the account's user cannot be used").Wrap(err)
	}
	return c, nil
}

func (b *Backend) user(login object.Login) (*minio.Client, error) {
	return b.as(credentials.NewStaticV4(login.User, login.Secret, ""))
}

// objects runs a method on objects with a client of the account's user.
func objects[T any](ctx context.Context, b *Backend, method string, login object.Login, do func(context.Context, *minio.Client) (T, error)) (T, error) {
	got, err := value(ctx, b, method, func(ctx context.Context) (got T, err error) {
		c, err := b.user(login)
		if err != nil {
			return got, err
		}
		return do(ctx, c)
	})
	return got, aboutObject(err)
}

// meanings are what the server's codes mean where objects are concerned.
var meanings = map[string]error{
	"NoSuchKey": object.ErrNotFound, "NoSuchVersion": object.ErrNotFound,
	"InvalidVersionId": object.ErrNotFound, "XMinioInvalidObjectName": object.ErrNotFound,
	// So the server answers to a question for a delete marker.
	"MethodNotAllowed": object.ErrNotFound,
	"AccessDenied":     object.ErrAccessDenied, "InvalidAccessKeyId": object.ErrAccessDenied,
	"PreconditionFailed": object.ErrChanged,
	"NoSuchUpload":       object.ErrUploadNotFound, "XMinioMalformedUploadID": object.ErrUploadNotFound,
	"InvalidPart": object.ErrPartsInvalid, "InvalidPartOrder": object.ErrPartsInvalid, "EntityTooSmall": object.ErrPartsInvalid,
	"ObjectLocked": object.ErrLocked,
}

// aboutObject gives the server's codes the meaning that they have where objects are concerned.
func aboutObject(err error) error {
	t, ok := errors.AsType[*trouble](err)
	if !ok || t.cause != nil {
		return err
	}
	meant, ok := meanings[t.code]
	switch {
	case ok:
		return meant
	case t.code == "" && t.status == http.StatusNotFound:
		return object.ErrNotFound
	default:
		return err
	}
}

// versionID is what the server makes version ids of. Others it answers as if the request were
// malformed, and one among many would spoil the whole list.
var versionID = regexp.MustCompile(`^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|null)?$`)

// Stat returns an object without its bytes, its tags with a second request if it has any.
func (b *Backend) Stat(ctx context.Context, login object.Login, bucket string, ref object.Ref) (object.Object, error) {
	if !versionID.MatchString(ref.VersionID) {
		return object.Object{}, object.ErrNotFound
	}
	return objects(ctx, b, "Stat", login, func(ctx context.Context, c *minio.Client) (object.Object, error) {
		found, err := c.StatObject(ctx, bucket, ref.Key, minio.StatObjectOptions{VersionID: ref.VersionID})
		if err != nil {
			return object.Object{}, err
		}
		o := stated(found)
		o.Key, o.Latest = ref.Key, ref.VersionID == ""
		if found.UserTagCount == 0 {
			return o, nil
		}
		set, err := c.GetObjectTagging(ctx, bucket, ref.Key, minio.GetObjectTaggingOptions{VersionID: ref.VersionID})
		if err != nil {
			return object.Object{}, err
		}
		o.Tags = set.ToMap()
		return o, nil
	})
}

func stated(found minio.ObjectInfo) object.Object {
	header := found.Metadata
	o := object.Object{
		Ref: object.Ref{VersionID: found.VersionID}, Size: found.Size, ETag: found.ETag, ModifiedAt: found.LastModified.UTC(),
		StorageClass: storageClass(header.Get("X-Amz-Storage-Class")),
		Headers: object.Headers{
			ContentType: found.ContentType, CacheControl: header.Get("Cache-Control"), ContentDisposition: header.Get("Content-Disposition"),
			ContentEncoding: header.Get("Content-Encoding"), ContentLanguage: header.Get("Content-Language"),
		},
		Metadata: map[string]string{}, Mode: header.Get("X-Amz-Object-Lock-Mode"),
		Held: header.Get("X-Amz-Object-Lock-Legal-Hold") == "ON",
	}
	for name, value := range found.UserMetadata {
		o.Metadata[strings.ToLower(name)] = value
	}
	if until, err := time.Parse(time.RFC3339, header.Get("X-Amz-Object-Lock-Retain-Until-Date")); err == nil {
		o.RetainUntil = until.UTC()
	}
	return o
}

// storageClass returns a class by its name: the server leaves the usual one out.
func storageClass(said string) string {
	if said == "" {
		return "STANDARD"
	}
	return said
}

// Copy copies on the server.
func (b *Backend) Copy(ctx context.Context, login object.Login, in object.Copying) (object.Object, error) {
	return objects(ctx, b, "Copy", login, func(ctx context.Context, c *minio.Client) (object.Object, error) {
		done, err := c.CopyObject(ctx, minio.CopyDestOptions{Bucket: in.ToBucket, Object: in.Key}, minio.CopySrcOptions{
			Bucket: in.FromBucket, Object: in.From.Key, VersionID: in.From.VersionID, MatchETag: in.ETag,
		})
		return object.Object{
			Ref: object.Ref{Key: in.Key, VersionID: done.VersionID}, ETag: done.ETag, ModifiedAt: done.LastModified.UTC(),
		}, err
	})
}

// SetTags replaces the tags.
func (b *Backend) SetTags(ctx context.Context, login object.Login, bucket string, ref object.Ref, wanted map[string]string) error {
	if !versionID.MatchString(ref.VersionID) {
		return object.ErrNotFound
	}
	_, err := objects(ctx, b, "SetTags", login, func(ctx context.Context, c *minio.Client) (none struct{}, err error) {
		if len(wanted) == 0 {
			return none, c.RemoveObjectTagging(ctx, bucket, ref.Key, minio.RemoveObjectTaggingOptions{VersionID: ref.VersionID})
		}
		set, err := tags.NewTags(wanted, true)
		if err != nil {
			return none, errRejected.WithMessage("the tags cannot be written").Wrap(err)
		}
		return none, c.PutObjectTagging(ctx, bucket, ref.Key, set, minio.PutObjectTaggingOptions{VersionID: ref.VersionID})
	})
	return err
}

// Remove removes one by a request of its own, and several by one for all of them. Keys that XML
// cannot carry, since it has no way to write most control characters, go one by one: the list
// would name others.
func (b *Backend) Remove(ctx context.Context, login object.Login, bucket string, refs []object.Ref) ([]object.Removed, error) {
	done := make([]object.Removed, len(refs))
	var many []object.Ref
	places := map[object.Ref][]int{}
	for i, ref := range refs {
		if !versionID.MatchString(ref.VersionID) {
			done[i] = object.Removed{Ref: ref, Err: object.ErrNotFound}
			continue
		}
		if len(refs) > 1 && inXML(ref.Key) {
			if places[ref] == nil {
				many = append(many, ref)
			}
			places[ref] = append(places[ref], i)
			continue
		}
		one, err := b.removeOne(ctx, login, bucket, ref)
		if err != nil && (len(refs) == 1 || !ofOne(err)) {
			return nil, err
		}
		one.Ref, one.Err = ref, err
		done[i] = one
	}
	if len(many) == 0 {
		return done, nil
	}
	removed, err := b.removeMany(ctx, login, bucket, many)
	if err != nil {
		return nil, err
	}
	for _, ref := range many {
		one, ok := removed[ref]
		if !ok {
			one = object.Removed{Err: errUnavailable}
		}
		one.Ref = ref
		for _, i := range places[ref] {
			done[i] = one
		}
	}
	return done, nil
}

// ofOne reports whether an error is about that object rather than about the backend.
func ofOne(err error) bool {
	return errors.Is(err, object.ErrAccessDenied) || errors.Is(err, object.ErrLocked) || errors.Is(err, object.ErrNotFound)
}

func (b *Backend) removeOne(ctx context.Context, login object.Login, bucket string, ref object.Ref) (object.Removed, error) {
	removed, err := value(ctx, b, "Remove", func(ctx context.Context) (object.Removed, error) {
		query := url.Values{}
		if ref.VersionID != "" {
			query.Set("versionId", ref.VersionID)
		}
		header, err := b.ask(ctx, login, question{method: http.MethodDelete, bucket: bucket, key: ref.Key, query: query}, nil)
		return object.Removed{VersionID: header.Get("X-Amz-Version-Id"), DeleteMarker: header.Get("X-Amz-Delete-Marker") == "true"}, err
	})
	return removed, aboutObject(locked(err))
}

// locked tells a lock from other refusals: the server has no code of its own for it.
func locked(err error) error {
	if t, ok := errors.AsType[*trouble](err); ok && t.cause == nil && t.code == "InvalidRequest" {
		return object.ErrLocked
	}
	return err
}

func (b *Backend) removeMany(ctx context.Context, login object.Login, bucket string, refs []object.Ref) (map[object.Ref]object.Removed, error) {
	return objects(ctx, b, "Remove", login, func(ctx context.Context, c *minio.Client) (map[object.Ref]object.Removed, error) {
		names := make(chan minio.ObjectInfo, len(refs))
		for _, ref := range refs {
			names <- minio.ObjectInfo{Key: ref.Key, VersionID: ref.VersionID}
		}
		close(names)
		removed := map[object.Ref]object.Removed{}
		var trouble error
		for one := range c.RemoveObjectsWithResult(ctx, bucket, names, minio.RemoveObjectsOptions{}) {
			said, isAnswer := errors.AsType[minio.ErrorResponse](one.Err)
			if one.Err != nil && !isAnswer {
				trouble = one.Err // of the request for all of them; to the end, or the client would go on in the background
				continue
			}
			result := object.Removed{VersionID: one.ObjectVersionID, DeleteMarker: one.DeleteMarker}
			if isAnswer {
				result.Err = refusedOne(said)
			}
			if one.DeleteMarker {
				result.VersionID = one.DeleteMarkerVersionID
			}
			removed[object.Ref{Key: one.ObjectName, VersionID: one.ObjectVersionID}] = result
		}
		return removed, trouble
	})
}

// refusedOne classifies what a list's answer says of one object.
func refusedOne(said minio.ErrorResponse) error {
	t := &trouble{status: http.StatusBadRequest, code: said.Code}
	return aboutObject(locked(classify(context.Background(), t)))
}

// inXML reports whether XML can carry a key.
func inXML(key string) bool {
	for _, c := range key {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c == 0xFFFE || c == 0xFFFF {
			return false
		}
	}
	return true
}
