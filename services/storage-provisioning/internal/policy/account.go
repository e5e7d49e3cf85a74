package policy

import (
	"slices"
)

// Documents implements the port of package principal.
type Documents struct{}

// Account returns the policy of an account's user: reading and writing in exactly these
// buckets, or reading and deleting, and an explicit denial of every administration verb. A
// name that is no bucket name is left out, so that nothing can widen the document. Without
// buckets it allows nothing at all.
func (Documents) Account(buckets []string, readOnly bool) []byte {
	statements := []statement{deny(adminActions, nil)}
	changes := objectWriteActions
	if readOnly {
		changes = objectDeleteActions
	}
	var names, contents []string
	for _, name := range plainNames(buckets) {
		names = append(names, arnPrefix+name)
		contents = append(contents, arnPrefix+name+"/*")
	}
	if len(names) > 0 {
		statements = append(statements,
			allow(union(bucketReadActions, bucketWriteActions), names),
			allow(union(union(objectReadActions, lockReadActions), changes), contents))
	}
	return write(statements...)
}

// Reader returns the inline policy of the hidden key that signs downloads. It names all
// objects, because a key reaches no further than its user: the user's policy is the bound.
func (Documents) Reader() []byte {
	return write(allow(readerActions, []string{arnPrefix + "*/*"}))
}

// Same reports whether two documents say the same, however the backend spells them.
func (Documents) Same(a, b []byte) bool { return Same(a, b) }

// plainNames returns the names that are bucket names, in order, each once.
func plainNames(buckets []string) []string {
	var names []string
	for _, name := range buckets {
		if plainName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// plainName reports whether a name consists of the characters of a bucket name: no
// wildcard, no variable, no slash. It does not check the S3 rules.
func plainName(name string) bool {
	if len(name) < 3 || len(name) > 63 {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
		case c == '.' && i > 0 && i < len(name)-1 && name[i-1] != '.':
		default:
			return false
		}
	}
	return true
}

// union returns the members of both lists in order, each once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
