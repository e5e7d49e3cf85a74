package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// DefaultLimit is how many versions a preview looks at unless it is told otherwise.
const DefaultLimit = 10000

// Contents is what is in the buckets of one backend. Errors are as those of
// bucket.BackendReader.
type Contents interface {
	// ScanVersions returns objects whose keys begin with the prefix, with old versions and
	// delete markers, by key and the newest first; at most limit. more says whether there are
	// more than were returned.
	ScanVersions(ctx context.Context, bucket, prefix string, limit int) (list []Version, more bool, err error)
	// ListUploads returns the incomplete uploads of a bucket that the backend knows of.
	ListUploads(ctx context.Context, bucket string) ([]Upload, error)
	// AbortUpload aborts one; one that is gone is no error.
	AbortUpload(ctx context.Context, bucket string, u Upload) error
}

// Backends finds a backend by its name.
type Backends interface {
	// Contents returns what is in the backend of that name, and an error BACKEND_UNKNOWN for
	// a name that is not configured.
	Contents(name string) (Contents, error)
}

// Buckets finds buckets that the caller may see.
type Buckets interface {
	// Get returns the account's bucket of that name, unless it must look absent to the caller.
	Get(ctx context.Context, accountID, name string) (bucket.Bucket, error)
}

// Inventory is all buckets, across accounts.
type Inventory interface {
	// Standing returns buckets that are ready, by id, those after the given one, at most limit.
	Standing(ctx context.Context, after string, limit int) ([]bucket.Bucket, error)
}

// Trail keeps the audit entries of what was aborted.
type Trail interface {
	Record(ctx context.Context, entry audit.Entry) error
}

// Deps is what the use cases need. All must be set.
type Deps struct {
	Buckets   Buckets
	Backends  Backends
	Inventory Inventory
	Trail     Trail
	Clock     clock.Clock
}

// Service is the use cases.
type Service struct {
	Deps
	// passing is held by the pass over all buckets; after is the last bucket that one which
	// was broken off has done.
	passing sync.Mutex
	after   string
}

// NewService returns the use cases.
func NewService(d Deps) *Service { return &Service{Deps: d} }

// Preview is what a rule would do now.
type Preview struct {
	Effect
	// Examined is how many versions were looked at, Complete whether those were all.
	Examined int
	Complete bool
	// At is the time for which it holds.
	At time.Time
}

// Preview says what the rule would do now to the bucket as it is, by itself. It looks at
// DefaultLimit versions when limit is zero.
func (s *Service) Preview(ctx context.Context, accountID, name string, rule bucket.Rule, limit int) (Preview, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	b, err := s.Buckets.Get(ctx, accountID, name)
	if err != nil {
		return Preview{}, err
	}
	switch {
	case b.State == bucket.Purging:
		return Preview{}, bucket.ErrPurging
	case !b.Reachable():
		return Preview{}, bucket.ErrConflict
	}
	rule.ID = cmp.Or(rule.ID, "preview")
	if err := bucket.CheckRules([]bucket.Rule{rule}); err != nil {
		return Preview{}, err
	}
	contents, err := s.Backends.Contents(b.Backend)
	if err != nil {
		return Preview{}, err
	}
	list, more, err := contents.ScanVersions(ctx, name, rule.Prefix, limit)
	if err != nil {
		return Preview{}, err
	}
	preview := Preview{Examined: len(list), Complete: !more, At: s.Clock.Now()}
	for _, object := range objects(list, more) {
		preview.add(rule, object, preview.At)
	}
	if rule.AbortAfterDays > 0 {
		uploads, err := contents.ListUploads(ctx, name)
		if err != nil {
			return Preview{}, err
		}
		rule.Disabled = false
		for _, u := range uploads {
			if Matches(bucket.Rule{Prefix: rule.Prefix}, Version{Key: u.Key}) && preview.At.After(AbortDue([]bucket.Rule{rule}, u)) {
				preview.Uploads.Count++
			}
		}
	}
	return preview, nil
}

// objects groups a list by key. Where it was cut, the last object is left out: what happens to
// a version depends on all of them.
func objects(list []Version, cut bool) [][]Version {
	var groups [][]Version
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Key == list[0].Key {
			n++
		}
		if n == len(list) && cut {
			break
		}
		groups, list = append(groups, list[:n]), list[n:]
	}
	return groups
}

const (
	// batch is how many buckets are read at a time, abreast how many are asked for at once.
	batch   = 200
	abreast = 8
)

// AbortUploads goes through all buckets and aborts the incomplete uploads whose time has come.
// A pass that runs out of time goes on where it stopped the next time. A backend that does
// not answer is left out for the rest of the pass, and its error returned.
func (s *Service) AbortUploads(ctx context.Context) error {
	s.passing.Lock()
	defer s.passing.Unlock()
	down := map[string]error{}
	var failures []error
	for {
		list, err := s.Inventory.Standing(ctx, s.after, batch)
		if err != nil {
			return errors.Join(append(failures, err)...)
		}
		for some := range slices.Chunk(list, abreast) {
			failures = append(failures, s.tidyAll(ctx, some, down)...)
			if ctx.Err() != nil {
				return errors.Join(append(failures, ctx.Err())...)
			}
			s.after = some[len(some)-1].ID
		}
		if len(list) < batch {
			s.after = ""
			return errors.Join(append(failures, slices.Collect(maps.Values(down))...)...)
		}
	}
}

// tidyAll is tidy for some buckets at once. Backends that do not answer are added to down.
func (s *Service) tidyAll(ctx context.Context, some []bucket.Bucket, down map[string]error) []error {
	answers := make([]error, len(some))
	var wait sync.WaitGroup
	for i, b := range some {
		if down[b.Backend] == nil {
			wait.Go(func() { answers[i] = s.tidy(ctx, b) })
		}
	}
	wait.Wait()
	var failures []error
	for i, err := range answers {
		switch {
		case err == nil, errors.Is(err, bucket.ErrVanished):
		case errs.KindOf(err) == errs.Unavailable:
			down[some[i].Backend] = err
		default:
			failures = append(failures, err)
		}
	}
	return failures
}

// tidy aborts what is due in one bucket, and records how many.
func (s *Service) tidy(ctx context.Context, b bucket.Bucket) error {
	contents, err := s.Backends.Contents(b.Backend)
	if err != nil {
		return err
	}
	uploads, err := contents.ListUploads(ctx, b.Name)
	if err != nil {
		return err
	}
	aborted := 0
	for _, u := range uploads {
		if !s.Clock.Now().After(AbortDue(b.Spec.Lifecycle, u)) {
			continue
		}
		if err = contents.AbortUpload(ctx, b.Name, u); err != nil {
			break
		}
		aborted++
	}
	if aborted == 0 {
		return err
	}
	return errors.Join(err, s.Trail.Record(ctx, audit.Entry{
		Action: bucket.Kind + ".abort_uploads", Severity: audit.Notice, Outcome: audit.Succeeded, AccountID: b.AccountID,
		Target: audit.Target{Kind: bucket.Kind, ID: b.ID, Name: b.Name}, After: map[string]any{"aborted": float64(aborted)},
	}))
}
