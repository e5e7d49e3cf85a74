package postgres

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/profile"
)

// Profiles implements profile.Store.
type Profiles struct{ *base }

var _ profile.Store = (*Profiles)(nil)

// InAccount runs fn in the scope of the account.
func (s *Profiles) InAccount(ctx context.Context, accountID string, fn func(context.Context, profile.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// Profile returns one.
func (s *Profiles) Profile(ctx context.Context, accountID string) (profile.Profile, error) {
	return profileBy(ctx, s.readIn(accountID), accountID)
}

// Profile returns the profile of an account.
func (t *transaction) Profile(ctx context.Context, accountID string) (profile.Profile, error) {
	return profileBy(ctx, t.q, accountID)
}

// SaveProfile keeps it.
func (t *transaction) SaveProfile(ctx context.Context, p profile.Profile) error {
	contacts, err1 := json.Marshal(append([]profile.Contact{}, p.Contacts...))
	branding, err2 := json.Marshal(p.Branding)
	if p.Settings == nil {
		p.Settings = map[string]string{}
	}
	settings, err3 := json.Marshal(p.Settings)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	return t.q.SaveProfile(ctx, db.SaveProfileParams{
		AccountID: p.AccountID, LegalName: p.LegalName, TaxIDType: p.TaxID.Type, TaxIDValue: p.TaxID.Value, Contacts: contacts,
		TimeZone: p.TimeZone, Currency: p.Currency, Locale: p.Locale, Branding: branding, Settings: settings,
		Version: p.Version, UpdateTime: p.UpdateTime,
	})
}

func profileBy(ctx context.Context, q *db.Queries, accountID string) (profile.Profile, error) {
	row, err := q.GetProfile(ctx, accountID)
	if err != nil {
		return profile.Profile{}, notFound(err, account.ErrNotFound)
	}
	p := profile.Empty(row.ID, row.CreateTime.UTC())
	if row.Version == nil {
		return p, nil
	}
	p.LegalName, p.TaxID = orEmpty(row.LegalName), profile.TaxID{Type: orEmpty(row.TaxIDType), Value: orEmpty(row.TaxIDValue)}
	p.TimeZone, p.Currency, p.Locale = orEmpty(row.TimeZone), orEmpty(row.Currency), orEmpty(row.Locale)
	p.Version, p.UpdateTime = *row.Version, orZero(row.UpdateTime)
	return p, errors.Join(
		json.Unmarshal(row.Contacts, &p.Contacts), json.Unmarshal(row.Branding, &p.Branding), json.Unmarshal(row.Settings, &p.Settings),
	)
}
