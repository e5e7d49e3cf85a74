package grpcapi

import (
	"context"
	"strings"

	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

type users struct {
	identityv1.UnimplementedUserServiceServer
	use *user.Users
}

func (s *users) GetCurrentUser(ctx context.Context, _ *identityv1.GetCurrentUserRequest) (*identityv1.GetCurrentUserResponse, error) {
	u, accounts, err := s.use.Current(ctx)
	if err != nil {
		return nil, err
	}
	response := &identityv1.GetCurrentUserResponse{User: User(u)}
	for _, m := range accounts {
		response.Accounts = append(response.Accounts, &identityv1.AccountMembership{Account: Account(m.Account), Role: roleName(m.Role)})
	}
	return response, nil
}

// User returns a person as they travel.
func User(u user.User) *identityv1.User {
	return &identityv1.User{
		Id: u.ID, Issuer: u.Issuer, Subject: u.Subject, Email: u.Email, EmailVerified: u.EmailVerified,
		DisplayName: u.DisplayName, CreateTime: stamp(u.CreateTime), UpdateTime: stamp(u.UpdateTime),
	}
}

// Account returns an account as it travels.
func Account(a account.Account) *identityv1.Account {
	return &identityv1.Account{
		Id: a.ID, DisplayName: a.DisplayName, CustomerReference: a.CustomerReference, Slug: a.Slug,
		State: identityv1.AccountState(identityv1.AccountState_value[statePrefix+strings.ToUpper(string(a.State))]),
		LastStateChange: &identityv1.AccountStateChange{
			Reason: a.Last.Reason, ActorKind: a.Last.ActorKind, ActorId: a.Last.ActorID, Time: stamp(a.Last.Time),
		},
		TrialEndTime: stamp(a.TrialEndTime), CloseTime: stamp(a.CloseTime),
		Etag: a.ETag(), CreateTime: stamp(a.CreateTime), UpdateTime: stamp(a.UpdateTime),
	}
}

// statePrefix is that of the names of account states in the contract.
const statePrefix = "ACCOUNT_STATE_"
