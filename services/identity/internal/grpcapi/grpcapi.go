// Package grpcapi is identity's side of the contract: each method converts, calls one use
// case, and converts back. It decides nothing; who may call and what a request must look
// like was settled by the interceptors before it gets here.
package grpcapi

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/page"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/effective"
	"github.com/primecloud/primecloud/services/identity/internal/invitation"
	"github.com/primecloud/primecloud/services/identity/internal/linkedlogin"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/operator"
	"github.com/primecloud/primecloud/services/identity/internal/ownership"
	"github.com/primecloud/primecloud/services/identity/internal/profile"
	"github.com/primecloud/primecloud/services/identity/internal/session"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// UseCases are what the methods call.
type UseCases struct {
	Users       *user.Users
	Accounts    *account.Accounts
	Profiles    *profile.Profiles
	Accesses    *operator.Accesses
	Effective   *effective.Access
	Memberships *membership.Members
	Invitations *invitation.Invitations
	Transfers   *ownership.Transfers
	Sessions    *session.Sessions
	Limits      session.Limits
	Links       *linkedlogin.Links
	APIKeys     *apikey.APIKeys
	Keys        *accesstoken.Keyring
	Revocations Revocations
	AuditTrail  *audittrail.Trail
	AuditExport *auditchain.Exporter
	AuditKeys   *auditchain.Keyring
	// Pages makes and reads page tokens.
	Pages *page.Codec
}

// Register puts every service of identity on the server.
func Register(server grpc.ServiceRegistrar, u UseCases) {
	pages := u.Pages
	identityv1.RegisterUserServiceServer(server, &users{use: u.Users})
	identityv1.RegisterAccountServiceServer(server, &accounts{use: u.Accounts, pages: pages})
	identityv1.RegisterAccountProfileServiceServer(server, &profiles{use: u.Profiles})
	identityv1.RegisterPlatformAccountServiceServer(server, &platformAccounts{use: u.Accounts, pages: pages})
	identityv1.RegisterOperatorAccessServiceServer(server, &operatorAccesses{use: u.Accesses, pages: pages})
	identityv1.RegisterAccessServiceServer(server, &accesses{use: u.Effective})
	identityv1.RegisterMembershipServiceServer(server, &memberships{use: u.Memberships, pages: pages})
	identityv1.RegisterInvitationServiceServer(server, &invitations{use: u.Invitations, pages: pages})
	identityv1.RegisterOwnershipTransferServiceServer(server, &transfers{use: u.Transfers, pages: pages})
	identityv1.RegisterSessionServiceServer(server, &sessions{use: u.Sessions, limits: u.Limits, pages: pages})
	identityv1.RegisterLinkedLoginServiceServer(server, &linkedLogins{use: u.Links, pages: pages})
	identityv1.RegisterApiKeyServiceServer(server, &apiKeys{use: u.APIKeys, pages: pages})
	identityv1.RegisterPersonalApiKeyServiceServer(server, &personalKeys{use: u.APIKeys, pages: pages})
	identityv1.RegisterTokenServiceServer(server, &tokens{use: u.APIKeys, keys: u.Keys, revocations: u.Revocations})
	auditv1.RegisterAuditServiceServer(server, &auditEntries{use: u.AuditTrail, export: u.AuditExport, keys: u.AuditKeys, pages: pages})
}

// stamp returns a time as it travels; the zero time is absent.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// timeOf returns a time that came; absent is the zero time, and so that one is refused when
// it came: somebody who says it does not mean "never".
func timeOf(field string, t *timestamppb.Timestamp) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if err := t.CheckValid(); err != nil || t.AsTime().IsZero() {
		return time.Time{}, errs.New(errs.InvalidArgument, "REQUEST_INVALID", field+" does not lie between the years 1 and 9999; leave it out if it is not set").
			WithViolation(errs.Violation{Field: field, Rule: "TIME_VALID", Description: "give a time between the years 1 and 9999, or none"})
	}
	return t.AsTime(), nil
}

func roleOf(r optionsv1.Role) membership.Role { return membership.Role(access.RoleName(r)) }

func roleName(r membership.Role) optionsv1.Role { return access.RoleOf(string(r)) }
