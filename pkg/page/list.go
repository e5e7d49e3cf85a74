package page

// Request asks for a page of a list.
type Request struct {
	// Size and Token are page_size and page_token as the caller sent them.
	Size  int32
	Token string
	// Binding is the list that the token must be of.
	Binding Binding
	// Keys is how many values a position in the list has; zero is one.
	Keys int
}

// At returns the i-th value of the position; "" at the start of the list.
func (p Position) At(i int) string {
	if i < len(p) {
		return p[i]
	}
	return ""
}

// List returns a page of a list, and the token of the next page, which is empty on the last one.
//
// fetch returns the rows behind a position, in the list's order, limit at most: one more than
// are shown, to know whether there are more. The position is empty at the start of the list.
// position returns the position of a row. A token whose position has another number of values
// is ErrInvalid, as one of another list is.
func List[T any](
	c *Codec, r Request, fetch func(after Position, limit int) ([]T, error), position func(T) Position,
) (rows []T, next string, err error) {
	size, err := Size(r.Size, DefaultSize, MaxSize)
	if err != nil {
		return nil, "", err
	}
	after, err := c.Decode(r.Token, r.Binding)
	if err != nil {
		return nil, "", err
	}
	if len(after) > 0 && len(after) != max(r.Keys, 1) {
		return nil, "", ErrInvalid
	}
	if rows, err = fetch(after, size+1); err != nil {
		return nil, "", err
	}
	if len(rows) <= size {
		return rows, "", nil
	}
	return rows[:size], c.Encode(position(rows[size-1]), r.Binding), nil
}
