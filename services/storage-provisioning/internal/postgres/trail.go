package postgres

import (
	"context"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

// Trail implements object.Trail.
type Trail struct{ *base }

var _ object.Trail = (*Trail)(nil)

// Record writes the entry of something that changes nothing else.
func (s *Trail) Record(ctx context.Context, e audit.Entry) error {
	return s.inAccount(ctx, e.AccountID, func(ctx context.Context, t *transaction) error { return record{t}.Audit(ctx, e) })
}
