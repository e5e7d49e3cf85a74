package object

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// The lists that page tokens are bound to.
const (
	ListMethod         = "/primecloud.storage.v1.ObjectService/ListObjects"
	ListVersionsMethod = "/primecloud.storage.v1.ObjectService/ListObjectVersions"
	SearchMethod       = "/primecloud.storage.v1.ObjectService/SearchObjects"
)

// MaxScan is how many objects one call of Search looks at, at most, in pages of scanPage.
const (
	MaxScan  = 10_000
	scanPage = 1000
)

// Query asks for a page of a list.
type Query struct {
	AccountID, Bucket string
	Prefix, Delimiter string
	// StartAfter is the key that the first page begins behind.
	StartAfter string
	PageSize   int32
	PageToken  string
}

// List returns a page of the current objects, and the token of the next one.
func (s *Service) List(ctx context.Context, q Query) (Page, string, error) {
	return s.list(ctx, q, ListMethod, func(at room, in Listing) (Page, error) {
		return at.Store.List(ctx, at.login(), in)
	})
}

// ListVersions returns a page of versions and delete markers, and the token of the next one.
func (s *Service) ListVersions(ctx context.Context, q Query) (Page, string, error) {
	return s.list(ctx, q, ListVersionsMethod, func(at room, in Listing) (Page, error) {
		return at.Store.ListVersions(ctx, at.login(), in)
	})
}

func (s *Service) list(ctx context.Context, q Query, method string, ask func(room, Listing) (Page, error)) (Page, string, error) {
	binding := page.Binding{Method: method, Account: q.AccountID, Query: []string{q.Bucket, q.Prefix, q.Delimiter, q.StartAfter}}
	in, err := s.listing(q, binding)
	if err != nil {
		return Page{}, "", err
	}
	at, err := s.enter(ctx, q.AccountID, q.Bucket, []string{q.Prefix}, grant.Download)
	if err != nil {
		return Page{}, "", err
	}
	got, err := ask(at, in)
	if err != nil || !got.More {
		return got, "", err
	}
	return got, s.Pages.Encode(page.Position{got.NextKey, got.NextVersion}, binding), nil
}

// listing returns where the page of the query begins and how long it is.
func (s *Service) listing(q Query, binding page.Binding) (Listing, error) {
	limit, err := page.Size(q.PageSize, page.DefaultSize, page.MaxSize)
	if err != nil {
		return Listing{}, err
	}
	position, err := s.Pages.Decode(q.PageToken, binding)
	if err != nil {
		return Listing{}, err
	}
	in := Listing{Bucket: q.Bucket, Prefix: q.Prefix, Delimiter: q.Delimiter, After: q.StartAfter, Limit: limit}
	if len(position) == 2 {
		in.After, in.AfterVersion = position[0], position[1]
	}
	return in, checkPrefix(q)
}

// checkPrefix refuses what no key begins with and a backend would take for something else.
func checkPrefix(q Query) error {
	for field, text := range map[string]string{"prefix": q.Prefix, "delimiter": q.Delimiter, "start_after": q.StartAfter} {
		if strings.Contains(text, "\x00") || field == "prefix" && hasDotSegment(text) {
			return invalid(field, "NO_KEY", "no key has a NUL, or a segment . or ..")
		}
	}
	return nil
}

// Search is what to look for. All that is set must hold.
type Search struct {
	Query
	// Contains is a text behind the prefix, whatever the case.
	Contains string
	// Tags are names and values; an empty value is any.
	Tags map[string]string
}

// Found is a page of what was found.
type Found struct {
	Objects []Object
	// Scanned is how many objects this call looked at.
	Scanned int64
}

// Search goes through what is under the prefix, MaxScan objects at most, and returns a page of
// what it found and the token to go on with. Without a token, all has been looked at.
func (s *Service) Search(ctx context.Context, q Search) (Found, string, error) {
	binding := page.Binding{Method: SearchMethod, Account: q.AccountID, Query: []string{q.Bucket, q.Prefix, q.Contains}}
	for _, name := range slices.Sorted(maps.Keys(q.Tags)) {
		binding.Query = append(binding.Query, name, q.Tags[name])
	}
	in, err := s.listing(q.Query, binding)
	if err != nil {
		return Found{}, "", err
	}
	at, err := s.enter(ctx, q.AccountID, q.Bucket, []string{q.Prefix}, grant.Download)
	if err != nil {
		return Found{}, "", err
	}
	in.Tags = len(q.Tags) > 0
	found, after, err := q.scan(in, func(in Listing) (Page, error) { return at.Store.List(ctx, at.login(), in) })
	if err != nil || after == "" {
		return found, "", err
	}
	return found, s.Pages.Encode(page.Position{after, ""}, binding), nil
}

// scan goes through pages until it has found as many as asked for, has looked at MaxScan, or is
// through: then there is nothing to go on after.
func (q Search) scan(in Listing, list func(Listing) (Page, error)) (found Found, after string, err error) {
	want := in.Limit
	in.Limit = scanPage
	for found.Scanned < MaxScan {
		got, err := list(in)
		if err != nil {
			return Found{}, "", err
		}
		for i, o := range got.Objects {
			found.Scanned++
			if !q.matches(o) {
				continue
			}
			found.Objects = append(found.Objects, o)
			if len(found.Objects) == want && (got.More || i+1 < len(got.Objects)) {
				return found, o.Key, nil
			}
		}
		if !got.More {
			return found, "", nil
		}
		in.After = got.NextKey
	}
	return found, in.After, nil
}

func (q Search) matches(o Object) bool {
	rest := strings.TrimPrefix(o.Key, q.Prefix)
	if q.Contains != "" && !strings.Contains(strings.ToLower(rest), strings.ToLower(q.Contains)) {
		return false
	}
	for name, value := range q.Tags {
		if has, ok := o.Tags[name]; !ok || value != "" && value != has {
			return false
		}
	}
	return true
}

// Get returns an object without its bytes.
func (s *Service) Get(ctx context.Context, accountID, bucket string, ref Ref) (Object, error) {
	if err := checkStored(ref); err != nil {
		return Object{}, err
	}
	at, err := s.enter(ctx, accountID, bucket, []string{ref.Key}, grant.Download)
	if err != nil {
		return Object{}, err
	}
	return at.Store.Stat(ctx, at.login(), bucket, ref)
}
