package object

import (
	"context"
	"slices"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

const (
	// MaxDelete is how many objects one call deletes at most.
	MaxDelete = 1000
	// perEntry is how many objects one entry of the trail names: so many keys always fit into an
	// event.
	perEntry = 100
	// maxMarkers is how many versions of a key are searched for one to come back to.
	maxMarkers = 1000
)

// Delete removes an object, or one version for good. Where versions are kept, removing an
// object puts a delete marker on top; a repetition puts another.
func (s *Service) Delete(ctx context.Context, accountID, bucket string, ref Ref) (Removed, error) {
	if err := checkStored(ref); err != nil {
		return Removed{}, err
	}
	at, err := s.enter(ctx, accountID, bucket, []string{ref.Key}, grant.Upload)
	if err != nil {
		return Removed{}, err
	}
	var done Removed
	err = s.act(ctx, deed{
		verb: "delete", account: accountID, bucket: at.bucket, severity: audit.Notice, what: []map[string]any{ref.described()},
	}, func(ctx context.Context) (_ map[string]any, err error) {
		done, err = removeOne(ctx, at, ref)
		return nil, err
	})
	return done, err
}

func removeOne(ctx context.Context, at room, ref Ref) (Removed, error) {
	done, err := at.Store.Remove(ctx, at.login(), at.bucket.Name, []Ref{ref})
	if err != nil {
		return Removed{}, err
	}
	return done[0], done[0].Err
}

// DeleteMany removes objects and says of each, in the same order, how it ended.
func (s *Service) DeleteMany(ctx context.Context, accountID, bucket string, refs []Ref) ([]Removed, error) {
	if len(refs) == 0 || len(refs) > MaxDelete {
		return nil, invalid("objects", "COUNT", "name 1 to 1000 objects")
	}
	keys := make([]string, len(refs))
	for i, ref := range refs {
		keys[i] = ref.Key
	}
	at, err := s.enter(ctx, accountID, bucket, keys, grant.Upload)
	if err != nil {
		return nil, err
	}
	results := make([]Removed, len(refs))
	var good []Ref
	var places []int
	for i, ref := range refs {
		results[i] = Removed{Ref: ref, Err: checkStored(ref)}
		if results[i].Err == nil {
			good, places = append(good, ref), append(places, i)
		}
	}
	if len(good) == 0 {
		return results, nil
	}
	d := deed{verb: "delete_many", account: accountID, bucket: at.bucket, severity: audit.Notice}
	for chunk := range slices.Chunk(good, perEntry) {
		named := make([]any, len(chunk))
		for i, ref := range chunk {
			named[i] = ref.described()
		}
		d.what = append(d.what, map[string]any{"objects": named})
	}
	err = s.act(ctx, d, func(ctx context.Context) (map[string]any, error) {
		done, err := at.Store.Remove(ctx, at.login(), bucket, good)
		if err != nil {
			return map[string]any{}, err
		}
		var failed []any
		for i, one := range done {
			results[places[i]] = one
			if one.Err != nil && len(failed) < perEntry {
				told := one.Ref.described()
				told["reason"] = errs.ReasonOf(one.Err)
				failed = append(failed, told)
			}
		}
		return map[string]any{"asked": len(good), "failed": failed}, nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Undelete takes the delete markers off an object. One that is not deleted stays as it is.
func (s *Service) Undelete(ctx context.Context, accountID, bucket, key string) (Object, error) {
	if err := checkStored(Ref{Key: key}); err != nil {
		return Object{}, err
	}
	at, err := s.enter(ctx, accountID, bucket, []string{key}, grant.Upload, grant.Download)
	if err != nil {
		return Object{}, err
	}
	markers, err := markersOn(ctx, at, key)
	if err != nil {
		return Object{}, err
	}
	if len(markers) > 0 {
		err = s.act(ctx, deed{
			verb: "undelete", account: accountID, bucket: at.bucket, severity: audit.Notice, what: []map[string]any{{"key": key}},
		}, func(ctx context.Context) (map[string]any, error) {
			done, err := at.Store.Remove(ctx, at.login(), bucket, markers)
			if err != nil {
				return nil, err
			}
			for _, one := range done {
				if one.Err != nil {
					return nil, one.Err
				}
			}
			return nil, nil //nolint:nilnil // there is no more to tell than at the beginning
		})
		if err != nil {
			return Object{}, err
		}
	}
	return at.Store.Stat(ctx, at.login(), bucket, Ref{Key: key})
}

// markersOn returns the delete markers on top of the newest version of the key.
func markersOn(ctx context.Context, at room, key string) ([]Ref, error) {
	// The key itself comes before all keys that begin like it.
	got, err := at.Store.ListVersions(ctx, at.login(), Listing{Bucket: at.bucket.Name, Prefix: key, Limit: maxMarkers})
	if err != nil {
		return nil, err
	}
	var markers []Ref
	for _, v := range got.Objects {
		switch {
		case v.Key != key:
			return nil, ErrNotFound
		case !v.DeleteMarker:
			return markers, nil
		default:
			markers = append(markers, v.Ref)
		}
	}
	return nil, ErrNotFound
}

// SetTags replaces an object's tags and returns them.
func (s *Service) SetTags(ctx context.Context, accountID, bucket string, ref Ref, tags map[string]string) error {
	if err := checkStored(ref); err != nil {
		return err
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	at, err := s.enter(ctx, accountID, bucket, []string{ref.Key}, grant.Upload, grant.Download)
	if err != nil {
		return err
	}
	what := ref.described()
	told := map[string]any{}
	for name, value := range tags {
		told[name] = value
	}
	what["tags"] = told
	return s.act(ctx, deed{
		verb: "set_tags", account: accountID, bucket: at.bucket, severity: audit.Info, what: []map[string]any{what},
	}, func(ctx context.Context) (map[string]any, error) {
		return nil, at.Store.SetTags(ctx, at.login(), bucket, ref, tags)
	})
}
