package grpcapi

import (
	"github.com/primecloud/primecloud/pkg/page"
)

// wanted is what every request for a list says.
type wanted interface {
	GetPageSize() int32
	GetPageToken() string
}

// pageOf returns what page a request asks for. Its token must be of this very list: the
// method, the account or person whose rows are listed, and what else the query says.
func pageOf(r wanted, method, scope string, query ...string) page.Request {
	return page.Request{
		Size: r.GetPageSize(), Token: r.GetPageToken(), Binding: page.Binding{Method: method, Account: scope, Query: query},
	}
}

// each converts the rows to show.
func each[T, P any](rows []T, convert func(T) P) []P {
	shown := make([]P, len(rows))
	for i, row := range rows {
		shown[i] = convert(row)
	}
	return shown
}
