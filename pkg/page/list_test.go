package page_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/page"
)

// row is one of a list that is ordered by group and then by number.
type row struct{ group, number int }

func (r row) position() page.Position {
	return page.Position{strconv.Itoa(r.group), strconv.Itoa(r.number)}
}

func (r row) behind(after page.Position) bool {
	if len(after) == 0 {
		return true
	}
	group, _ := strconv.Atoi(after.At(0))
	number, _ := strconv.Atoi(after.At(1))
	return r.group > group || r.group == group && r.number > number
}

// rowsBehind returns a fetch of the rows, which are in order.
func rowsBehind(rows []row) func(page.Position, int) ([]row, error) {
	return func(after page.Position, limit int) ([]row, error) {
		start := slices.IndexFunc(rows, func(r row) bool { return r.behind(after) })
		if start < 0 {
			return nil, nil
		}
		return rows[start:min(start+limit, len(rows))], nil
	}
}

func TestList_shows_every_row_once_and_in_order_whatever_the_sizes_of_its_pages(t *testing.T) {
	c := codec(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		var rows []row
		for i := range rapid.IntRange(0, 20).Draw(t, "count") {
			rows = append(rows, row{group: i / 3, number: i % 3})
		}
		r := page.Request{Binding: binding().Draw(t, "binding"), Keys: 2}
		var seen []row
		for {
			r.Size = rapid.Int32Range(1, 8).Draw(t, "size")
			shown, next, err := page.List(c, r, rowsBehind(rows), row.position)
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, shown...)
			if next == "" {
				break
			}
			if len(shown) != int(r.Size) {
				t.Fatalf("a page of %d has %d rows and is not the last", r.Size, len(shown))
			}
			r.Token = next
		}
		if !slices.Equal(seen, rows) {
			t.Fatalf("%v was shown of %v", seen, rows)
		}
	})
}

func TestList_asks_for_one_row_more_than_it_shows(t *testing.T) {
	for size, want := range map[int32]int{0: page.DefaultSize + 1, 7: 8, page.MaxSize + 1: page.MaxSize + 1} {
		_, _, err := page.List(codec(t, 1), page.Request{Size: size}, func(after page.Position, limit int) ([]row, error) {
			if limit != want || after.At(0) != "" {
				t.Errorf("a page of %d asks for %d rows behind %q", size, limit, after)
			}
			return nil, nil
		}, row.position)
		if err != nil {
			t.Error(err)
		}
	}
}

func TestList_asks_for_nothing_that_it_cannot_show(t *testing.T) {
	c, b := codec(t, 1), page.Binding{Method: "/m"}
	fetch := func(page.Position, int) ([]row, error) {
		t.Error("rows were asked for")
		return nil, nil
	}
	for name, r := range map[string]page.Request{
		"a forged token":            {Token: "forged", Binding: b},
		"a token of another list":   {Token: c.Encode(page.Position{"a"}, page.Binding{Method: "/other"}), Binding: b},
		"a position with too many":  {Token: c.Encode(page.Position{"a", "b"}, b), Binding: b},
		"a position with too few":   {Token: c.Encode(page.Position{"a"}, b), Binding: b, Keys: 2},
		"a size that is no size":    {Size: -1, Binding: b},
		"a size and a forged token": {Size: -1, Token: "forged", Binding: b},
	} {
		_, _, err := page.List(c, r, fetch, row.position)
		if r.Size == 0 && !errors.Is(err, page.ErrInvalid) || errs.KindOf(err) != errs.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestList_returns_no_rows_with_an_error(t *testing.T) {
	broken := errors.New("broken")
	rows, next, err := page.List(codec(t, 1), page.Request{}, func(page.Position, int) ([]row, error) {
		return make([]row, page.DefaultSize+1), broken
	}, row.position)
	if rows != nil || next != "" || !errors.Is(err, broken) {
		t.Errorf("%d rows, token %q, error %v", len(rows), next, err)
	}
}
