package minio

import (
	"context"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	issued "github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
)

var _ issued.Issuer = (*Backend)(nil)

// Issue gets temporary credentials of the user with the policy, from the internal endpoint:
// the door issues none.
func (b *Backend) Issue(ctx context.Context, wish issued.Wish) (issued.Credentials, error) {
	return value(ctx, b, "Issue", func(ctx context.Context) (issued.Credentials, error) {
		if len(wish.Policy) == 0 {
			// Without one, the credentials could do what the user can.
			return issued.Credentials{}, errRejected.WithMessage("temporary credentials need a session policy")
		}
		scope := object.Scope{Login: object.Login{User: wish.User, Secret: wish.Secret}, Policy: wish.Policy}
		got, err := b.assume(ctx, scope, wish.Lifetime)
		if err != nil {
			return issued.Credentials{}, err
		}
		return issued.Credentials{
			ID: got.AccessKeyID, Secret: got.SecretAccessKey, Token: got.SessionToken, ExpireTime: got.Expiration.UTC(),
		}, nil
	})
}
