package profile

import (
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // the machine that serves may have no time zones of its own
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"

	"github.com/primecloud/primecloud/pkg/errs"
)

// The limits.
const (
	maxLegalName     = 200 // characters
	maxName          = 100 // characters, of a contact and of a brand
	maxContacts      = 20
	maxSettings      = 64
	maxSettingLength = 1024 // characters
	maxLogoURL       = 2048 // bytes
)

var (
	colour     = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	phone      = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	settingKey = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,62}$`)
)

// ErrInvalid is for a profile that is not well-formed; its violation names the field.
var ErrInvalid = errs.New(errs.InvalidArgument, "PROFILE_INVALID", "the profile is not well-formed; correct the field that is named")

func invalid(field, what string) error {
	return ErrInvalid.With("field", field).WithViolation(errs.Violation{Field: field, Rule: "PROFILE_INVALID", Description: what})
}

// normal returns the profile in the form in which it is kept, or what is wrong with it.
func (p Profile) normal() (Profile, error) {
	p.LegalName = strings.TrimSpace(p.LegalName)
	if !text(p.LegalName, maxLegalName) {
		return p, invalid("legal_name", "give at most 200 characters, none of them a control character")
	}
	var err error
	if p.TaxID, err = p.TaxID.normal(); err != nil {
		return p, err
	}
	if p.Contacts, err = contacts(p.Contacts); err != nil {
		return p, err
	}
	if p, err = p.places(); err != nil {
		return p, err
	}
	if p.Branding, err = p.Branding.normal(); err != nil {
		return p, err
	}
	return p, settings(p.Settings)
}

// places brings time zone, currency and locale to their registries' own spelling.
func (p Profile) places() (Profile, error) {
	if p.TimeZone == "" {
		p.TimeZone = DefaultTimeZone
	}
	// "Local" is Go's own name for wherever the server stands.
	if _, err := time.LoadLocation(p.TimeZone); err != nil || p.TimeZone == "Local" {
		return p, invalid("time_zone", "give a name of the IANA database, such as America/Sao_Paulo")
	}
	if p.Currency != "" {
		unit, err := currency.ParseISO(p.Currency)
		if err != nil || unit == currency.XXX || unit == currency.XTS {
			return p, invalid("currency", "give a code of ISO 4217, such as BRL")
		}
		p.Currency = unit.String()
	}
	if p.Locale == "" {
		p.Locale = DefaultLocale
	}
	tag, err := language.Parse(p.Locale)
	if err != nil || tag == language.Und {
		return p, invalid("locale", "give a BCP 47 tag, such as pt-BR")
	}
	p.Locale = tag.String()
	return p, nil
}

func contacts(list []Contact) ([]Contact, error) {
	if len(list) > maxContacts {
		return nil, invalid("contacts", "give at most 20")
	}
	kept := make([]Contact, len(list))
	for i, c := range list {
		c.DisplayName = strings.TrimSpace(c.DisplayName)
		address, err := mail.ParseAddress(c.Email)
		switch {
		case c.Purpose != "general" && c.Purpose != "billing" && c.Purpose != "technical" && c.Purpose != "security":
			return nil, invalid("contacts.purpose", "give one of the purposes")
		case !text(c.DisplayName, maxName):
			return nil, invalid("contacts.display_name", "give at most 100 characters, none of them a control character")
		case err != nil || address.Address != c.Email || len(c.Email) > 254:
			return nil, invalid("contacts.email", "give an e-mail address and nothing else")
		case c.Phone != "" && !phone.MatchString(c.Phone):
			return nil, invalid("contacts.phone", "give a number of E.164, such as +5511912345678, or none")
		}
		kept[i] = c
	}
	return kept, nil
}

func (b Branding) normal() (Branding, error) {
	b.DisplayName, b.PrimaryColor, b.AccentColor = strings.TrimSpace(b.DisplayName), strings.ToLower(b.PrimaryColor), strings.ToLower(b.AccentColor)
	if !text(b.DisplayName, maxName) {
		return b, invalid("branding.display_name", "give at most 100 characters, none of them a control character")
	}
	if b.PrimaryColor != "" && !colour.MatchString(b.PrimaryColor) {
		return b, invalid("branding.primary_color", "give #rrggbb or nothing")
	}
	if b.AccentColor != "" && !colour.MatchString(b.AccentColor) {
		return b, invalid("branding.accent_color", "give #rrggbb or nothing")
	}
	if b.LogoURL == "" {
		return b, nil
	}
	// A browser loads it inside the panel: nothing but https, and nobody's password in it.
	logo, err := url.Parse(b.LogoURL)
	if err != nil || logo.Scheme != "https" || logo.Hostname() == "" || logo.User != nil || len(b.LogoURL) > maxLogoURL {
		return b, invalid("branding.logo_url", "give an https URL without a user in it, of at most 2048 bytes, or nothing")
	}
	return b, nil
}

func settings(all map[string]string) error {
	if len(all) > maxSettings {
		return invalid("settings", "give at most 64")
	}
	for key, value := range all {
		if !settingKey.MatchString(key) {
			return invalid("settings", "begin a key with a letter, and use a-z, 0-9, _ and . alone, at most 63 of them")
		}
		// PostgreSQL keeps no NUL in text.
		if !utf8.ValidString(value) || utf8.RuneCountInString(value) > maxSettingLength || strings.ContainsRune(value, 0) {
			return invalid("settings", "give at most 1024 characters for a value, without NUL")
		}
	}
	return nil
}

// text reports whether s can be shown on one line of at most so many characters.
func text(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}
