package grpcapi

import (
	"github.com/primecloud/primecloud/pkg/page"
)

// pager reads and makes the tokens of lists.
type pager struct{ codec *page.Codec }

// wanted is what every request for a list says.
type wanted interface {
	GetPageSize() int32
	GetPageToken() string
}

// view is one request for a page.
type view struct {
	pages   pager
	binding page.Binding
	// position is where the page before ended; empty at the start.
	position page.Position
	// size is how many to show. One more is fetched, to know whether there are more.
	size int
}

// open reads the request's token, which must be of this very list: the method, and the
// account or person whose rows are listed.
func (p pager) open(method string, request wanted, scope string, query ...string) (view, error) {
	v := view{pages: p, binding: page.Binding{Method: method, Account: scope, Query: query}}
	var err error
	if v.size, err = page.Size(request.GetPageSize(), page.DefaultSize, page.MaxSize); err != nil {
		return v, err
	}
	v.position, err = p.codec.Decode(request.GetPageToken(), v.binding)
	return v, err
}

// limit is how many rows to fetch.
func (v view) limit() int { return v.size + 1 }

// at returns the i-th value of the position; "" at the start of the list.
func (v view) at(i int) string {
	if i < len(v.position) {
		return v.position[i]
	}
	return ""
}

// cut converts the rows to show and returns the token of the next page, "" on the last one.
func cut[T, P any](v view, rows []T, convert func(T) P, position func(T) page.Position) ([]P, string) {
	token := ""
	if len(rows) > v.size {
		rows = rows[:v.size]
		token = v.pages.codec.Encode(position(rows[v.size-1]), v.binding)
	}
	shown := make([]P, len(rows))
	for i, row := range rows {
		shown[i] = convert(row)
	}
	return shown, token
}
