package profile

import (
	"regexp"
	"strings"

	"github.com/primecloud/primecloud/pkg/errs"
)

// The types whose numbers are checked.
const (
	// CPF is that of a person in Brazil: 11 digits, the last two of them check digits.
	CPF = "br_cpf"
	// CNPJ is that of a company in Brazil: 12 letters or digits and two check digits. Numbers
	// with letters are issued since July 2026 (Receita Federal, IN RFB 2.229/2024).
	CNPJ = "br_cnpj"
)

var (
	taxIDType  = regexp.MustCompile(`^[a-z]{2}_[a-z0-9]{1,20}$`)
	cpfDigits  = regexp.MustCompile(`^[0-9]{11}$`)
	cnpjDigits = regexp.MustCompile(`^[0-9A-Z]{12}[0-9]{2}$`)
	// punctuation is how people write the two: 123.456.789-09 and 12.ABC.345/01DE-35.
	punctuation = strings.NewReplacer(".", "", "-", "", "/", "", " ", "")
)

// maxTaxID is the longest value, in characters.
const maxTaxID = 40

// ErrTaxIDInvalid is for a number that cannot be one of its type.
var ErrTaxIDInvalid = errs.New(errs.InvalidArgument, "TAX_ID_INVALID", "the tax id cannot be one of its type; check it for a typing mistake").
	WithViolation(errs.Violation{Field: "tax_id", Rule: "TAX_ID_INVALID", Description: "check type and value for a typing mistake"})

// TaxID is a tax identification number; the zero value is none.
type TaxID struct {
	// Type is the kind of number, such as "br_cnpj" or "eu_vat".
	Type string
	// Value is the number.
	Value string
}

// normal returns the number in the form in which it is kept, or ErrTaxIDInvalid.
func (t TaxID) normal() (TaxID, error) {
	if t == (TaxID{}) {
		return t, nil
	}
	if !taxIDType.MatchString(t.Type) {
		return t, ErrTaxIDInvalid
	}
	t.Value = strings.TrimSpace(t.Value)
	switch t.Type {
	case CPF:
		t.Value = punctuation.Replace(t.Value)
		if !cpfDigits.MatchString(t.Value) || !checked(t.Value, 11) {
			return t, ErrTaxIDInvalid
		}
	case CNPJ:
		t.Value = strings.ToUpper(punctuation.Replace(t.Value))
		if !cnpjDigits.MatchString(t.Value) || !checked(t.Value, 9) {
			return t, ErrTaxIDInvalid
		}
	default:
		if t.Value == "" || !text(t.Value, maxTaxID) {
			return t, ErrTaxIDInvalid
		}
	}
	return t, nil
}

// checked reports whether the last two characters are the check digits of those before
// them, modulo 11, with weights that rise from 2 to the largest from the right and begin
// anew. Numbers of one character alone pass that and are none.
func checked(number string, largest int) bool {
	if strings.Count(number, number[:1]) == len(number) {
		return false
	}
	for at := len(number) - 2; at < len(number); at++ {
		if number[at]-'0' != checkDigit(number[:at], largest) {
			return false
		}
	}
	return true
}

// checkDigit returns the one that follows. A character counts as its ASCII code less 48,
// which for a digit is the digit and for "A" 17.
func checkDigit(body string, largest int) byte {
	sum, weight := 0, 2
	for i := len(body) - 1; i >= 0; i-- {
		sum += int(body[i]-'0') * weight
		if weight++; weight > largest {
			weight = 2
		}
	}
	if rest := sum % 11; rest >= 2 {
		return byte(11 - rest)
	}
	return 0
}

// masked returns the number for the audit trail: enough to tell a change of it.
func (t TaxID) masked() string {
	if t == (TaxID{}) {
		return ""
	}
	const shown = 4
	if len(t.Value) <= shown {
		return t.Type + " …"
	}
	runes := []rune(t.Value)
	return t.Type + " …" + string(runes[max(0, len(runes)-shown):])
}
