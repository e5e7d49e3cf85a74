package identity_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/pkg/rpc"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

func TestA_profile_is_empty_until_it_is_filled_in_and_then_changes_field_by_field(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme")
	ctx := anna.in(acme.GetId())
	get := func() *identityv1.AccountProfile {
		t.Helper()
		got, err := w.gateway().GetAccountProfile(ctx, &identityv1.GetAccountProfileRequest{AccountId: acme.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetProfile()
	}
	update := func(etag string, values *identityv1.AccountProfile, mask ...string) (*identityv1.AccountProfile, error) {
		request := &identityv1.UpdateAccountProfileRequest{AccountId: acme.GetId(), Profile: values, Etag: etag}
		if mask != nil {
			request.UpdateMask = &fieldmaskpb.FieldMask{Paths: mask}
		}
		changed, err := w.gateway().UpdateAccountProfile(ctx, request)
		return changed.GetProfile(), err
	}
	empty := get()
	if empty.GetTimeZone() != "UTC" || empty.GetLocale() != "en" || empty.GetTaxId() != nil || !proto.Equal(empty.GetUpdateTime(), acme.GetCreateTime()) {
		t.Errorf("nobody filled it in, but it is %v", empty)
	}
	full, err := update(empty.GetEtag(), &identityv1.AccountProfile{
		LegalName: "Acme Ltda", TaxId: &identityv1.TaxId{Type: "br_cnpj", Value: "12.ABC.345/01DE-35"}, TimeZone: "America/Sao_Paulo",
		Currency: "BRL", Locale: "pt-BR", Settings: map[string]string{"ui.theme": "dark"},
		Contacts: []*identityv1.Contact{{Purpose: identityv1.ContactPurpose_CONTACT_PURPOSE_BILLING, Email: "ana@acme.example"}},
		Branding: &identityv1.Branding{PrimaryColor: "#112233", LogoUrl: "https://acme.example/logo.svg"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(); !proto.Equal(got, full) || got.GetTaxId().GetValue() != "12ABC34501DE35" {
		t.Errorf("read back %v, updated to %v", got, full)
	}
	_, err = update(empty.GetEtag(), &identityv1.AccountProfile{LegalName: "Other"})
	wants(t, err, "ETAG_MISMATCH")
	part, err := update(full.GetEtag(), &identityv1.AccountProfile{Branding: &identityv1.Branding{AccentColor: "#445566"}}, "branding.accent_color", "settings")
	if err != nil || part.GetBranding().GetPrimaryColor() != "#112233" || part.GetBranding().GetAccentColor() != "#445566" || len(part.GetSettings()) != 0 {
		t.Errorf("a part gave %v, %v", part, err)
	}
	same, err := update("", &identityv1.AccountProfile{LegalName: "Acme Ltda"})
	if err != nil || !proto.Equal(same, part) {
		t.Errorf("nothing to change gave %v, %v", same, err)
	}
	_, err = update("", &identityv1.AccountProfile{TaxId: &identityv1.TaxId{Value: "12ABC34501DE36"}}, "tax_id.value")
	wants(t, err, "TAX_ID_INVALID")
	_, err = update("", &identityv1.AccountProfile{TimeZone: "Mars/Phobos"})
	wants(t, err, "PROFILE_INVALID")
	_, err = update("", &identityv1.AccountProfile{}, "account_id")
	wants(t, err, "FIELD_NOT_UPDATABLE")
	cleared, err := update("", &identityv1.AccountProfile{}, "tax_id", "contacts")
	if err != nil || cleared.GetTaxId() != nil || len(cleared.GetContacts()) != 0 {
		t.Errorf("cleared it is %v, %v", cleared, err)
	}
	entries := anna.eventually(acme.GetId(), "account.create SUCCEEDED", "account_profile.update SUCCEEDED", "account_profile.update SUCCEEDED",
		"account_profile.update SUCCEEDED")
	shown := entries[1].GetAfter().String()
	if !strings.Contains(shown, "DE35") || strings.Contains(shown, "12ABC34501DE35") || strings.Contains(shown, "ana@acme.example") {
		t.Errorf("the trail shows %s", shown)
	}
}

func TestAn_update_of_a_profile_is_one_call_and_two_at_once_do_not_lose_either(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme")
	request := &identityv1.UpdateAccountProfileRequest{AccountId: acme.GetId(), Profile: &identityv1.AccountProfile{LegalName: "Acme Ltda"}}
	ctx := rpc.WithIdempotencyKey(anna.in(acme.GetId()), "k1")
	first, err := w.gateway().UpdateAccountProfile(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.gateway().UpdateAccountProfile(ctx, request); err != nil || !proto.Equal(again, first) {
		t.Errorf("again gave %v, %v", again, err)
	}
	outcomes := make(chan error, 2)
	for _, values := range []*identityv1.AccountProfile{{Currency: "BRL"}, {Locale: "pt-BR"}} {
		go func() {
			_, err := w.gateway().UpdateAccountProfile(anna.in(acme.GetId()), &identityv1.UpdateAccountProfileRequest{AccountId: acme.GetId(), Profile: values})
			outcomes <- err
		}()
	}
	for range 2 {
		if err := <-outcomes; err != nil {
			t.Error(err)
		}
	}
	got, err := w.gateway().GetAccountProfile(anna.in(acme.GetId()), &identityv1.GetAccountProfileRequest{AccountId: acme.GetId()})
	if p := got.GetProfile(); err != nil || p.GetCurrency() != "BRL" || p.GetLocale() != "pt-BR" || p.GetLegalName() != "Acme Ltda" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestExternal_people_do_not_see_a_profile_and_readers_do_not_change_it(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme")
	for _, role := range []optionsv1.Role{optionsv1.Role_ROLE_EXTERNAL, optionsv1.Role_ROLE_VIEWER, optionsv1.Role_ROLE_BILLING} {
		_, err := w.gateway().CreateMembership(anna.in(acme.GetId()), &identityv1.CreateMembershipRequest{AccountId: acme.GetId(), UserId: bert.id, Role: role})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.gateway().GetAccountProfile(bert.in(acme.GetId()), &identityv1.GetAccountProfileRequest{AccountId: acme.GetId()})
		if role == optionsv1.Role_ROLE_EXTERNAL {
			wants(t, err, "ROLE_NOT_ALLOWED")
		} else if err != nil {
			t.Errorf("as %s: %v", role, err)
		}
		_, err = w.gateway().UpdateAccountProfile(bert.in(acme.GetId()), &identityv1.UpdateAccountProfileRequest{
			AccountId: acme.GetId(), Profile: &identityv1.AccountProfile{LegalName: role.String()},
		})
		if role == optionsv1.Role_ROLE_BILLING {
			if err != nil {
				t.Errorf("as %s: %v", role, err)
			}
		} else {
			wants(t, err, "ROLE_NOT_ALLOWED")
		}
		if _, err := w.gateway().DeleteMembership(anna.in(acme.GetId()), &identityv1.DeleteMembershipRequest{AccountId: acme.GetId(), UserId: bert.id}); err != nil {
			t.Fatal(err)
		}
	}
}
