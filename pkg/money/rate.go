package money

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// MaxScale is the most decimals a rate may have.
const MaxScale = 18

// Rate is an exact decimal, such as a price per unit or a tax. The zero value is 0.
type Rate struct {
	coefficient int64
	scale       int
}

// ParseRate reads a decimal such as "0.0049", "-1" or "19": digits with at most one point
// between them, a sign only when negative, no exponent.
func ParseRate(text string) (Rate, error) {
	bad := fmt.Errorf("money: %q is not a decimal such as 0.0049", text)
	unsigned := strings.TrimPrefix(text, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	if whole == "" || point && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return Rate{}, bad
	}
	if len(fraction) > MaxScale {
		return Rate{}, fmt.Errorf("money: %q has more than %d decimals", text, MaxScale)
	}
	sign := strings.TrimSuffix(text, unsigned)
	coefficient, err := strconv.ParseInt(sign+whole+fraction, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return Rate{}, ErrOverflow
	}
	if err != nil {
		return Rate{}, bad
	}
	return Rate{coefficient: coefficient, scale: len(fraction)}, nil
}

// String writes the rate with the decimals it was given.
func (r Rate) String() string { return decimal(big.NewInt(r.coefficient), r.scale) }

// Of returns that share of an amount: a rate of 0.19 of 10.00 EUR is 1.90 EUR. Rounded.
func (r Rate) Of(a Amount) (Amount, error) {
	product := new(big.Int).Mul(big.NewInt(r.coefficient), big.NewInt(a.Minor))
	return amount(divide(product, power(r.scale)), a.Currency)
}

// Price is what a number of units costs: Rate, in the currency's major unit, for every
// Per units. Storage at 0.02 EUR per GiB, counted in bytes, has Per 1 << 30.
type Price struct {
	Rate     Rate
	Currency Currency
	Per      int64
}

// For returns the price of so many units. Rounded, once, at the very end: what is billed
// together must be counted together.
func (p Price) For(units int64) (Amount, error) {
	n, err := p.Currency.Digits()
	if err != nil {
		return Amount{}, err
	}
	if p.Per <= 0 {
		return Amount{}, fmt.Errorf("money: a price per %d units", p.Per)
	}
	product := new(big.Int).Mul(big.NewInt(p.Rate.coefficient), big.NewInt(units))
	product.Mul(product, power(n))
	divisor := new(big.Int).Mul(power(p.Rate.scale), big.NewInt(p.Per))
	return amount(divide(product, divisor), p.Currency)
}

// divide is the rounding rule: to the nearest, a half to the even neighbour. The divisor
// is positive.
func divide(dividend, divisor *big.Int) *big.Int {
	quotient, remainder := new(big.Int).QuoRem(dividend, divisor, new(big.Int))
	twice := new(big.Int).Abs(remainder)
	twice.Lsh(twice, 1)
	if c := twice.Cmp(divisor); c > 0 || c == 0 && quotient.Bit(0) == 1 {
		quotient.Add(quotient, big.NewInt(int64(dividend.Sign())))
	}
	return quotient
}
