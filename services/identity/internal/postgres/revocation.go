package postgres

import (
	"context"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
)

// Revocations reads the list of what ended before its tokens did.
type Revocations struct{ *base }

var _ accesstoken.Revocations = (*Revocations)(nil)

// Since returns the entries after the epoch that still matter, in one snapshot with the
// epoch up to which they are complete.
func (s *Revocations) Since(ctx context.Context, epoch int64) (revocation.Snapshot, error) {
	rows, err := s.read("spread revocations").RevocationsSince(ctx, db.RevocationsSinceParams{After: epoch, Now: s.Clock.Now()})
	if err != nil {
		return revocation.Snapshot{}, err
	}
	var snapshot revocation.Snapshot
	for _, r := range rows {
		snapshot.Epoch = r.Head
		if r.Epoch == nil {
			continue
		}
		snapshot.Entries = append(snapshot.Entries, revocation.Entry{
			Epoch: *r.Epoch, Kind: revocation.Kind(orEmpty(r.Kind)), Subject: orEmpty(r.Subject),
			RevokeTime: orZero(r.RevokeTime), ExpireTime: orZero(r.ExpireTime),
		})
	}
	return snapshot, nil
}

// RevokedAfter reports whether something that the caller depends on was revoked at a later
// epoch than the token's.
func (s *Revocations) RevokedAfter(ctx context.Context, p principal.Principal) (bool, error) {
	q := db.RevokedAfterParams{Epoch: p.Epoch, SessionID: p.SessionID, AccountID: p.AccountID}
	switch {
	case p.Kind == principal.Machine && p.UserID != "":
		q.ApiKeyID, q.Membership = p.ID, revocation.MembershipSubject(p.UserID, p.AccountID)
	case p.Kind == principal.Machine:
		q.ApiKeyID = p.ID
	case p.AccountID != "":
		q.Membership = revocation.MembershipSubject(p.ID, p.AccountID)
	}
	return s.read("a token came back").RevokedAfter(ctx, q)
}

// Sweep removes entries that no living token can depend on, and returns how many.
func (s *Revocations) Sweep(ctx context.Context) (int64, error) {
	var count int64
	err := s.in(ctx, pg.System("sweep revocations"), func(ctx context.Context, t *transaction) error {
		var err error
		count, err = t.q.SweepRevocations(ctx, s.Clock.Now())
		return err
	})
	return count, err
}
