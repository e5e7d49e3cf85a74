package money_test

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/money"
)

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

func rate(t testing.TB, text string) money.Rate {
	t.Helper()
	r, err := money.ParseRate(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// near draws whole numbers, often close to where 64 bits end.
func near() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000),
		rapid.Int64Range(math.MaxInt64-3, math.MaxInt64), rapid.Int64Range(math.MinInt64, math.MinInt64+3))
}

func TestArithmetic_is_exact_or_an_overflow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := near().Draw(t, "a"), near().Draw(t, "b")
		x, y := big.NewInt(a), big.NewInt(b)
		check := func(name string, got money.Amount, err error, want *big.Int) {
			if want.IsInt64() && (err != nil || got != eur(want.Int64())) || !want.IsInt64() && !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("%s of %d and %d is %v, error %v, want %s", name, a, b, got, err, want)
			}
		}
		got, err := eur(a).Add(eur(b))
		check("sum", got, err, new(big.Int).Add(x, y))
		got, err = eur(a).Sub(eur(b))
		check("difference", got, err, new(big.Int).Sub(x, y))
		got, err = eur(a).Neg()
		check("negative", got, err, new(big.Int).Neg(x))
		got, err = money.Sum("EUR", eur(a), eur(b), eur(a), eur(b))
		check("sum of four", got, err, new(big.Int).Lsh(new(big.Int).Add(x, y), 1))
	})
}

func TestArithmetic_refuses_to_mix_currencies(t *testing.T) {
	dollar := money.Amount{Minor: 1, Currency: "USD"}
	_, add := eur(1).Add(dollar)
	_, sub := eur(1).Sub(dollar)
	_, sum := money.Sum("EUR", eur(1), dollar)
	_, price := money.Price{Rate: rate(t, "1"), Currency: "XXX", Per: 1}.For(1)
	for _, err := range []error{add, sub, sum, price} {
		if !errors.Is(err, money.ErrCurrency) {
			t.Errorf("got %v", err)
		}
	}
}

func TestAllocate_gives_parts_that_add_up_and_are_within_one_unit_of_fair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := near().Draw(t, "whole")
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, math.MaxInt64)), 1, 8).Draw(t, "weights")
		total := new(big.Int)
		for _, w := range weights {
			total.Add(total, big.NewInt(w))
		}
		parts, err := eur(whole).Allocate(weights...)
		if total.Sign() == 0 {
			if err == nil {
				t.Fatal("split by nothing")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := money.Sum("EUR", parts...); err != nil || sum != eur(whole) {
			t.Fatalf("%d by %v is %v, which add up to %v, error %v", whole, weights, parts, sum, err)
		}
		for i, part := range parts {
			fair := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(whole), big.NewInt(weights[i])), total)
			off := fair.Sub(fair, new(big.Rat).SetInt64(part.Minor))
			if off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("part %d of %v is off by %s", i, parts, off)
			}
			if weights[i] == 0 && part.Minor != 0 {
				t.Fatalf("who has no weight got %v", part)
			}
		}
	})
}

func TestAllocate_gives_the_rest_to_the_largest_remainder(t *testing.T) {
	for _, tt := range []struct {
		whole   int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{-100, []int64{1, 1, 1}, []int64{-34, -33, -33}},
		{10, []int64{50, 30, 25}, []int64{5, 3, 2}},
		{7, []int64{60, 25, 15}, []int64{4, 2, 1}},
		{math.MinInt64, []int64{1}, []int64{math.MinInt64}},
	} {
		parts, err := eur(tt.whole).Allocate(tt.weights...)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range parts {
			if part.Minor != tt.want[i] {
				t.Errorf("%d by %v is %v, want %v", tt.whole, tt.weights, parts, tt.want)
			}
		}
	}
	if _, err := eur(1).Allocate(2, -1); err == nil {
		t.Error("a negative weight was accepted")
	}
}

