package policy

// NeedsHolder says whether a key of the scope needs a user of its own on the backend: it has
// a pattern, whose buckets come and go, or does not fit into an inline policy.
func NeedsHolder(scope Scope) bool {
	for _, g := range scope.Grants {
		if IsPattern(g.Bucket) {
			return true
		}
	}
	_, err := Inline(scope)
	return err != nil
}

// Holder returns the policy of the user of one key: what the scope reaches of exactly these
// buckets, which are the account's, and an explicit denial of every administration verb.
// Read-only, what may write may still delete.
func (Documents) Holder(scope Scope, buckets []string, readOnly bool) []byte {
	resolved := scope.Resolve(plainNames(buckets))
	resolved.readOnly = readOnly
	statements := []statement{deny(adminActions, nil)}
	if allowed, err := resolved.statements(); err == nil {
		// What cannot be written without reaching further, and was refused when it was asked
		// for, reaches nothing.
		statements = append(statements, allowed...)
	}
	return write(statements...)
}

// Held returns the inline policy of a key that has a user of its own: all that keys may do at
// all. It names all buckets, because a key reaches no further than its user: the user's
// policy is the bound.
func Held() []byte {
	both := reach{list: true, read: true, write: true}
	return write(allow(union(both.bucketActions(), both.objectActions(false)), []string{arnPrefix + "*/*"}))
}

// Session returns the session policy of temporary credentials; ErrTooLong where it does not
// fit.
func Session(scope Scope) ([]byte, error) {
	raw, err := Inline(scope)
	if err == nil && len(raw) > maxSession {
		return nil, ErrTooLong
	}
	return raw, err
}
