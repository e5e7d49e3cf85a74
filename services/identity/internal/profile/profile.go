// Package profile is who a tenant is in law and how it wants to be addressed: what
// invoices, mails and reports are made with.
//
// It guarantees that every account has exactly one, which says nothing until somebody fills
// it in; that what it holds is well-formed (tax ids of Brazil by their check digits, time
// zones, currencies and languages by their registries); and that the audit trail tells what
// changed without copying a person's tax id or address into it.
//
// It does not check that a tax id belongs to the account, and fetches no logo.
package profile

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Kind is the resource's kind in events and the audit trail.
const Kind = "account_profile"

// What holds until somebody says otherwise.
const (
	// DefaultTimeZone is that of accounts which have set none.
	DefaultTimeZone = "UTC"
	// DefaultLocale is that of accounts which have set none.
	DefaultLocale = "en"
)

// ErrFieldNotUpdatable is for a mask that names what no caller may change.
var ErrFieldNotUpdatable = account.ErrFieldNotUpdatable.WithMessage("the update mask names something that no profile has or that cannot be changed")

// Profile is the profile of one account.
type Profile struct {
	// AccountID is the account.
	AccountID string
	// LegalName is the registered name, or empty.
	LegalName string
	// TaxID is the tax identification; the zero value is none.
	TaxID TaxID
	// Contacts are whom to write to.
	Contacts []Contact
	// TimeZone is of the IANA database, Currency of ISO 4217 or empty for the platform's,
	// Locale a BCP 47 tag.
	TimeZone, Currency, Locale string
	// Branding is how the account looks to its own customers.
	Branding Branding
	// Settings are its clients' own.
	Settings map[string]string
	// Version grows with every change; 0 is that of a profile nobody has filled in.
	Version int64
	// UpdateTime is when it last changed, or when the account was made.
	UpdateTime time.Time
}

// Contact is a person or a desk.
type Contact struct {
	// Purpose is what it is for: "general", "billing", "technical" or "security".
	Purpose string `json:"purpose"`
	// DisplayName is for showing.
	DisplayName string `json:"display_name"`
	// Email and Phone are where to reach it; Phone is E.164 or empty.
	Email string `json:"email"`
	Phone string `json:"phone"`
}

// Branding is a look.
type Branding struct {
	// DisplayName is shown instead of the account's; empty is the account's.
	DisplayName string `json:"display_name"`
	// PrimaryColor and AccentColor are "#rrggbb" or empty.
	PrimaryColor string `json:"primary_color"`
	AccentColor  string `json:"accent_color"`
	// LogoURL is an https URL or empty.
	LogoURL string `json:"logo_url"`
}

// Empty returns the profile of an account that nobody has filled in.
func Empty(accountID string, since time.Time) Profile {
	return Profile{AccountID: accountID, TimeZone: DefaultTimeZone, Locale: DefaultLocale, UpdateTime: since}
}

// ETag changes with every change.
func (p Profile) ETag() string { return "v" + strconv.FormatInt(p.Version, 10) }

// setters are the fields that can be changed, by their paths.
var setters = map[string]func(to *Profile, from Profile){
	"legal_name":             func(to *Profile, from Profile) { to.LegalName = from.LegalName },
	"tax_id":                 func(to *Profile, from Profile) { to.TaxID = from.TaxID },
	"tax_id.type":            func(to *Profile, from Profile) { to.TaxID.Type = from.TaxID.Type },
	"tax_id.value":           func(to *Profile, from Profile) { to.TaxID.Value = from.TaxID.Value },
	"contacts":               func(to *Profile, from Profile) { to.Contacts = from.Contacts },
	"time_zone":              func(to *Profile, from Profile) { to.TimeZone = from.TimeZone },
	"currency":               func(to *Profile, from Profile) { to.Currency = from.Currency },
	"locale":                 func(to *Profile, from Profile) { to.Locale = from.Locale },
	"branding":               func(to *Profile, from Profile) { to.Branding = from.Branding },
	"branding.display_name":  func(to *Profile, from Profile) { to.Branding.DisplayName = from.Branding.DisplayName },
	"branding.primary_color": func(to *Profile, from Profile) { to.Branding.PrimaryColor = from.Branding.PrimaryColor },
	"branding.accent_color":  func(to *Profile, from Profile) { to.Branding.AccentColor = from.Branding.AccentColor },
	"branding.logo_url":      func(to *Profile, from Profile) { to.Branding.LogoURL = from.Branding.LogoURL },
	"settings":               func(to *Profile, from Profile) { to.Settings = from.Settings },
}

// Tx is what a change of a profile needs of its transaction.
type Tx interface {
	unit.Work
	// AccountForUpdate locks the account, which is the lock of its profile too: there may be
	// no row of the profile's own yet. account.ErrNotFound when there is none.
	AccountForUpdate(ctx context.Context, accountID string) (account.Account, error)
	// Profile returns the profile, the empty one when nobody has filled it in.
	Profile(ctx context.Context, accountID string) (Profile, error)
	// SaveProfile keeps it.
	SaveProfile(ctx context.Context, p Profile) error
}

// Store keeps profiles.
type Store interface {
	// InAccount runs fn in one transaction that sees nothing but the account.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Profile returns one, or account.ErrNotFound.
	Profile(ctx context.Context, accountID string) (Profile, error)
}

