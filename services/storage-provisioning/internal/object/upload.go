package object

import (
	"context"
	"time"
)

// Scope is what temporary credentials are asked for with: they can do what the policy says, and
// no more than the account's user.
type Scope struct {
	Login
	// Policy is the session policy. It is never empty.
	Policy []byte
}

// PendingUpload is an upload in parts that has not ended.
type PendingUpload struct {
	Key, ID   string
	StartedAt time.Time
}

// Part is a part of an upload.
type Part struct {
	// Number is 1 to 10000.
	Number int
	// ETag is what the backend answered, without quotes.
	ETag  string
	Size  int64
	PutAt time.Time
}

// UploadRef names an upload in parts.
type UploadRef struct{ Bucket, Key, ID string }

// NewUpload asks for an upload in parts.
type NewUpload struct {
	Bucket, Key string
	// ContentType is the backend's own default when empty.
	ContentType string
	Metadata    map[string]string
}

// Uploads are the uploads in parts of one backend. Errors are classified as those of Store, and
// besides as ErrUploadNotFound and ErrPartsInvalid.
type Uploads interface {
	// Begin begins one, with temporary credentials of that scope, and returns its id.
	Begin(ctx context.Context, scope Scope, upload NewUpload) (id string, err error)
	// Parts returns up to limit parts with numbers above after, and whether there are more.
	Parts(ctx context.Context, login Login, upload UploadRef, after, limit int) (parts []Part, more bool, err error)
	// Complete makes the object. Of it it returns version and etag.
	Complete(ctx context.Context, login Login, upload UploadRef, parts []Part) (Object, error)
	// Abort throws the parts away.
	Abort(ctx context.Context, login Login, upload UploadRef) error
	// Pending returns a page of uploads that have not ended. Of what it is asked it takes
	// bucket, prefix, limit, and what to go on behind: key and upload id.
	Pending(ctx context.Context, login Login, in Listing) (uploads []PendingUpload, more bool, err error)
}

// PartURLs asks for URLs that put parts.
type PartURLs struct {
	Scope
	UploadRef
	Numbers  []int
	Lifetime time.Duration
}

// Form asks for a form that puts one object.
type Form struct {
	Scope
	Bucket string
	// Key is exact; when it is empty, keys that begin with Prefix.
	Key, Prefix string
	// ContentType must be declared; empty for any.
	ContentType string
	// Min and Max bound the size of the file, in bytes.
	Min, Max int64
	// Redirect is where the backend sends a browser afterwards; empty for nowhere.
	Redirect string
	Lifetime time.Duration
}

// SignedForm is what to post.
type SignedForm struct {
	URL string
	// Fields are a secret until they expire.
	Fields     map[string]string
	ExpireTime time.Time
}

// UploadSigner signs for one backend's public endpoint, with temporary credentials.
type UploadSigner interface {
	// PresignParts returns a URL for each number. The credentials are those of an earlier call
	// for the same scope as long as they last, so that as a rule it asks nobody.
	PresignParts(ctx context.Context, in PartURLs) ([]Signed, error)
	// PresignForm returns a form.
	PresignForm(ctx context.Context, in Form) (SignedForm, error)
}
