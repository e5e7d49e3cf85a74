// Package money counts money exactly: whole minor units (cents) of a currency, with
// arithmetic that refuses to overflow, and rates that are decimals. There are no floats.
//
// There is one rounding rule, applied where a rate meets a quantity (Price.For and
// Rate.Of): to the nearest minor unit, a half to the even one. A sum is split by largest
// remainder, so that the parts add up to it. Everything else is exact.
//
// It does not convert between currencies and knows nothing of taxes and invoices.
package money

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Errors of arithmetic. They mean that the result does not exist; nothing is clipped.
var (
	// ErrOverflow is returned when a result does not fit into 64 bits.
	ErrOverflow = errors.New("money: the amount is too large")
	// ErrCurrency is returned when two currencies meet, or one is not known.
	ErrCurrency = errors.New("money: currencies differ or are not known")
)

// Currency is an ISO 4217 code.
type Currency string

// digits is how many decimal digits the minor unit of each currency has.
var digits = map[Currency]int{
	"AUD": 2, "BRL": 2, "CAD": 2, "CHF": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "HUF": 2, "INR": 2,
	"JPY": 0, "KRW": 0, "KWD": 3, "NOK": 2, "NZD": 2, "PLN": 2, "RON": 2, "SEK": 2, "SGD": 2, "USD": 2,
}

// Digits returns how many decimal digits the currency's minor unit has.
func (c Currency) Digits() (int, error) {
	n, ok := digits[c]
	if !ok {
		return 0, fmt.Errorf("%w: %q", ErrCurrency, string(c))
	}
	return n, nil
}

// Amount is a sum of money, negative for what is owed the other way.
type Amount struct {
	// Minor is the number of minor units, such as cents.
	Minor int64
	// Currency says of what.
	Currency Currency
}

// Add returns the sum of two amounts of one currency.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, fmt.Errorf("%w: %s and %s", ErrCurrency, a.Currency, b.Currency)
	}
	sum := a.Minor + b.Minor
	// It has overflowed when the sum's sign differs from that of both.
	if (sum^a.Minor)&(sum^b.Minor) < 0 {
		return Amount{}, ErrOverflow
	}
	return Amount{Minor: sum, Currency: a.Currency}, nil
}

// Sub returns a less b.
func (a Amount) Sub(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, fmt.Errorf("%w: %s and %s", ErrCurrency, a.Currency, b.Currency)
	}
	difference := a.Minor - b.Minor
	if (a.Minor^b.Minor)&(a.Minor^difference) < 0 {
		return Amount{}, ErrOverflow
	}
	return Amount{Minor: difference, Currency: a.Currency}, nil
}

// Neg returns the amount owed the other way.
func (a Amount) Neg() (Amount, error) { return Amount{Currency: a.Currency}.Sub(a) }

// Sum adds amounts, all of the currency.
func Sum(currency Currency, amounts ...Amount) (Amount, error) {
	// Exact in between, so that the order of the amounts does not decide.
	total := new(big.Int)
	for _, a := range amounts {
		if a.Currency != currency {
			return Amount{}, fmt.Errorf("%w: %s and %s", ErrCurrency, currency, a.Currency)
		}
		total.Add(total, big.NewInt(a.Minor))
	}
	return amount(total, currency)
}

// Allocate splits the amount in proportion to the weights, none of which is negative. The
// parts add up to the amount. What does not divide goes, one minor unit each, to those
// who lose most by rounding down; among equals to the first.
func (a Amount) Allocate(weights ...int64) ([]Amount, error) {
	total := new(big.Int)
	for _, w := range weights {
		if w < 0 {
			return nil, fmt.Errorf("money: weight %d is negative", w)
		}
		total.Add(total, big.NewInt(w))
	}
	if total.Sign() == 0 {
		return nil, errors.New("money: nothing to split by: all weights are zero")
	}
	parts := make([]Amount, len(weights))
	remainders := make([]*big.Int, len(weights))
	order := make([]int, len(weights))
	left := new(big.Int).Abs(big.NewInt(a.Minor))
	whole := new(big.Int).Set(left)
	sign := int64(big.NewInt(a.Minor).Sign())
	for i, w := range weights {
		share := new(big.Int).Mul(whole, big.NewInt(w))
		share, remainders[i] = share.QuoRem(share, total, new(big.Int))
		left.Sub(left, share)
		// With its sign a share fits, even when it is all of the smallest int64.
		parts[i] = Amount{Minor: new(big.Int).Mul(share, big.NewInt(sign)).Int64(), Currency: a.Currency}
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return remainders[j].Cmp(remainders[i]) })
	for _, i := range order[:left.Int64()] {
		parts[i].Minor += sign
	}
	return parts, nil
}

// String returns the amount as in "-12.34 EUR"; of a currency that is not known, the
// minor units.
func (a Amount) String() string {
	n, err := a.Currency.Digits()
	if err != nil {
		return fmt.Sprintf("%d minor units of %q", a.Minor, string(a.Currency))
	}
	return decimal(big.NewInt(a.Minor), n) + " " + string(a.Currency)
}

// Parse reads an amount as String writes it. Fewer decimals are accepted, more are not.
func Parse(text string) (Amount, error) {
	number, code, ok := strings.Cut(text, " ")
	if !ok {
		return Amount{}, fmt.Errorf("money: %q is not an amount such as \"12.34 EUR\"", text)
	}
	currency := Currency(code)
	n, err := currency.Digits()
	if err != nil {
		return Amount{}, err
	}
	rate, err := ParseRate(number)
	if err != nil {
		return Amount{}, err
	}
	if rate.scale > n {
		return Amount{}, fmt.Errorf("money: %q has more than the %d decimals of %s", text, n, currency)
	}
	minor := new(big.Int).Mul(big.NewInt(rate.coefficient), power(n-rate.scale))
	return amount(minor, currency)
}

func amount(minor *big.Int, currency Currency) (Amount, error) {
	if !minor.IsInt64() {
		return Amount{}, ErrOverflow
	}
	return Amount{Minor: minor.Int64(), Currency: currency}, nil
}

// decimal writes n with the last places digits behind a point.
func decimal(n *big.Int, places int) string {
	text := new(big.Int).Abs(n).String()
	if places > 0 {
		if missing := places + 1 - len(text); missing > 0 {
			text = strings.Repeat("0", missing) + text
		}
		text = text[:len(text)-places] + "." + text[len(text)-places:]
	}
	if n.Sign() < 0 {
		text = "-" + text
	}
	return text
}

func power(exponent int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
}
