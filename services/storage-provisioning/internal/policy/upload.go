package policy

import (
	"errors"
	"strings"
)

// maxSession is the longest session policy that MinIO's AssumeRole takes, in bytes.
const maxSession = 2048

// Why a session policy cannot be written.
var (
	// ErrNotExact says that the key has characters that MinIO takes for a pattern or a
	// variable, for which it knows no escape.
	ErrNotExact = errors.New("policy: an object key with *, ? or ${ cannot be named exactly")
	// ErrTooLong says that the key is too long for a session policy.
	ErrTooLong = errors.New("policy: the object key does not fit into a session policy")
)

// Upload returns the session policy under which exactly one object can be written, in one
// request or in parts.
func Upload(bucket, key string) ([]byte, error) {
	if !plainName(bucket) || key == "" || strings.ContainsAny(key, "*?") || strings.Contains(key, "${") {
		return nil, ErrNotExact
	}
	statements := []statement{allow(uploadActions, []string{arnPrefix + bucket + "/" + key})}
	if !strings.HasSuffix(key, "/") {
		// MinIO drops a slash at the end before it compares: the object `key/` is another one.
		statements = append(statements, deny(uploadActions, []string{arnPrefix + bucket + "/*/"}))
	}
	raw := write(statements...)
	if len(raw) > maxSession {
		return nil, ErrTooLong
	}
	return raw, nil
}
