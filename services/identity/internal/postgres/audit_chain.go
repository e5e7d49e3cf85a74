package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// AuditChain implements the ports of auditchain.
type AuditChain struct{ *base }

var (
	_ auditchain.Reader   = (*AuditChain)(nil)
	_ auditchain.Witness  = (*AuditChain)(nil)
	_ auditchain.KeyStore = (*AuditChain)(nil)
	_ auditchain.Months   = (*AuditChain)(nil)
)

// NewAuditChain returns the store alone, for reading the trail beside a running service.
func NewAuditChain(db *pg.DB) *AuditChain { return &AuditChain{&base{Config{DB: db}}} }

// of reads one account's chain; the platform's, "", is the system's.
func (s *AuditChain) of(accountID string) *db.Queries {
	if accountID == "" {
		return s.read("the platform's audit trail")
	}
	return s.readIn(accountID)
}

// InAccount runs fn in the scope of the account.
func (s *AuditChain) InAccount(ctx context.Context, accountID string, fn func(context.Context, unit.Work) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// EntriesAfter returns a page of a chain.
func (s *AuditChain) EntriesAfter(ctx context.Context, accountID string, after int64, limit int) ([]audittrail.Entry, error) {
	rows, err := s.of(accountID).EntriesAfter(ctx, db.EntriesAfterParams{AccountID: accountID, After: after, Count: int32(limit)})
	if err != nil {
		return nil, err
	}
	list := make([]audittrail.Entry, len(rows))
	for i, r := range rows {
		list[i] = entryOf(r)
	}
	return list, nil
}

// Head returns where a chain ends; the zero Head when there is none.
func (s *AuditChain) Head(ctx context.Context, accountID string) (auditchain.Head, error) {
	row, err := s.of(accountID).Head(ctx, accountID)
	if pg.NoRows(err) {
		return auditchain.Head{AccountID: accountID}, nil
	}
	if err != nil {
		return auditchain.Head{}, err
	}
	return headOf(row), nil
}

// Extent returns a chain with all that is stored of it.
func (s *AuditChain) Extent(ctx context.Context, accountID string) (auditchain.Extent, error) {
	r, err := s.of(accountID).Extent(ctx, accountID)
	if pg.NoRows(err) {
		return auditchain.Extent{Head: auditchain.Head{AccountID: accountID}, Begin: auditchain.Checkpoint{AccountID: accountID}}, nil
	}
	if err != nil {
		return auditchain.Extent{}, err
	}
	e := auditchain.Extent{
		Head:    headOf(db.AuditHead{AccountID: r.AccountID, Sequence: r.Sequence, Hash: r.Hash, AppendTime: r.AppendTime}),
		Begin:   auditchain.Checkpoint{AccountID: accountID},
		Entries: r.Entries,
	}
	if r.BeginSequence > 0 {
		e.Begin.Position = auditchain.Position{Sequence: r.BeginSequence, Hash: auditchain.Digest(r.BeginHash)}
		e.Begin.Month, e.Begin.Signature = r.Month, auditchain.Signature{KeyID: r.KeyID, Bytes: r.Signature}
	}
	return e, nil
}

// Headless returns accounts that have entries or a checkpoint, and no chain.
func (s *AuditChain) Headless(ctx context.Context, limit int) ([]string, error) {
	return s.read("all chains of the audit trail").Headless(ctx, int32(limit))
}

// Heads returns a page of all chains.
func (s *AuditChain) Heads(ctx context.Context, from string, limit int) ([]auditchain.Head, error) {
	rows, err := s.read("all chains of the audit trail").Heads(ctx, db.HeadsParams{FromID: from, Count: int32(limit)})
	if err != nil {
		return nil, err
	}
	list := make([]auditchain.Head, len(rows))
	for i, r := range rows {
		list[i] = headOf(r)
	}
	return list, nil
}

func headOf(r db.AuditHead) auditchain.Head {
	return auditchain.Head{
		AccountID: r.AccountID, AppendTime: r.AppendTime.UTC(),
		Position: auditchain.Position{Sequence: r.Sequence, Hash: auditchain.Digest(r.Hash)},
	}
}

// Checkpoint returns where a chain begins.
func (s *AuditChain) Checkpoint(ctx context.Context, accountID string) (auditchain.Checkpoint, error) {
	row, err := s.of(accountID).LastCheckpoint(ctx, accountID)
	if pg.NoRows(err) {
		return auditchain.Checkpoint{AccountID: accountID}, nil
	}
	if err != nil {
		return auditchain.Checkpoint{}, err
	}
	return auditchain.Checkpoint{
		AccountID: row.AccountID, Position: auditchain.Position{Sequence: row.Sequence, Hash: auditchain.Digest(row.Hash)},
		Month: row.Month, Signature: auditchain.Signature{KeyID: row.KeyID, Bytes: row.Signature},
	}, nil
}

// AuditKeys returns the keys, and stores the first one when there is none.
func (s *AuditChain) AuditKeys(ctx context.Context, first func() (auditchain.Key, error)) ([]auditchain.Key, error) {
	var keys []auditchain.Key
	err := s.in(ctx, pg.System("audit keys"), func(ctx context.Context, t *transaction) error {
		if err := t.q.LockAuditKeys(ctx); err != nil {
			return err
		}
		rows, err := t.q.AuditKeys(ctx)
		if err != nil {
			return err
		}
		if keys = keysOf(rows); len(keys) > 0 {
			return nil
		}
		k, err := first()
		if err != nil {
			return err
		}
		keys = append(keys, k)
		return t.q.InsertAuditKey(ctx, db.InsertAuditKeyParams{Kid: k.ID, PublicKey: k.Public, SealedPrivate: k.Sealed, CreateTime: k.CreateTime})
	})
	return keys, err
}

// PublicKeys returns the keys that there are, oldest first.
func (s *AuditChain) PublicKeys(ctx context.Context) ([]auditchain.Key, error) {
	rows, err := s.read("audit keys").AuditKeys(ctx)
	return keysOf(rows), err
}

func keysOf(rows []db.AuditKey) []auditchain.Key {
	keys := make([]auditchain.Key, len(rows))
	for i, r := range rows {
		keys[i] = auditchain.Key{ID: r.Kid, Public: r.PublicKey, Sealed: r.SealedPrivate, CreateTime: r.CreateTime.UTC()}
	}
	return keys
}

// Months returns the months there are.
func (s *AuditChain) Months(ctx context.Context) ([]string, error) {
	return s.read("months of the audit trail").Months(ctx)
}

// MakeMonth makes the month of the moment.
func (s *AuditChain) MakeMonth(ctx context.Context, at time.Time) error {
	return s.in(ctx, pg.System("months of the audit trail"), func(ctx context.Context, t *transaction) error { return t.q.MakeMonth(ctx, at) })
}

// DropMonth drops the oldest month. When another replica has dropped it there is nothing to do.
func (s *AuditChain) DropMonth(
	ctx context.Context, month string, kept int64, checkpoint func(auditchain.Head) (auditchain.Checkpoint, error),
) error {
	begins, err := time.Parse("2006-01", month)
	if err != nil {
		return err
	}
	return s.in(ctx, pg.System("drop a month of the audit trail"), func(ctx context.Context, t *transaction) error {
		if err := t.q.LockMonths(ctx); err != nil {
			return err
		}
		there, err := t.q.Months(ctx)
		if err != nil || !slices.Contains(there, month) {
			return err
		}
		rows, err := t.q.LastOfMonth(ctx, db.LastOfMonthParams{Begins: begins, Ends: begins.AddDate(0, 1, 0)})
		if err != nil {
			return err
		}
		for _, r := range rows {
			c, err := checkpoint(auditchain.Head{AccountID: r.AccountID, Position: auditchain.Position{Sequence: r.Sequence, Hash: auditchain.Digest(r.Hash)}})
			if err != nil {
				return err
			}
			err = t.q.InsertCheckpoint(ctx, db.InsertCheckpointParams{
				AccountID: c.AccountID, Sequence: c.Sequence, Hash: c.Hash[:], Month: c.Month, KeyID: c.Signature.KeyID, Signature: c.Signature.Bytes,
			})
			if err != nil {
				return err
			}
		}
		return t.q.DropMonth(ctx, db.DropMonthParams{Month: month, Kept: int32(kept)})
	})
}
