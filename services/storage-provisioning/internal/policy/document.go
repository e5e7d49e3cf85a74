// Package policy writes the IAM policy documents that MinIO is given, and compares them.
// It is pure: names and keys in, JSON out.
//
// It guarantees: the same input gives the same bytes; a document names exact buckets, or
// one exact object, and never a pattern that reaches beyond them; no document allows
// s3:*, an action that changes a bucket's configuration, or an administration verb.
//
// A condition is held against what the server knows of the request and, alas, against what
// the client says: the server puts every header and query parameter among the values, a
// header in the canonical spelling of the key even in place of its own. Networks are bound to
// the server's own view here (see within); a prefix for listing can be only where the door
// refuses such requests (deploy/thirdparty/caddy).
//
// It does not: know who owns a bucket. Callers pass names that they have checked.
//
// How MinIO reads a document, tried on the real server (see the tests here and in
// internal/minio): in a resource `*` and `?` are wildcards without any escape, and
// `${name}` is replaced where the name is known; a request on a bucket itself has the
// resource `name/`, so that `name/*` covers the bucket and its objects; before comparing,
// the server also cleans the request's path, so that the resource `b/k` covers the object
// `k/` too.
package policy

import (
	"encoding/json"
	"fmt"
)

const (
	version   = "2012-10-17"
	arnPrefix = "arn:aws:s3:::"
)

type document struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Effect   string   `json:"Effect"`
	Action   []string `json:"Action"`
	Resource []string `json:"Resource,omitempty"`
	// Condition is by operator, then by key.
	Condition map[string]map[string][]string `json:"Condition,omitempty"`
}

func allow(actions, resources []string) statement {
	return statement{Effect: "Allow", Action: actions, Resource: resources}
}

func deny(actions, resources []string) statement {
	return statement{Effect: "Deny", Action: actions, Resource: resources}
}

func write(statements ...statement) []byte {
	raw, err := json.Marshal(document{Version: version, Statement: statements})
	if err != nil {
		// Strings and slices always marshal.
		panic(fmt.Sprintf("policy: marshal: %v", err))
	}
	return raw
}

// The actions that S3 clients need, each list in order. What is not here is not allowed:
// creating and deleting buckets, policies, tags and rules of buckets, retention.
var (
	bucketReadActions = []string{
		"s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions",
	}
	// What a key of a prefix may ask of its bucket: nothing that shows what is in it.
	aroundActions = []string{"s3:GetBucketLocation", "s3:GetBucketVersioning"}
	listActions   = []string{"s3:ListBucket", "s3:ListBucketVersions"}

	bucketWriteActions = []string{
		"s3:GetBucketLocation", "s3:ListBucketMultipartUploads",
	}
	objectReadActions = []string{
		"s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion",
	}
	// lockReadActions are for the account's user alone, who shows what keeps a version.
	lockReadActions    = []string{"s3:GetObjectLegalHold", "s3:GetObjectRetention"}
	objectWriteActions = []string{
		"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectTagging", "s3:DeleteObjectVersion",
		"s3:ListMultipartUploadParts", "s3:PutObject", "s3:PutObjectTagging",
	}
	// objectDeleteActions are those of objectWriteActions that make nothing.
	objectDeleteActions = []string{
		"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectTagging", "s3:DeleteObjectVersion",
		"s3:ListMultipartUploadParts",
	}
	uploadActions = []string{
		"s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject",
	}
	readerActions = []string{"s3:GetObject", "s3:GetObjectVersion"}
	// Some administration verbs work for every user upon itself unless they are denied:
	// making, changing, listing and removing service accounts, and changing the password.
	adminActions = []string{"admin:*"}
)