// Profiles are the use cases.
type Profiles struct {
	store Store
	clock clock.Clock
}

// New returns the use cases over the store.
func New(store Store, clock clock.Clock) *Profiles { return &Profiles{store: store, clock: clock} }

// Get returns the account's profile.
func (s *Profiles) Get(ctx context.Context, accountID string) (Profile, error) {
	return s.store.Profile(ctx, accountID)
}

// Update changes the fields that the paths name to those of values; without paths the ones
// that are set (AIP-134), and "*" is all. Nothing happens when it has the values already.
func (s *Profiles) Update(ctx context.Context, accountID, etag string, values Profile, paths []string) (Profile, error) {
	set, err := choose(values, paths)
	if err != nil {
		return Profile{}, err
	}
	var result Profile
	err = s.store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		var err error
		resource := unit.Resource{Kind: Kind, ID: accountID, AccountID: accountID}
		result, err = unit.Once(ctx, tx, resource, tx.Profile, func(ctx context.Context) (Profile, error) {
			return s.update(ctx, tx, accountID, etag, values, set)
		})
		return err
	})
	return result, err
}

func (s *Profiles) update(ctx context.Context, tx Tx, accountID, etag string, values Profile, set []string) (Profile, error) {
	holder, err := tx.AccountForUpdate(ctx, accountID)
	if err != nil {
		return Profile{}, err
	}
	before, err := tx.Profile(ctx, accountID)
	if err != nil {
		return Profile{}, err
	}
	if err := unit.CheckETag(etag, before.ETag()); err != nil {
		return Profile{}, err
	}
	after := before
	for _, path := range set {
		setters[path](&after, values)
	}
	if after, err = after.normal(); err != nil {
		return Profile{}, err
	}
	if same(before, after) {
		return before, nil
	}
	after.Version, after.UpdateTime = before.Version+1, unit.Now(s.clock)
	if err := tx.SaveProfile(ctx, after); err != nil {
		return Profile{}, err
	}
	return after, tell(ctx, tx, holder.DisplayName, before, after)
}

// choose returns the paths of what is to be set, those of messages before those within.
func choose(values Profile, paths []string) ([]string, error) {
	if slices.Contains(paths, "*") {
		return slices.DeleteFunc(slices.Sorted(maps.Keys(setters)), func(path string) bool { return strings.Contains(path, ".") }), nil
	}
	if len(paths) == 0 {
		return values.given(), nil
	}
	var set []string
	for _, path := range paths {
		switch {
		case setters[path] != nil:
			set = append(set, path)
		case path == "etag": // a precondition, which the call has
		default:
			return nil, ErrFieldNotUpdatable.With("field", path).WithViolation(errs.Violation{
				Field: "update_mask", Rule: "FIELD_NOT_UPDATABLE", Description: "drop " + path + " from the mask",
			})
		}
	}
	slices.Sort(set)
	return set, nil
}

// given returns the paths of the fields that are set.
func (p Profile) given() []string {
	var set []string
	for path, isSet := range map[string]bool{
		"legal_name": p.LegalName != "", "tax_id": p.TaxID != TaxID{}, "contacts": len(p.Contacts) > 0, "time_zone": p.TimeZone != "",
		"currency": p.Currency != "", "locale": p.Locale != "", "branding": p.Branding != Branding{}, "settings": len(p.Settings) > 0,
	} {
		if isSet {
			set = append(set, path)
		}
	}
	return set
}

// same reports whether two profiles hold the same; no list and an empty one are the same.
func same(a, b Profile) bool {
	return slices.Equal(a.Contacts, b.Contacts) && maps.Equal(a.Settings, b.Settings) &&
		reflect.DeepEqual(a.describe(), b.describe()) && a.TaxID == b.TaxID
}

func tell(ctx context.Context, tx Tx, name string, before, after Profile) error {
	entry := audit.Entry{
		AccountID: after.AccountID, Action: Kind + ".update", Severity: audit.Info, Outcome: audit.Succeeded,
		Target: audit.Target{Kind: Kind, ID: after.AccountID, Name: name},
		Before: before.describe(), After: after.describe(),
	}
	if err := tx.Audit(ctx, entry); err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{
		Kind: Kind, Verb: "updated", AccountID: after.AccountID, ID: after.AccountID, Version: after.Version, Snapshot: after,
	})
}

// describe returns the profile as the audit trail shows it. The trail is kept for years and
// cannot be corrected, so it says that a contact or a tax id changed and not whose it is.
func (p Profile) describe() map[string]any {
	purposes := make([]any, len(p.Contacts))
	for i, c := range p.Contacts {
		purposes[i] = c.Purpose
	}
	settings := make(map[string]any, len(p.Settings))
	for key, value := range p.Settings {
		settings[key] = value
	}
	return map[string]any{
		"legal_name": p.LegalName, "tax_id": p.TaxID.masked(), "contacts": purposes,
		"time_zone": p.TimeZone, "currency": p.Currency, "locale": p.Locale,
		"branding": map[string]any{
			"display_name": p.Branding.DisplayName, "primary_color": p.Branding.PrimaryColor,
			"accent_color": p.Branding.AccentColor, "logo_url": p.Branding.LogoURL,
		},
		"settings": settings,
	}
}
