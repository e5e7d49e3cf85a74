package pg

import "errors"

// Scope says whose rows a statement may see and change: one account's, or all of them for
// a declared reason. The zero Scope sees nothing and is refused.
type Scope struct {
	account string
	reason  string
}

// Account is the scope of one account. An empty id is refused when the scope is used.
func Account(id string) Scope { return Scope{account: id} }

// System is the scope of a pass across accounts. The reason says why, in a word or two,
// for whoever reads the code or a trace; an empty one is refused when the scope is used.
func System(reason string) Scope { return Scope{reason: reason} }

// errNoScope is a defect of the caller, so it is no classified error.
var errNoScope = errors.New("pg: a statement needs a scope: Account with an id, or System with a reason")

// settings returns the values of app.account_id and app.scope.
func (s Scope) settings() (account, scope string, err error) {
	switch {
	case s.account != "" && s.reason == "":
		return s.account, "account", nil
	case s.reason != "" && s.account == "":
		return "", "system", nil
	default:
		return "", "", errNoScope
	}
}