func TestPrice_rounds_a_half_to_the_even_unit(t *testing.T) {
	for _, tt := range []struct {
		rate     string
		currency money.Currency
		per      int64
		units    int64
		want     int64
	}{
		{"0.005", "EUR", 1, 1, 0},
		{"0.005", "EUR", 1, 3, 2},
		{"0.005", "EUR", 1, 5, 2},
		{"0.005", "EUR", 1, -3, -2},
		{"0.005", "EUR", 1, -1, 0},
		{"0.0051", "EUR", 1, 1, 1},
		{"-0.0051", "EUR", 1, 1, -1},
		{"0.02", "EUR", 1 << 30, 10 << 30, 20},
		{"0.02", "EUR", 1 << 30, 1 << 28, 0},
		{"0.02", "EUR", 1 << 30, 3 << 28, 2},
		{"1.5", "JPY", 1, 1, 2},
		{"2.5", "JPY", 1, 1, 2},
		{"0.0015", "KWD", 1, 1, 2},
	} {
		got, err := money.Price{Rate: rate(t, tt.rate), Currency: tt.currency, Per: tt.per}.For(tt.units)
		if err != nil || got.Minor != tt.want || got.Currency != tt.currency {
			t.Errorf("%d units at %s %s per %d cost %v, want %d, error %v", tt.units, tt.rate, tt.currency, tt.per, got, tt.want, err)
		}
	}
	if _, err := (money.Price{Rate: rate(t, "1"), Currency: "EUR"}).For(1); err == nil {
		t.Error("a price per nothing was accepted")
	}
	if _, err := (money.Price{Rate: rate(t, "1"), Currency: "EUR", Per: 1}).For(math.MaxInt64); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("got %v", err)
	}
}

func TestRounding_is_never_off_by_more_than_half_and_knows_no_sign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,4}(\.[0-9]{1,8})?`).Draw(t, "rate")
		minor := rapid.Int64Range(-1e9, 1e9).Draw(t, "minor")
		r, err := money.ParseRate(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Of(eur(minor))
		if err != nil {
			t.Fatal(err)
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		exact.Mul(exact, new(big.Rat).SetInt64(minor))
		off := new(big.Rat).Sub(exact, new(big.Rat).SetInt64(got.Minor))
		switch off.Abs(off).Cmp(big.NewRat(1, 2)) {
		case 1:
			t.Fatalf("%s of %d is %d, off by %s", text, minor, got.Minor, off)
		case 0:
			if got.Minor%2 != 0 {
				t.Fatalf("%s of %d is %d, a half that went to the odd side", text, minor, got.Minor)
			}
		}
		if mirrored, err := r.Of(eur(-minor)); err != nil || mirrored.Minor != -got.Minor {
			t.Fatalf("%s of %d is %d, but of %d it is %d", text, minor, got.Minor, -minor, mirrored.Minor)
		}
	})
}

func TestAmount_is_read_back_as_it_was_written(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := money.Amount{
			Minor:    near().Draw(t, "minor"),
			Currency: money.Currency(rapid.SampledFrom([]string{"EUR", "JPY", "KWD"}).Draw(t, "currency")),
		}
		if got, err := money.Parse(want.String()); err != nil || got != want {
			t.Fatalf("%q was read as %v, error %v", want.String(), got, err)
		}
	})
	for want, a := range map[string]money.Amount{
		"-0.05 EUR": eur(-5), "12.34 EUR": eur(1234), "5 JPY": {Minor: 5, Currency: "JPY"}, "0.001 KWD": {Minor: 1, Currency: "KWD"},
		`5 minor units of "XXX"`: {Minor: 5, Currency: "XXX"},
	} {
		if got := a.String(); got != want {
			t.Errorf("%d is written %q, want %q", a.Minor, got, want)
		}
	}
}

func TestParse_refuses_what_is_no_amount(t *testing.T) {
	for _, text := range []string{
		"", "EUR", "1", "1 XXX", "1.234 EUR", "1.5 JPY", "1e3 EUR", "+1 EUR", ".5 EUR", "5. EUR", "1,5 EUR", "--1 EUR",
		"1 EUR ", "0x1 EUR", "1_000 EUR", "-.5 EUR", "92233720368547758.08 EUR", "92233720368547759 EUR",
	} {
		if got, err := money.Parse(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	if got, err := money.Parse("1.5 EUR"); err != nil || got != eur(150) {
		t.Errorf("got %v, error %v", got, err)
	}
}

// FuzzParseRate holds the parser against an exact one of the standard library.
func FuzzParseRate(f *testing.F) {
	for _, text := range []string{"0", "-0.0049", "19", "00.10", "9223372036854775807", "1e5", "1/2", ".5"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := money.ParseRate(text)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		got, gotOK := new(big.Rat).SetString(r.String())
		if !ok || !gotOK || want.Cmp(got) != 0 {
			t.Errorf("%q was read as %s", text, r)
		}
	})
}
