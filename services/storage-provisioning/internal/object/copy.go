package object

import (
	"cmp"
	"context"
	"errors"
	"maps"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// maxCopy is the largest object that S3 copies in one go, in bytes.
const maxCopy = 5 << 30

// NewCopy asks for a copy, or a move.
type NewCopy struct {
	AccountID, Bucket string
	From              Ref
	// ToBucket is the same bucket when empty.
	ToBucket, ToKey string
}

// way is a source and a destination on one backend.
type way struct {
	NewCopy
	from, to room
	// object is the source as it was found.
	object Object
}

// open returns the way for a caller who may read the source, do what else is named with it, and
// write the destination.
func (s *Service) open(ctx context.Context, in NewCopy, also ...grant.Act) (way, error) {
	in.ToBucket = cmp.Or(in.ToBucket, in.Bucket)
	w := way{NewCopy: in}
	err := checkStored(in.From)
	if err == nil {
		err = CheckKey(in.ToKey)
	}
	if err != nil {
		return way{}, err
	}
	if in.Bucket == in.ToBucket && in.From.Key == in.ToKey {
		return way{}, invalid("destination_key", "SAME_OBJECT", "name another place; an old version is brought back with RestoreObjectVersion")
	}
	if w.from, err = s.enter(ctx, in.AccountID, in.Bucket, []string{in.From.Key}, append([]grant.Act{grant.Download}, also...)...); err != nil {
		return way{}, err
	}
	if w.to, err = s.enter(ctx, in.AccountID, in.ToBucket, []string{in.ToKey}, grant.Upload); err != nil {
		return way{}, err
	}
	if w.from.bucket.Backend != w.to.bucket.Backend {
		return way{}, ErrApart
	}
	w.object, err = w.from.Store.Stat(ctx, w.from.login(), in.Bucket, in.From)
	if err == nil && w.object.Size > maxCopy {
		err = ErrTooLarge
	}
	return w, err
}

func (w way) deed(verb string, severity audit.Severity) deed {
	what := w.From.described()
	what["destination_bucket"], what["destination_key"] = w.ToBucket, w.ToKey
	return deed{verb: verb, account: w.AccountID, bucket: w.from.bucket, severity: severity, what: []map[string]any{what}}
}

// copy copies what was found at the source and nothing else.
func (w way) copy(ctx context.Context) (Object, error) {
	done, err := w.to.Store.Copy(ctx, w.to.login(), Copying{
		FromBucket: w.Bucket, From: Ref{Key: w.From.Key, VersionID: w.object.VersionID}, ETag: w.object.ETag,
		ToBucket: w.ToBucket, Key: w.ToKey,
	})
	return copied(done, w.object), err
}

// copied is a copy as it is answered: the copy's own name and time, the source's content.
func copied(done, source Object) Object {
	done.Size, done.Latest, done.Headers, done.Metadata, done.Tags = source.Size, true, source.Headers, source.Metadata, source.Tags
	done.StorageClass = source.StorageClass
	return done
}

// Copy copies an object on the backend. A repetition copies again.
func (s *Service) Copy(ctx context.Context, in NewCopy) (Object, error) {
	w, err := s.open(ctx, in)
	if err != nil {
		return Object{}, err
	}
	var done Object
	err = s.reserving(ctx, w.coming(), func() error {
		return s.act(ctx, w.deed("copy", audit.Info), func(ctx context.Context) (_ map[string]any, err error) {
			done, err = w.copy(ctx)
			return nil, err
		})
	})
	return done, err
}

// Move copies an object and removes the source, unless that has changed meanwhile. When it ends
// in between, the object is in both places, and a repetition goes on. Between the last look at
// the source and its removal lies a moment: what is written there in that moment is lost where
// no versions are kept.
func (s *Service) Move(ctx context.Context, in NewCopy) (Object, error) {
	w, err := s.open(ctx, in, grant.Upload)
	if err != nil {
		return Object{}, err
	}
	var done Object
	move := func(ctx context.Context) (_ map[string]any, err error) {
		if done, err = w.copy(ctx); err != nil {
			return nil, err
		}
		now, err := w.from.Store.Stat(ctx, w.from.login(), in.Bucket, in.From)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil, nil //nolint:nilnil // somebody else removed it: it is where it was to go, and there is no more to tell
		case err != nil:
			return nil, err
		case now.ETag != w.object.ETag || now.VersionID != w.object.VersionID || !now.ModifiedAt.Equal(w.object.ModifiedAt):
			return nil, ErrChanged
		}
		_, err = removeOne(ctx, w.from, in.From)
		return nil, err
	}
	err = s.reserving(ctx, w.coming(), func() error { return s.act(ctx, w.deed("move", audit.Notice), move) })
	return done, err
}

// Restore makes an old version the current content again, by copying it on top. When it is the
// current content already, nothing happens: so a repetition adds nothing.
func (s *Service) Restore(ctx context.Context, accountID, bucket string, ref Ref) (Object, error) {
	if err := checkStored(ref); err != nil {
		return Object{}, err
	}
	at, err := s.enter(ctx, accountID, bucket, []string{ref.Key}, grant.Upload, grant.Download)
	if err != nil {
		return Object{}, err
	}
	old, err := at.Store.Stat(ctx, at.login(), bucket, ref)
	if err != nil {
		return Object{}, err
	}
	if old.Size > maxCopy {
		return Object{}, ErrTooLarge
	}
	current, err := at.Store.Stat(ctx, at.login(), bucket, Ref{Key: ref.Key})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Object{}, err
	}
	if err == nil && (current.VersionID == old.VersionID || sameContent(current, old)) {
		return current, nil
	}
	var done Object
	coming := quota.Upload{AccountID: accountID, BucketID: at.bucket.ID, Key: ref.Key, Size: &old.Size, Lifetime: copyLifetime}
	restore := func(ctx context.Context) (map[string]any, error) {
		made, err := at.Store.Copy(ctx, at.login(), Copying{
			FromBucket: bucket, From: ref, ETag: old.ETag, ToBucket: bucket, Key: ref.Key,
		})
		done = copied(made, old)
		return nil, err
	}
	err = s.reserving(ctx, coming, func() error {
		return s.act(ctx, deed{
			verb: "restore_version", account: accountID, bucket: at.bucket, severity: audit.Info, what: []map[string]any{ref.described()},
		}, restore)
	})
	return done, err
}

// sameContent reports whether two versions have the same bytes and all that goes with them.
func sameContent(a, b Object) bool {
	return a.ETag == b.ETag && a.Size == b.Size && a.Headers == b.Headers &&
		maps.Equal(a.Metadata, b.Metadata) && maps.Equal(a.Tags, b.Tags)
}
