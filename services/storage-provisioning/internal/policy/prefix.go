package policy

import "strings"

// UploadUnder returns the session policy under which objects can be written whose keys begin
// with the prefix, and nothing else. The prefix has the bounds of a key in Upload.
func UploadUnder(bucket, prefix string) ([]byte, error) {
	if !plainName(bucket) || prefix == "" || strings.ContainsAny(prefix, "*?") || strings.Contains(prefix, "${") {
		return nil, ErrNotExact
	}
	raw := write(allow([]string{"s3:PutObject"}, []string{arnPrefix + bucket + "/" + prefix + "*"}))
	if len(raw) > maxSession {
		return nil, ErrTooLong
	}
	return raw, nil
}
