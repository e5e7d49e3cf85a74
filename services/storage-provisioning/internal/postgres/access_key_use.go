package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
)

// Uses implements lastuse.Store.
type Uses struct{ *base }

var _ lastuse.Store = (*Uses)(nil)

const (
	// silence is after how long without hearing anything what is heard counts as begun anew:
	// a backend is asked something by ourselves once an hour at least.
	silence = 2 * time.Hour
	// maxUses bounds how many uses of a key are read.
	maxUses = 1000
)

// RecordUses writes uses, all of them or none.
func (s *Uses) RecordUses(ctx context.Context, uses []lastuse.Counted, listening time.Time) error {
	var p db.RecordKeyUsesParams
	for _, u := range uses {
		p.Lookups, p.Operations, p.Addresses = append(p.Lookups, u.Lookup), append(p.Operations, u.Operation), append(p.Addresses, u.Address)
		p.Times, p.Counts = append(p.Times, u.Time), append(p.Counts, u.Count)
	}
	return s.in(ctx, pg.System("uses of access keys"), func(ctx context.Context, t *transaction) error {
		if err := t.q.RecordKeyUses(ctx, p); err != nil {
			return err
		}
		return t.q.NoteListening(ctx, db.NoteListeningParams{At: listening, Silent: listening.Add(-silence)})
	})
}

// UsesOf returns the uses of a key since then, the latest first.
func (s *Uses) UsesOf(ctx context.Context, accountID, id string, since time.Time) ([]accesskey.Use, time.Time, error) {
	q := s.readIn(accountID)
	rows, err := q.KeyUses(ctx, db.KeyUsesParams{ID: id, Since: since, Count: maxUses})
	if err != nil {
		return nil, time.Time{}, err
	}
	list := make([]accesskey.Use, len(rows))
	for i, r := range rows {
		list[i] = accesskey.Use{Time: r.LastAt.UTC(), Operation: r.Operation, Address: r.Address}
	}
	listening, err := q.ListeningSince(ctx, s.Clock.Now().Add(-silence))
	if pg.NoRows(err) {
		return list, time.Time{}, nil
	}
	return list, listening.UTC(), err
}

// Upkeep removes uses that are older than that, and makes hashes anew that are missing or of
// another secret: of keys from before there were any.
func (s *Uses) Upkeep(ctx context.Context, before time.Time, limit int) error {
	return s.in(ctx, pg.System("upkeep of uses"), func(ctx context.Context, t *transaction) error {
		if _, err := t.q.SweepKeyUses(ctx, db.SweepKeyUsesParams{Before: before, Count: int32(limit)}); err != nil {
			return err
		}
		rows, err := t.q.KeysWithoutLookup(ctx, db.KeysWithoutLookupParams{Mark: s.Lookup.Mark(), Count: int32(limit)})
		if err != nil {
			return err
		}
		for _, r := range rows {
			k := accesskey.AccessKey{}
			row := db.AccessKey{ID: r.ID, AccountID: r.AccountID, KeyID: r.KeyID, FormerKeyID: r.FormerKeyID}
			if err := s.openKey(ctx, row, &k, false); err != nil {
				return err
			}
			if err := t.setLookup(ctx, r.ID, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// setLookup writes the hashes of the key's ids.
func (t *transaction) setLookup(ctx context.Context, id string, k accesskey.AccessKey) error {
	p := db.SetKeyLookupParams{ID: id, Lookup: t.Lookup.Of(k.KeyID), Mark: t.Lookup.Mark()}
	if k.FormerKeyID != "" {
		p.FormerLookup = t.Lookup.Of(k.FormerKeyID)
	}
	return t.q.SetKeyLookup(ctx, p)
}

// lastUses fills in when keys were used last.
func (s *AccessKeys) lastUses(ctx context.Context, accountID string, keys []accesskey.AccessKey) error {
	if len(keys) == 0 {
		return nil
	}
	var lookups [][]byte
	for _, k := range keys {
		lookups = append(lookups, s.Lookup.Of(k.KeyID))
		if k.FormerKeyID != "" {
			lookups = append(lookups, s.Lookup.Of(k.FormerKeyID))
		}
	}
	rows, err := s.readIn(accountID).LastKeyUses(ctx, lookups)
	if err != nil {
		return err
	}
	uses := map[string]accesskey.Use{}
	for _, r := range rows {
		uses[string(r.Lookup)] = accesskey.Use{Time: r.LastAt.UTC(), Operation: r.Operation, Address: r.Address}
	}
	for i := range keys {
		keys[i].LastUse = uses[string(s.Lookup.Of(keys[i].KeyID))]
		if keys[i].FormerKeyID != "" {
			keys[i].FormerUse = uses[string(s.Lookup.Of(keys[i].FormerKeyID))]
		}
	}
	return nil
}
