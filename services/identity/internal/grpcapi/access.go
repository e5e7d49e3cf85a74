package grpcapi

import (
	"context"
	"strings"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/errs"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/effective"
)

type accesses struct {
	identityv1.UnimplementedAccessServiceServer
	use *effective.Access
}

func (s *accesses) ExplainAccess(ctx context.Context, r *identityv1.ExplainAccessRequest) (*identityv1.ExplainAccessResponse, error) {
	answer, err := s.use.Explain(ctx, r.GetAccountId(), r.GetSubjectId(), r.GetMethod())
	if err != nil {
		return nil, err
	}
	response := &identityv1.ExplainAccessResponse{
		SubjectId: answer.Subject.ID, SubjectKind: string(answer.Subject.Kind), Role: access.RoleOf(answer.Subject.Role),
		Scopes: answer.Subject.Scopes, AccountState: answer.Subject.AccountState,
	}
	for _, m := range answer.Methods {
		response.Methods = append(response.Methods, methodAccess(m))
	}
	return response, nil
}

func methodAccess(m effective.Method) *identityv1.MethodAccess {
	refusal := m.Refusal()
	shown := &identityv1.MethodAccess{
		Method: strings.TrimPrefix(m.Rule.Method, "/"), Allowed: refusal == nil, Reason: errs.ReasonOf(refusal), Scope: m.Rule.Scope,
	}
	for _, role := range m.Rule.Roles {
		shown.Roles = append(shown.Roles, access.RoleOf(role))
	}
	for _, check := range m.Checks {
		one := &identityv1.AccessCheck{Name: check.Name, Passed: check.Refusal == nil}
		if e, ok := errs.As(check.Refusal); ok {
			one.Reason, one.Message = e.Reason(), e.Message()
		}
		shown.Checks = append(shown.Checks, one)
	}
	return shown
}
