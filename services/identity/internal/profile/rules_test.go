package profile

import (
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

func TestA_profile_is_kept_in_the_spelling_of_its_registries(t *testing.T) {
	p := Empty("acc_1", time.Time{})
	p.LegalName, p.Currency, p.Locale, p.TimeZone = " Acme Ltda ", "brl", "pt-br", "America/Sao_Paulo"
	p.Branding = Branding{PrimaryColor: "#AABBCC", LogoURL: "https://cdn.acme.example/logo.svg"}
	p.Contacts = []Contact{{Purpose: "billing", DisplayName: " Ana ", Email: "ana@acme.example", Phone: "+5511912345678"}}
	got, err := p.normal()
	if err != nil {
		t.Fatal(err)
	}
	if got.LegalName != "Acme Ltda" || got.Currency != "BRL" || got.Locale != "pt-BR" || got.Branding.PrimaryColor != "#aabbcc" || got.Contacts[0].DisplayName != "Ana" {
		t.Errorf("kept as %+v", got)
	}
	if cleared, err := (Profile{}).normal(); err != nil || cleared.TimeZone != DefaultTimeZone || cleared.Locale != DefaultLocale {
		t.Errorf("cleared fields are %+v, %v", cleared, err)
	}
}

func TestWhat_is_not_well_formed_is_refused_by_the_name_of_its_field(t *testing.T) {
	contact := Contact{Purpose: "general", Email: "a@acme.example"}
	for _, c := range []struct {
		field  string
		change func(p *Profile)
	}{
		{"legal_name", func(p *Profile) { p.LegalName = strings.Repeat("a", 201) }},
		{"legal_name", func(p *Profile) { p.LegalName = "a\x00" }},
		{"time_zone", func(p *Profile) { p.TimeZone = "Local" }},
		{"time_zone", func(p *Profile) { p.TimeZone = "../../etc/passwd" }},
		{"time_zone", func(p *Profile) { p.TimeZone = "Mars/Phobos" }},
		{"currency", func(p *Profile) { p.Currency = "XYZ" }},
		{"currency", func(p *Profile) { p.Currency = "XXX" }},
		{"locale", func(p *Profile) { p.Locale = "not a language" }},
		{"locale", func(p *Profile) { p.Locale = "und" }},
		{"contacts", func(p *Profile) { p.Contacts = make([]Contact, 21) }},
		{"contacts.purpose", func(p *Profile) { c := contact; c.Purpose = "party"; p.Contacts = []Contact{c} }},
		{"contacts.email", func(p *Profile) { c := contact; c.Email = "Ana <a@acme.example>"; p.Contacts = []Contact{c} }},
		{"contacts.email", func(p *Profile) { c := contact; c.Email = ""; p.Contacts = []Contact{c} }},
		{"contacts.phone", func(p *Profile) { c := contact; c.Phone = "0800"; p.Contacts = []Contact{c} }},
		{"contacts.display_name", func(p *Profile) { c := contact; c.DisplayName = "a\r\nBcc: b"; p.Contacts = []Contact{c} }},
		{"branding.display_name", func(p *Profile) { p.Branding.DisplayName = strings.Repeat("a", 101) }},
		{"branding.primary_color", func(p *Profile) { p.Branding.PrimaryColor = "red" }},
		{"branding.accent_color", func(p *Profile) { p.Branding.AccentColor = "#12345" }},
		{"branding.logo_url", func(p *Profile) { p.Branding.LogoURL = "http://acme.example/l.png" }},
		{"branding.logo_url", func(p *Profile) { p.Branding.LogoURL = "javascript:alert(1)" }},
		{"branding.logo_url", func(p *Profile) { p.Branding.LogoURL = "https://user:pw@acme.example/" }},
		{"settings", func(p *Profile) { p.Settings = map[string]string{"UI": "x"} }},
		{"settings", func(p *Profile) { p.Settings = map[string]string{"ui": strings.Repeat("x", 1025)} }},
		{"settings", func(p *Profile) { p.Settings = map[string]string{"ui": "\x00"} }},
	} {
		p := Empty("acc_1", time.Time{})
		c.change(&p)
		_, err := p.normal()
		refusal, ok := errs.As(err)
		if !ok || refusal.Reason() != "PROFILE_INVALID" || refusal.Violations()[0].Field != c.field {
			t.Errorf("%s: %+v gave %v", c.field, p, err)
		}
	}
}

func TestA_mask_chooses_fields_and_the_whole_before_its_parts(t *testing.T) {
	values := Profile{LegalName: "Acme", Branding: Branding{LogoURL: "https://a.example/"}}
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{[]string{"branding.logo_url", "branding"}, "branding branding.logo_url"},
		{[]string{"etag", "settings"}, "settings"},
		{[]string{"*"}, "branding contacts currency legal_name locale settings tax_id time_zone"},
	} {
		if got, err := choose(values, c.paths); err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%v chose %v, %v", c.paths, got, err)
		}
	}
	if got, err := choose(values, nil); err != nil || len(got) != 2 {
		t.Errorf("without a mask %v, %v were chosen", got, err)
	}
	for _, path := range []string{"account_id", "update_time", "branding.x", "settings.ui", "version"} {
		if _, err := choose(values, []string{path}); errs.ReasonOf(err) != "FIELD_NOT_UPDATABLE" {
			t.Errorf("%s gave %v", path, err)
		}
	}
}
