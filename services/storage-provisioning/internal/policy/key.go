package policy

import (
	"fmt"
	"slices"
)

// Permission is what a key may do in a bucket.
type Permission string

// The permissions.
const (
	// Read lists and gets.
	Read Permission = "READ"
	// Write puts and deletes.
	Write Permission = "WRITE"
	// ReadWrite does both.
	ReadWrite Permission = "READ_WRITE"
)

// Grant is one thing that a key may do.
type Grant struct {
	// Bucket is the bucket's name.
	Bucket string `json:"bucket"`
	// Permission is what it may do there.
	Permission Permission `json:"permission"`
}

// MaxGrants is how many grants a key may have: so many always fit into MaxInline.
const MaxGrants = 8

// MaxInline is the longest inline policy that every MinIO takes, in bytes.
const MaxInline = 2048

// Key returns the inline policy of a key with the grants. Several grants of one bucket
// add up. It fails on a grant that could reach more than its bucket, and on too many.
//
// To stay short it names `bucket/*` alone, which covers the bucket itself too.
func Key(grants []Grant) ([]byte, error) {
	if len(grants) == 0 || len(grants) > MaxGrants {
		return nil, fmt.Errorf("policy: a key has 1 to %d grants, not %d", MaxGrants, len(grants))
	}
	may, err := permissions(grants)
	if err != nil {
		return nil, err
	}
	var statements []statement
	for _, group := range []struct {
		permission Permission
		actions    []string
	}{
		{Read, union(bucketReadActions, objectReadActions)},
		{Write, union(bucketWriteActions, objectWriteActions)},
		{ReadWrite, union(union(bucketReadActions, objectReadActions), union(bucketWriteActions, objectWriteActions))},
	} {
		var contents []string
		for bucket, permission := range may {
			if permission == group.permission {
				contents = append(contents, arnPrefix+bucket+"/*")
			}
		}
		if len(contents) > 0 {
			slices.Sort(contents)
			statements = append(statements, allow(group.actions, contents))
		}
	}
	raw := write(statements...)
	if len(raw) > MaxInline {
		return nil, fmt.Errorf("policy: the grants need %d characters, more than %d", len(raw), MaxInline)
	}
	return raw, nil
}

// permissions returns what the grants allow in sum, by bucket.
func permissions(grants []Grant) (map[string]Permission, error) {
	may := map[string]Permission{}
	for _, g := range grants {
		if !plainName(g.Bucket) {
			return nil, fmt.Errorf("policy: %q is no bucket name", g.Bucket)
		}
		switch g.Permission {
		case Read, Write, ReadWrite:
		default:
			return nil, fmt.Errorf("policy: unknown permission %q", g.Permission)
		}
		if had, ok := may[g.Bucket]; ok && had != g.Permission {
			may[g.Bucket] = ReadWrite
			continue
		}
		may[g.Bucket] = g.Permission
	}
	return may, nil
}
