// Package session gives out temporary S3 credentials for browsers and jobs: of one bucket,
// for minutes.
//
// It guarantees: they reach the bucket, prefixes and networks that were asked for and no
// more, and never more than the account's user; they end at their time, and at once when the
// account is stopped; it stands in the account's trail who was given what before it is given;
// external people get them for what was granted to them alone, and name the folders of a grant that
// covers only some.
//
// It stores nothing: what was given out cannot be shown again, listed or taken back by
// itself.
package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	caller "github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// How long credentials work. The backend gives none for less.
const (
	DefaultLifetime = time.Hour
	MinLifetime     = 15 * time.Minute
	MaxLifetime     = 12 * time.Hour
)

const maxPrefixes = 10

// maxExternal is the most for an external person, whose grant may end any time: as long as the
// longest URL.
const maxExternal = time.Hour

// Credentials are secret, all of it.
type Credentials struct {
	// ID and Secret are the key, Token belongs to every request.
	ID, Secret, Token string
	// ExpireTime is when they end.
	ExpireTime time.Time
	// Backend is where they work.
	Backend string
}

// Wish is what a backend is asked for.
type Wish struct {
	// User and Secret are the account's user.
	User, Secret string
	// Policy is the session policy, which narrows what the user can.
	Policy []byte
	// Lifetime is how long they work.
	Lifetime time.Duration
}

// Issuer makes temporary credentials on one backend. Errors are classified as those of
// bucket.BackendReader.
type Issuer interface {
	// Issue returns new credentials of the user, bounded by the policy.
	Issue(ctx context.Context, wish Wish) (Credentials, error)
}

// Buckets finds buckets of accounts.
type Buckets interface {
	// Get returns the account's visible bucket of that name.
	Get(ctx context.Context, accountID, name string) (b bucket.Bucket, ok bool, err error)
}

// Principals is what credentials need of their account's identity.
type Principals interface {
	// Identity returns the account's identity once it is on the backend as recorded.
	Identity(ctx context.Context, accountID, backend string) (principal.Principal, error)
}

// Backends finds a backend by its name.
type Backends interface {
	// Issuer returns the issuer of the backend of that name, and an error BACKEND_UNKNOWN for
	// a name that is not configured.
	Issuer(name string) (Issuer, error)
}

// Trail keeps the audit entries of what was handed out.
type Trail interface {
	// Record writes the entry, which then reaches the account's trail whatever happens.
	Record(ctx context.Context, entry audit.Entry) error
}

// Deps is what the use case needs.
type Deps struct {
	Buckets    Buckets
	Principals Principals
	Backends   Backends
	// Gate decides what external people reach.
	Gate  *grant.Gate
	Trail Trail
}

// Service is the use case.
type Service struct{ Deps }

// NewService returns the use case.
func NewService(d Deps) *Service { return &Service{Deps: d} }

// NewCredentials asks for credentials.
type NewCredentials struct {
	AccountID, Bucket string
	Permission        policy.Permission
	// Prefixes are what the keys of objects begin with; none for all.
	Prefixes []string
	// Networks are where they may be used from; none for anywhere.
	Networks []string
	// Lifetime is DefaultLifetime when zero.
	Lifetime time.Duration
}

var (
	errInvalid        = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "a field breaks a rule; see the violations")
	errPrefixInvalid  = errs.New(errs.InvalidArgument, "GRANT_PATTERN_INVALID", "a prefix cannot be kept apart from what it must not reach; see the violations")
	errNetworkInvalid = errs.New(errs.InvalidArgument, "NETWORK_INVALID", "networks are CIDR ranges or single addresses, 16 at most")
	errTooLong        = errs.New(errs.FailedPrecondition, "SESSION_TOO_LONG",
		"the prefixes do not fit into the policy of temporary credentials; name fewer or shorter ones")
)

