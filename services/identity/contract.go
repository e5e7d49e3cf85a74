package identity

import (
	"github.com/primecloud/primecloud/pkg/access"
	// An API key may be given the scopes of every service, and access to all of them is explained here.
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// contract returns the rules of every method of the suite.
func contract() (*access.Table, error) { return access.NewTable(access.Contract()...) }
