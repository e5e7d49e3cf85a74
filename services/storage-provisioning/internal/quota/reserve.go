package quota

import (
	"context"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// Upload is an upload that is about to be handed out.
type Upload struct {
	// AccountID, BucketID and Key say of which object.
	AccountID, BucketID, Key string
	// Size is how many bytes it brings at most; nil when nobody knows.
	Size *int64
	// Lifetime is how long it may begin.
	Lifetime time.Duration
}

// Reservation is what an upload may still bring.
type Reservation struct {
	AccountID, BucketID, Key string
	Bytes                    int64
	// At is when it was made, ExpireAt when the upload can begin no more.
	At, ExpireAt time.Time
}

// Reserve counts an upload against the account's quota until it is measured or can no longer
// come, or is QUOTA_EXCEEDED. There is one reservation for an object: a second URL for it
// reserves the more of both.
func (s *Service) Reserve(ctx context.Context, u Upload) (Reservation, error) {
	now := s.now()
	r := Reservation{
		AccountID: u.AccountID, BucketID: u.BucketID, Key: u.Key, Bytes: s.Settings.Upload, At: now, ExpireAt: now.Add(u.Lifetime),
	}
	if u.Size != nil {
		r.Bytes = *u.Size
	}
	err := s.Store.InAccount(ctx, u.AccountID, func(ctx context.Context, tx Tx) error {
		if err := s.fits(ctx, tx, r); err != nil {
			return err
		}
		return tx.Reservations.Reserve(ctx, r)
	})
	return r, err
}

// fits refuses a reservation beyond the limit. Without a limit it locks nothing.
func (s *Service) fits(ctx context.Context, tx Tx, r Reservation) error {
	q, err := tx.Quotas.Find(ctx, r.AccountID)
	if err != nil || s.effective(q).Limits.Storage.Hard == 0 {
		return err
	}
	if q, err = s.lock(ctx, tx, r.AccountID); err != nil {
		return err
	}
	u, err := tx.Quotas.Usage(ctx, r.AccountID)
	if err != nil {
		return err
	}
	has, err := tx.Reservations.Reserved(ctx, r.BucketID, r.Key)
	if err != nil {
		return err
	}
	hard := q.Limits.Storage.Hard
	if !q.Stopped() && (hard == 0 || sum(u.Used()-has, max(has, r.Bytes)) <= hard) {
		return nil
	}
	refusal := errExceeded.WithMessage("the upload does not fit into the account's storage limit; delete objects, or ask for more")
	if q.Stopped() {
		refusal = errExceeded.WithMessage("the account's storage limit was crossed and its writes are stopped; delete objects, or ask for more")
	}
	refusal = refusal.With("kind", string(Storage))
	if principal.FromContext(ctx).Role == grant.External {
		// How much the account has is not for them to know.
		return refusal
	}
	return refusal.With("limit", strconv.FormatInt(hard, 10)).With("used", strconv.FormatInt(u.Bytes, 10)).
		With("reserved", strconv.FormatInt(u.Reserved, 10))
}

// Release takes back the reservation of an upload that was not handed out.
func (s *Service) Release(ctx context.Context, r Reservation) error {
	return s.Store.InAccount(ctx, r.AccountID, func(ctx context.Context, tx Tx) error {
		return tx.Reservations.EndReservation(ctx, r)
	})
}
