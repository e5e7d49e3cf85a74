package minio

import (
	"context"
	"errors"

	"github.com/minio/madmin-go/v3"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// policyLimit is the longest policy document that the server takes by the usual way, in
// bytes; some 120 buckets.
const policyLimit = 20 << 10

// errNotAUser is how the server calls what is a key or temporary.
const errNotAUser = "XMinioIAMActionNotAllowed"

// ObserveUser returns the user as it is; an absent one is no error, and what is a key is no
// user. The administrator that we work as is known without asking: the server knows no such
// user if it is its own.
func (b *Backend) ObserveUser(ctx context.Context, user string) (principal.User, error) {
	found, err := value(ctx, b, "ObserveUser", func(ctx context.Context) (principal.User, error) {
		if user == b.cfg.AdminKey {
			return principal.User{Exists: true, Enabled: true, Administrator: true}, nil
		}
		info, err := b.admin.GetUserInfo(ctx, user)
		return userOf(info), err
	})
	if t, ok := errors.AsType[*trouble](err); ok && t.code == errNotAUser {
		return principal.User{}, nil
	}
	if err != nil {
		return principal.User{}, absentIsFine(err)
	}
	return found, nil
}

// PutUser makes or replaces the user, enabled, with the secret.
func (b *Backend) PutUser(ctx context.Context, user, secret string) error {
	return b.call(ctx, "PutUser", func(ctx context.Context) error {
		if b.confidential {
			err := b.importIAM(ctx, importUsers, map[string]any{
				user: madmin.AddOrUpdateUserReq{SecretKey: secret, Status: madmin.AccountEnabled},
			})
			if !errors.Is(err, errNotTaken) {
				return err
			}
		}
		return b.admin.AddUser(ctx, user, secret)
	})
}

// GetPolicy returns the named policy's document, and whether there is one.
func (b *Backend) GetPolicy(ctx context.Context, name string) (document []byte, exists bool, err error) {
	found, err := value(ctx, b, "GetPolicy", func(ctx context.Context) (*madmin.PolicyInfo, error) {
		return b.admin.InfoCannedPolicyV2(ctx, name)
	})
	if errors.Is(err, errAbsent) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return found.Policy, true, nil
}

// PutPolicy makes or replaces the named policy, however long.
func (b *Backend) PutPolicy(ctx context.Context, name string, document []byte) error {
	return b.call(ctx, "PutPolicy", func(ctx context.Context) error {
		if len(document) > policyLimit {
			// No secret in it, so any connection will do.
			return b.importIAM(ctx, importPolicies, map[string]any{name: rawJSON(document)})
		}
		return b.admin.AddCannedPolicy(ctx, name, document)
	})
}

// AttachPolicy makes the named policy the one policy of the user. It uses the older verb,
// which replaces what was attached and sends no secret that would have to be enveloped. An absent
// user or policy is BACKEND_UNAVAILABLE: both were made before, and a server that has just started
// may not know of them yet.
func (b *Backend) AttachPolicy(ctx context.Context, user, policy string) error {
	err := b.call(ctx, "AttachPolicy", func(ctx context.Context) error {
		return b.admin.SetPolicy(ctx, policy, user, false) //nolint:staticcheck // the newer verb adds to what is attached
	})
	if errors.Is(err, errAbsent) {
		return errNotThereYet
	}
	return err
}

var errNotThereYet = errUnavailable.WithMessage(
	"the storage backend does not have the user, or what it is to be given, any more; retry with the same idempotency key")
