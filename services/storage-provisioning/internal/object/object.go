// Package object shows and changes what is in a bucket (list, versions, head, copy, move,
// delete, restore, search, tags), and hands out URLs and forms with which a client puts or gets
// objects directly on the backend, in one request or in parts. Object bytes never pass through us.
//
// The backend is asked with the account's own user, never the administrator: the account's policy
// is the bound, and a disabled user stops it. Every change is recorded in the account's trail
// before the backend is asked, and how it ended after; it may be repeated, and each use case says
// what a repetition does.
//
// Of URLs and forms it guarantees: a URL is signed for the public endpoint; one for an upload can write that
// object and nothing else, and one for a download can read; both end when the account's
// user is disabled, and at their time at the latest. A URL shows the id of the key that
// signed it, and the backend's known holes turn an id into a key: that is why the signing
// keys can do no more than the URL.
//
// It stores nothing. What is in the bucket, and whether the object exists, is the
// backend's business.
package object

import (
	"context"
	"time"
)

// Signed is a URL with what belongs to it.
type Signed struct {
	// Method is the HTTP method that it is signed for.
	Method string
	// URL is a secret until it expires.
	URL string
	// Headers must be sent as they are.
	Headers map[string]string
	// ExpireTime is when it stops working.
	ExpireTime time.Time
}

// Upload is what to sign an upload for.
type Upload struct {
	// User and Secret are the account's user.
	User, Secret string
	// Policy is the session policy under which only this object can be written.
	Policy []byte
	// Bucket and Key name the object.
	Bucket, Key string
	// ContentType must be declared by the upload; empty for any.
	ContentType string
	// Size is how many bytes the upload must have, no more and no less; nil for any.
	Size *int64
	// New has an object of the key refused that is there already.
	New bool
	// Lifetime is how long the URL works.
	Lifetime time.Duration
}

// Download is what to sign a download for.
type Download struct {
	// Reader and Secret are the account's hidden reader key.
	Reader, Secret string
	// Bucket and Key name the object.
	Bucket, Key string
	// VersionID is the version; empty for the current one.
	VersionID string
	// Disposition, ContentType and CacheControl are the headers that the backend is to answer
	// with; empty for the object's own.
	Disposition, ContentType, CacheControl string
	// Lifetime is how long the URL works.
	Lifetime time.Duration
}

// Signer signs URLs for one backend. Errors are classified as those of
// bucket.BackendReader.
type Signer interface {
	// PresignUpload gets temporary credentials with the policy and signs with them.
	PresignUpload(ctx context.Context, upload Upload) (Signed, error)
	// PresignDownload signs; it asks nobody.
	PresignDownload(ctx context.Context, download Download) (Signed, error)
}
