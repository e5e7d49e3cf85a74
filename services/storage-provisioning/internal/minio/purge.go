package minio

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
)

var _ purge.Contents = (*Backend)(nil)

// uploadPage is how many incomplete uploads are aborted at a time.
const uploadPage = 200

// lockedCodes are the server's ways to say that an entry is under retention or legal hold.
// The first one is what it answers.
var lockedCodes = map[string]bool{"InvalidRequest": true, "ObjectLocked": true}

// CountEntries counts objects, old versions and delete markers after a key: limit of them,
// and the rest of the last one's versions.
func (b *Backend) CountEntries(ctx context.Context, bucket, after string, limit int) (purge.Count, error) {
	return value(ctx, b, "CountEntries", func(ctx context.Context) (purge.Count, error) {
		var found purge.Count
		page, err := b.entries(ctx, bucket, after, limit)
		for _, e := range page.entries {
			found.Entries++
			found.Bytes += e.Size
			if e.IsLatest && !e.IsDeleteMarker {
				found.Objects++
			}
		}
		found.To, found.More = page.to, page.more
		return found, err
	})
}

// RemoveEntries removes objects, old versions and delete markers after a key: limit of them,
// and the rest of the last one's versions; when there are no more, incomplete uploads too.
// Those of before the server's start it does not list; they do not keep it from removing the
// bucket, and go with it.
func (b *Backend) RemoveEntries(ctx context.Context, bucket, after string, limit int) (purge.Batch, error) {
	var done purge.Batch
	err := b.cfg.Around(ctx, "minio.RemoveEntries", func(ctx context.Context) error {
		done = purge.Batch{}
		var page entryPage
		err := b.request(ctx, func(ctx context.Context) (err error) {
			page, err = b.entries(ctx, bucket, after, limit)
			return err
		})
		if err != nil {
			return err
		}
		done.To, done.More = page.to, page.more
		if err := b.removeAll(ctx, bucket, page.entries, &done); err != nil || page.more {
			return err
		}
		aborted, more, err := b.abortUploads(ctx, bucket)
		done.Removed.Uploads, done.More = aborted, more
		return err
	})
	return done, err
}

// entryPage is a part of what is in a bucket.
type entryPage struct {
	entries []minio.ObjectInfo
	// to is the last key of the page; all its versions are on it.
	to   string
	more bool
}

// entries lists limit entries after a key, and the rest of the last one's versions.
func (b *Backend) entries(ctx context.Context, bucket, after string, limit int) (entryPage, error) {
	page := entryPage{to: after}
	for entry, err := range listed(ctx, b.s3, bucket, minio.ListObjectsOptions{
		WithVersions: true, Recursive: true, StartAfter: after,
	}) {
		switch {
		case err != nil:
			return entryPage{}, err
		case len(page.entries) >= limit && entry.Key != page.to:
			page.more = true
			return page, nil
		}
		page.entries, page.to = append(page.entries, entry), entry.Key
	}
	return page, nil
}

// removeAll removes entries and counts what came of it. An entry that the server must keep is
// no failure; any other trouble is, and what was removed before is found gone by the next try.
func (b *Backend) removeAll(ctx context.Context, bucket string, entries []minio.ObjectInfo, done *purge.Batch) error {
	sizes := make(map[entryID]int64, len(entries))
	var many []minio.ObjectInfo
	for _, e := range entries {
		if !spellable(e.Key) {
			if err := b.removeEntry(ctx, bucket, e, done); err != nil {
				return err
			}
			continue
		}
		sizes[idOf(e.Key, e.VersionID)] = e.Size
		many = append(many, e)
	}
	if len(many) == 0 {
		return nil
	}
	return b.request(ctx, func(ctx context.Context) error {
		queue := make(chan minio.ObjectInfo, len(many))
		for _, e := range many {
			queue <- e
		}
		close(queue)
		var trouble error
		for r := range b.s3.RemoveObjectsWithResult(ctx, bucket, queue, minio.RemoveObjectsOptions{}) {
			said, isAnswer := errors.AsType[minio.ErrorResponse](r.Err)
			switch {
			case r.Err == nil:
				done.Removed.Entries++
				done.Removed.Bytes += sizes[idOf(r.ObjectName, r.ObjectVersionID)]
			case isAnswer && lockedCodes[said.Code]:
				done.Locked++
			default:
				// To the end, or the client would go on in the background.
				trouble = errUnavailable.WithMessage("the storage backend did not remove everything that it was asked to (%s)", spelled(said.Code))
			}
		}
		return trouble
	})
}

// entryID names an entry. The version that an object without versioning has is called null in
// lists, and nothing in some answers.
type entryID struct{ key, version string }

func idOf(key, version string) entryID {
	if version == "null" {
		version = ""
	}
	return entryID{key, version}
}

// removeEntry removes an entry by itself.
func (b *Backend) removeEntry(ctx context.Context, bucket string, e minio.ObjectInfo, done *purge.Batch) error {
	err := b.request(ctx, func(ctx context.Context) error {
		return b.s3.RemoveObject(ctx, bucket, e.Key, minio.RemoveObjectOptions{VersionID: e.VersionID})
	})
	if said, ok := errors.AsType[*trouble](err); ok && lockedCodes[said.code] {
		done.Locked++
		return nil
	}
	if err == nil {
		done.Removed.Entries++
		done.Removed.Bytes += e.Size
	}
	return err
}

// spellable says whether XML, in which many are named at once, can carry a key. Another one
// would be taken for a key that is not there, and so for removed.
func spellable(key string) bool {
	for _, r := range key {
		if r == utf8.RuneError || r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}

// abortUploads aborts incomplete uploads, and says whether there may be more.
func (b *Backend) abortUploads(ctx context.Context, bucket string) (aborted int64, more bool, err error) {
	core := minio.Core{Client: b.s3}
	err = b.request(ctx, func(ctx context.Context) error {
		found, err := core.ListMultipartUploads(ctx, bucket, "", "", "", "", uploadPage)
		if err != nil {
			return err
		}
		for _, u := range found.Uploads {
			if err := core.AbortMultipartUpload(ctx, bucket, u.Key, u.UploadID); err != nil {
				return err
			}
			aborted++
		}
		more = found.IsTruncated
		return nil
	})
	return aborted, more, err
}
