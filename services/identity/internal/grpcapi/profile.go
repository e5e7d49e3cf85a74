package grpcapi

import (
	"cmp"
	"context"
	"strings"

	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/profile"
)

type profiles struct {
	identityv1.UnimplementedAccountProfileServiceServer
	use *profile.Profiles
}

func (s *profiles) GetAccountProfile(
	ctx context.Context, r *identityv1.GetAccountProfileRequest,
) (*identityv1.GetAccountProfileResponse, error) {
	p, err := s.use.Get(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	return &identityv1.GetAccountProfileResponse{Profile: Profile(p)}, nil
}

func (s *profiles) UpdateAccountProfile(
	ctx context.Context, r *identityv1.UpdateAccountProfileRequest,
) (*identityv1.UpdateAccountProfileResponse, error) {
	// Whoever sends back the profile as it was read sends its etag with it.
	etag := cmp.Or(r.GetEtag(), r.GetProfile().GetEtag())
	p, err := s.use.Update(ctx, r.GetAccountId(), etag, profileOf(r.GetProfile()), r.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &identityv1.UpdateAccountProfileResponse{Profile: Profile(p)}, nil
}

// Profile returns a profile as it travels.
func Profile(p profile.Profile) *identityv1.AccountProfile {
	shown := &identityv1.AccountProfile{
		AccountId: p.AccountID, LegalName: p.LegalName, TimeZone: p.TimeZone, Currency: p.Currency, Locale: p.Locale,
		Branding: &identityv1.Branding{
			DisplayName: p.Branding.DisplayName, PrimaryColor: p.Branding.PrimaryColor,
			AccentColor: p.Branding.AccentColor, LogoUrl: p.Branding.LogoURL,
		},
		Settings: p.Settings, Etag: p.ETag(), UpdateTime: stamp(p.UpdateTime),
	}
	if p.TaxID != (profile.TaxID{}) {
		shown.TaxId = &identityv1.TaxId{Type: p.TaxID.Type, Value: p.TaxID.Value}
	}
	for _, c := range p.Contacts {
		shown.Contacts = append(shown.Contacts, &identityv1.Contact{
			Purpose:     identityv1.ContactPurpose(identityv1.ContactPurpose_value["CONTACT_PURPOSE_"+strings.ToUpper(c.Purpose)]),
			DisplayName: c.DisplayName, Email: c.Email, Phone: c.Phone,
		})
	}
	return shown
}

func profileOf(p *identityv1.AccountProfile) profile.Profile {
	values := profile.Profile{
		LegalName: p.GetLegalName(), TaxID: profile.TaxID{Type: p.GetTaxId().GetType(), Value: p.GetTaxId().GetValue()},
		TimeZone: p.GetTimeZone(), Currency: p.GetCurrency(), Locale: p.GetLocale(),
		Branding: profile.Branding{
			DisplayName: p.GetBranding().GetDisplayName(), PrimaryColor: p.GetBranding().GetPrimaryColor(),
			AccentColor: p.GetBranding().GetAccentColor(), LogoURL: p.GetBranding().GetLogoUrl(),
		},
		Settings: p.GetSettings(),
	}
	for _, c := range p.GetContacts() {
		values.Contacts = append(values.Contacts, profile.Contact{
			Purpose:     strings.ToLower(strings.TrimPrefix(c.GetPurpose().String(), "CONTACT_PURPOSE_")),
			DisplayName: c.GetDisplayName(), Email: c.GetEmail(), Phone: c.GetPhone(),
		})
	}
	return values
}
