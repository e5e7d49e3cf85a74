package share

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

// Login is the account's user on the backend. It is used by ourselves and never handed out.
type Login struct{ User, Secret string }

// Listing asks for the objects below a prefix.
type Listing struct {
	Login Login
	// Bucket and Prefix say where.
	Bucket, Prefix string
	// After is the last key shown; empty from the beginning.
	After string
	// Limit is how many at most.
	Limit int
}

// Found is one object.
type Found struct {
	// Key is the whole key.
	Key string
	// Size is in bytes.
	Size int64
	// At is when it was last written.
	At time.Time
}

// Put is what to sign an upload for.
type Put struct {
	Login Login
	// Policy is the session policy under which only this object can be written.
	Policy []byte
	// Bucket and Key name the object.
	Bucket, Key string
	// Size is how many bytes it takes, no less and no more.
	Size int64
	// Lifetime is until the upload must have begun.
	Lifetime time.Duration
}

// Backend is one backend as links need it. Errors are classified as those of
// bucket.BackendReader. Whatever is done for an account is done with its own credentials, so
// that it ends with them.
type Backend interface {
	// PresignDownload signs a URL to get an object.
	PresignDownload(ctx context.Context, download object.Download) (object.Signed, error)
	// PresignPut gets temporary credentials with the policy and signs a URL with them that
	// puts a new object and overwrites none.
	PresignPut(ctx context.Context, put Put) (object.Signed, error)
	// ListShared returns objects below a prefix, by key.
	ListShared(ctx context.Context, listing Listing) ([]Found, error)
	// StatShared reports whether there is an object of that key.
	StatShared(ctx context.Context, login Login, bucket, key string) (bool, error)
}

// Backends finds a backend by its name.
type Backends interface {
	// Shared returns the backend of that name with its public endpoint, and an error
	// BACKEND_UNKNOWN for a name that is not configured.
	Shared(name string) (b Backend, endpoint string, err error)
}