// Create returns new credentials.
func (s *Service) Create(ctx context.Context, in NewCredentials) (Credentials, error) {
	in, err := in.checked()
	if err != nil {
		return Credentials{}, err
	}
	scope := in.scope()
	scope.Blind = caller.FromContext(ctx).Role == grant.External
	document, err := policy.Session(scope)
	switch {
	case errors.Is(err, policy.ErrTooLong):
		return Credentials{}, errTooLong.Wrap(err)
	case err != nil:
		// A name that can be no bucket's.
		return Credentials{}, bucket.ErrNotFound
	}
	for _, act := range actsOf(in.Permission) {
		if err := s.Gate.Admit(ctx, in.AccountID, in.Bucket, act, in.Prefixes...); err != nil {
			return Credentials{}, err
		}
	}
	b, ok, err := s.Buckets.Get(ctx, in.AccountID, in.Bucket)
	switch {
	case err != nil:
		return Credentials{}, err
	case !ok || b.State == bucket.Creating:
		return Credentials{}, bucket.ErrNotFound
	case b.State == bucket.Deleting:
		return Credentials{}, bucket.ErrDeleting
	case b.State == bucket.Purging:
		return Credentials{}, bucket.ErrPurging
	case !b.Reachable():
		return Credentials{}, bucket.ErrConflict
	}
	if caller.FromContext(ctx).Role == grant.External {
		in.Lifetime = min(in.Lifetime, maxExternal)
	}
	issuer, err := s.Backends.Issuer(b.Backend)
	if err != nil {
		return Credentials{}, err
	}
	identity, err := s.Principals.Identity(ctx, in.AccountID, b.Backend)
	if err != nil {
		return Credentials{}, err
	}
	made, err := issuer.Issue(ctx, Wish{User: identity.User, Secret: identity.UserSecret, Policy: document, Lifetime: in.Lifetime})
	if err != nil {
		return Credentials{}, err
	}
	made.Backend = b.Backend
	if err := s.Trail.Record(ctx, in.entry(b)); err != nil {
		return Credentials{}, err
	}
	return made, nil
}

// entry is what the trail shows.
func (in NewCredentials) entry(b bucket.Bucket) audit.Entry {
	return audit.Entry{
		AccountID: in.AccountID, Action: "temporary_credentials.create", Severity: audit.Notice, Outcome: audit.Succeeded,
		Target: audit.Target{Kind: bucket.Kind, ID: b.ID, Name: b.Name},
		After: map[string]any{
			"permission": string(in.Permission), "prefixes": texts(in.Prefixes), "networks": texts(in.Networks),
			"lifetime": in.Lifetime.String(),
		},
	}
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// actsOf are what external people must be granted for it.
func actsOf(p policy.Permission) []grant.Act {
	switch p {
	case policy.Write:
		return []grant.Act{grant.Upload}
	case policy.ReadWrite:
		return []grant.Act{grant.Download, grant.Upload}
	default:
		return []grant.Act{grant.Download}
	}
}

// scope is what they are to reach.
func (in NewCredentials) scope() policy.Scope {
	scope := policy.Scope{Networks: in.Networks}
	prefixes := in.Prefixes
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	for _, prefix := range prefixes {
		scope.Grants = append(scope.Grants, policy.Grant{Bucket: in.Bucket, Permission: in.Permission, Prefix: prefix})
	}
	return scope
}

// checked returns the request with its defaults, or what about it can never be.
func (in NewCredentials) checked() (NewCredentials, error) {
	if in.Lifetime == 0 {
		in.Lifetime = DefaultLifetime
	}
	if in.Lifetime < MinLifetime || in.Lifetime > MaxLifetime {
		return in, errInvalid.WithViolation(errs.Violation{Field: "minutes", Rule: "RANGE", Description: "must lie between 15 and 720"})
	}
	if !in.Permission.Known() {
		return in, errInvalid.WithViolation(errs.Violation{Field: "permission", Rule: "DEFINED_ONLY", Description: "say list, read, write, or read and write"})
	}
	if len(in.Prefixes) > maxPrefixes || slices.Contains(in.Prefixes, "") {
		return in, errInvalid.WithViolation(errs.Violation{Field: "prefixes", Rule: "COUNT", Description: "give 10 at most, none of them empty"})
	}
	for i, prefix := range in.Prefixes {
		if wrong := policy.PrefixProblem(prefix); wrong != "" {
			return in, errPrefixInvalid.WithViolation(errs.Violation{Field: fmt.Sprintf("prefixes[%d]", i), Rule: "PREFIX", Description: wrong})
		}
	}
	if len(in.Networks) > policy.MaxNetworks {
		return in, errNetworkInvalid
	}
	networks := make([]string, len(in.Networks))
	for i, text := range in.Networks {
		network, wrong := policy.ParseNetwork(text)
		if wrong != "" {
			return in, errNetworkInvalid.WithViolation(errs.Violation{Field: fmt.Sprintf("networks[%d]", i), Rule: "NETWORK", Description: wrong})
		}
		networks[i] = network
	}
	in.Networks = networks
	return in, nil
}
