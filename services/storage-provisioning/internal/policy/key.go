package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Permission is what a key may do in a bucket.
type Permission string

// The permissions.
const (
	// Read lists and gets.
	Read Permission = "READ"
	// Write puts and deletes.
	Write Permission = "WRITE"
	// ReadWrite does both.
	ReadWrite Permission = "READ_WRITE"
	// List lists and gets nothing.
	List Permission = "LIST"
)

// Known says whether it is one of the permissions.
func (p Permission) Known() bool { return p == Read || p == Write || p == ReadWrite || p == List }

// Lists says whether it allows listing.
func (p Permission) Lists() bool { return p == Read || p == ReadWrite || p == List }

// Grant is one thing that a key may do.
type Grant struct {
	// Bucket is the bucket's name, or a pattern of names (see IsPattern).
	Bucket string `json:"bucket"`
	// Permission is what it may do there.
	Permission Permission `json:"permission"`
	// Prefix is what the keys of the objects begin with; empty for all.
	Prefix string `json:"prefix,omitempty"`
}

// Scope is all that a key may do.
type Scope struct {
	Grants []Grant
	// Networks are CIDR ranges that it may be used from; none for anywhere.
	Networks []string

	// Blind takes away what shows names of objects to somebody who may write and not list.
	Blind bool

	// readOnly takes writing away and leaves deleting.
	readOnly bool
}

const (
	// MaxGrants is how many grants a key may have.
	MaxGrants = 1000
	// InlineGrants is how many grants without a prefix always fit into MaxInline.
	InlineGrants = 8
	// MaxNetworks is how many networks a key may be bound to.
	MaxNetworks = 16
)

// MaxInline is the longest inline policy that every MinIO takes, in bytes.
const MaxInline = 2048

// Key returns the inline policy of a key with the grants and no networks.
func Key(grants []Grant) ([]byte, error) { return Inline(Scope{Grants: grants}) }

// Inline returns the inline policy of a key. Several grants of one place add up. It fails on
// a grant that could reach more than its bucket, on a pattern, and with ErrTooLong on more
// than fits.
//
// To stay short it names `bucket/*` alone where it can, which covers the bucket itself too.
func Inline(scope Scope) ([]byte, error) {
	if len(scope.Grants) == 0 || len(scope.Grants) > MaxGrants {
		return nil, fmt.Errorf("policy: a key has 1 to %d grants, not %d", MaxGrants, len(scope.Grants))
	}
	statements, err := scope.statements()
	if err != nil {
		return nil, err
	}
	raw := write(statements...)
	if len(raw) > MaxInline {
		return nil, fmt.Errorf("%w: the grants need %d characters, more than %d", ErrTooLong, len(raw), MaxInline)
	}
	return raw, nil
}

// place is where a grant reaches.
type place struct{ bucket, prefix string }

// reach is what it may do there.
type reach struct{ list, read, write bool }

func reachOf(p Permission) reach {
	return reach{list: p.Lists(), read: p == Read || p == ReadWrite, write: p == Write || p == ReadWrite}
}

// every is all there can be, in the order of the statements.
var every = []reach{
	{list: true, read: true}, {write: true}, {list: true, read: true, write: true}, {list: true}, {list: true, write: true},
}

// bucketActions returns what it may do with the bucket itself.
func (r reach) bucketActions() []string {
	var actions []string
	if r.list {
		actions = union(actions, bucketReadActions)
	}
	if r.write {
		actions = union(actions, bucketWriteActions)
	}
	return actions
}

// objectActions returns what it may do with objects.
func (r reach) objectActions(readOnly bool) []string {
	var actions []string
	if r.read {
		actions = union(actions, objectReadActions)
	}
	switch {
	case r.write && readOnly:
		actions = union(actions, objectDeleteActions)
	case r.write:
		actions = union(actions, objectWriteActions)
	}
	return actions
}

// statements returns what allows the scope: the same for the same grants in any order.
func (s Scope) statements() ([]statement, error) {
	may, err := s.reaches()
	if err != nil {
		return nil, err
	}
	var places []place
	for p := range may {
		places = append(places, p)
	}
	slices.SortFunc(places, func(a, b place) int {
		return strings.Compare(a.bucket+"/"+a.prefix, b.bucket+"/"+b.prefix)
	})
	var statements []statement
	for _, r := range every {
		var whole, below, around []string
		listed := map[string][]string{} // buckets by the prefix that may be listed
		for _, p := range places {
			switch {
			case may[p] != r:
			case p.prefix == "":
				whole = append(whole, arnPrefix+p.bucket+"/*")
			default:
				below = append(below, arnPrefix+p.bucket+"/"+p.prefix+"*")
				around = append(around, arnPrefix+p.bucket)
				if r.list {
					listed[p.prefix] = append(listed[p.prefix], arnPrefix+p.bucket)
				}
			}
		}
		if len(whole) > 0 {
			of := r.bucketActions()
			if s.Blind && !r.list {
				of = aroundActions
			}
			statements = append(statements, allow(union(of, r.objectActions(s.readOnly)), whole))
		}
		if len(below) > 0 && len(r.objectActions(s.readOnly)) > 0 {
			statements = append(statements, allow(r.objectActions(s.readOnly), below))
		}
		if len(around) > 0 {
			statements = append(statements, allow(aroundActions, slices.Compact(around)))
		}
		statements = append(statements, listings(listed)...)
	}
	if len(s.Networks) > 0 {
		for i := range statements {
			statements[i].within(s.Networks)
		}
	}
	return statements, nil
}

// listings allow listing below prefixes.
func listings(listed map[string][]string) []statement {
	var prefixes []string
	for prefix := range listed {
		prefixes = append(prefixes, prefix)
	}
	slices.Sort(prefixes)
	var statements []statement
	for _, prefix := range prefixes {
		s := allow(listActions, listed[prefix])
		// Every prefix that is asked for, should there be several, and one at least.
		s.Condition = map[string]map[string][]string{
			"StringLike":              {"s3:prefix": {prefix + "*"}},
			"ForAllValues:StringLike": {"s3:prefix": {prefix + "*"}},
		}
		statements = append(statements, s)
	}
	return statements
}

// within binds a statement to networks. The second condition makes the address the one that
// the server itself knows: a header or parameter called like the key would come on top of it,
// or in its place, while the variable stands for the server's own.
func (s *statement) within(networks []string) {
	if s.Condition == nil {
		s.Condition = map[string]map[string][]string{}
	}
	sorted := slices.Sorted(slices.Values(networks))
	s.Condition["IpAddress"] = map[string][]string{"aws:SourceIp": slices.Compact(sorted)}
	s.Condition["ForAllValues:StringEquals"] = map[string][]string{"aws:SourceIp": {"${aws:SourceIp}"}}
}

// reaches returns what the grants allow in sum, by place.
func (s Scope) reaches() (map[place]reach, error) {
	if err := checkNetworks(s.Networks); err != nil {
		return nil, err
	}
	may := map[place]reach{}
	for _, g := range s.Grants {
		if !plainName(g.Bucket) {
			return nil, fmt.Errorf("policy: %q is no bucket name", g.Bucket)
		}
		if wrong := PrefixProblem(g.Prefix); wrong != "" {
			return nil, errors.New("policy: a prefix " + wrong)
		}
		if !g.Permission.Known() {
			return nil, fmt.Errorf("policy: unknown permission %q", g.Permission)
		}
		at, more := place{g.Bucket, g.Prefix}, reachOf(g.Permission)
		had := may[at]
		may[at] = reach{list: had.list || more.list, read: had.read || more.read, write: had.write || more.write}
	}
	return may, nil
}
