package operator

import (
	"fmt"
	"slices"
	"strings"

	"github.com/primecloud/primecloud/services/identity/internal/address"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

// Role is what an operator may do on the platform; its names are those that tokens carry.
type Role string

// The roles. Nobody is the zero value.
const (
	// Admin does everything.
	Admin Role = "platform_admin"
	// Billing stops and restores accounts, and moves trials.
	Billing Role = "platform_billing"
	// Support reads.
	Support Role = "platform_support"
)

// roles are all roles; of several that somebody has, the first counts.
var roles = []Role{Admin, Billing, Support}

// Inside returns what the operator may do in an account that is open to them.
func (r Role) Inside() membership.Role {
	switch r {
	case Admin:
		return membership.Admin
	case Billing:
		return membership.Billing
	case Support:
		return membership.Viewer
	default:
		return ""
	}
}

// Roster says who is an operator. It is the platform's configuration: there is no call that
// makes somebody one.
type Roster struct {
	// issuer is the one provider whose word counts.
	issuer string
	people map[string]Role
	groups map[string]Role
}

// NewRoster reads lists of "role=e-mail address" and "role=group". Only logins at the issuer
// count, and an address only if the issuer says that it is verified.
func NewRoster(issuer string, people, groups []string) (Roster, error) {
	r := Roster{issuer: issuer}
	var err error
	if r.people, err = parse(people, address.Key); err != nil {
		return Roster{}, err
	}
	r.groups, err = parse(groups, func(group string) string { return group })
	return r, err
}

func parse(list []string, normal func(string) string) (map[string]Role, error) {
	parsed := map[string]Role{}
	for _, pair := range list {
		name, who, _ := strings.Cut(strings.TrimSpace(pair), "=")
		role := Role("platform_" + name)
		if !slices.Contains(roles, role) || who == "" {
			return nil, fmt.Errorf("%q is not one of admin=…, billing=… and support=…", pair)
		}
		key := normal(who)
		if strings.ContainsFunc(key, func(c rune) bool { return c > '~' }) {
			return nil, fmt.Errorf("%q has characters beyond ASCII, which look like others", pair)
		}
		if had, twice := parsed[key]; twice && had != role {
			return nil, fmt.Errorf("%q stands there as %s and as %s", who, strings.TrimPrefix(string(had), "platform_"), name)
		}
		parsed[key] = role
	}
	return parsed, nil
}

// Groups returns those of the groups that make somebody an operator: what is worth keeping
// of a login's claim.
func (r Roster) Groups(claimed []string) []string {
	var kept []string
	for _, group := range claimed {
		if _, known := r.groups[group]; known && !slices.Contains(kept, group) {
			kept = append(kept, group)
		}
	}
	return kept
}

// Login is what of somebody's login decides.
type Login struct {
	// Issuer is the provider, Email what it says of their address.
	Issuer, Email string
	EmailVerified bool
	// Groups are those it said at the login.
	Groups []string
}

// RoleOf returns the role of a login, or "".
func (r Roster) RoleOf(l Login) Role {
	if l.Issuer != r.issuer {
		return ""
	}
	has := map[Role]bool{}
	if l.EmailVerified {
		has[r.people[address.Key(l.Email)]] = true
	}
	for _, group := range l.Groups {
		has[r.groups[group]] = true
	}
	for _, role := range roles {
		if has[role] {
			return role
		}
	}
	return ""
}
