package profile

import (
	"strings"
	"testing"
)

func TestTaxIDs_are_kept_without_punctuation_when_their_check_digits_hold(t *testing.T) {
	for _, c := range []struct{ kind, given, kept string }{
		{CPF, "529.982.247-25", "52998224725"},
		{CPF, " 11144477735 ", "11144477735"},
		{CNPJ, "11.222.333/0001-81", "11222333000181"},
		// The example of the authority that issues them.
		{CNPJ, "12.ABC.345/01DE-35", "12ABC34501DE35"},
		{CNPJ, "12abc34501de35", "12ABC34501DE35"},
		{"eu_vat", "DE 123-456", "DE 123-456"},
		{"us_ein", "12-3456789", "12-3456789"},
	} {
		got, err := TaxID{c.kind, c.given}.normal()
		if err != nil || got != (TaxID{c.kind, c.kept}) {
			t.Errorf("%s %q gave %v, %v", c.kind, c.given, got, err)
		}
	}
}

func TestTaxIDs_that_cannot_be_are_refused(t *testing.T) {
	for _, c := range []TaxID{
		{CPF, "52998224724"},
		{CPF, "52998224735"},
		{CPF, "5299822472"},
		{CPF, "529982247255"},
		{CPF, "5299822472A"},
		{CPF, "00000000000"},
		{CPF, "11111111111"},
		{CPF, ""},
		{CPF, "１１１４４４７７７３５"},
		{CNPJ, "11222333000180"},
		{CNPJ, "11222333000191"},
		{CNPJ, "12ABC34501DE3A"},
		{CNPJ, "12ABC34501DF35"},
		{CNPJ, "00000000000000"},
		{CNPJ, "12ÁBC34501DE35"},
		{CNPJ, "1222333000181"},
		{"eu_vat", ""},
		{"eu_vat", "  "},
		{"eu_vat", "a\nb"},
		{"eu_vat", strings.Repeat("9", 41)},
		{"", "529.982.247-25"},
		{"vat", "1"},
		{"BR_CPF", "52998224725"},
		{"br_", "1"},
	} {
		if got, err := c.normal(); err == nil {
			t.Errorf("%v was taken as %v", c, got)
		}
	}
	if got, err := (TaxID{}).normal(); err != nil || got != (TaxID{}) {
		t.Errorf("none gave %v, %v", got, err)
	}
}

func TestThe_trail_shows_no_tax_id_whole(t *testing.T) {
	for given, want := range map[TaxID]string{
		{}: "", {CPF, "52998224725"}: "br_cpf …4725", {"eu_vat", "DE1"}: "eu_vat …", {"eu_vat", "ÄÖÜäöü"}: "eu_vat …Üäöü",
	} {
		if got := given.masked(); got != want {
			t.Errorf("%v is shown as %q, want %q", given, got, want)
		}
	}
}

func FuzzTaxID(f *testing.F) {
	f.Add("br_cpf", "529.982.247-25")
	f.Add("br_cnpj", "12.ABC.345/01DE-35")
	f.Add("eu_vat", "DE123")
	f.Fuzz(func(t *testing.T, kind, value string) {
		kept, err := TaxID{kind, value}.normal()
		if err != nil {
			return
		}
		if again, err := kept.normal(); err != nil || again != kept {
			t.Fatalf("%q is kept as %v, which is then %v, %v", value, kept, again, err)
		}
		if kind != CPF && kind != CNPJ {
			return
		}
		// One wrong digit is always noticed.
		for i := range len(kept.Value) {
			if kept.Value[i] > '9' {
				continue
			}
			wrong := []byte(kept.Value)
			wrong[i] = '0' + (wrong[i]-'0'+1)%10
			if got, err := (TaxID{kind, string(wrong)}).normal(); err == nil {
				t.Fatalf("%v with a wrong digit was taken: %v", kept, got)
			}
		}
	})
}
