package minio

import (
	"context"
	"errors"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

var _ principal.Removals = (*Backend)(nil)

// RemoveUser removes the user, and with it every key under it; an absent one is no error.
func (b *Backend) RemoveUser(ctx context.Context, user string) error {
	return absentIsFine(b.call(ctx, "RemoveUser", func(ctx context.Context) error {
		return b.admin.RemoveUser(ctx, user)
	}))
}

// RemovePolicy removes the named policy; an absent one is no error.
func (b *Backend) RemovePolicy(ctx context.Context, name string) error {
	return absentIsFine(b.call(ctx, "RemovePolicy", func(ctx context.Context) error {
		return b.admin.RemoveCannedPolicy(ctx, name)
	}))
}

func absentIsFine(err error) error {
	if errors.Is(err, errAbsent) {
		return nil
	}
	return err
}
