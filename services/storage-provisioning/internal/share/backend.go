package share

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

// Found is one object.
type Found struct {
	// Key is the whole key.
	Key string
	// Size is in bytes.
	Size int64
	// At is when it was last written.
	At time.Time
}

// Backend is one backend as links need it. Errors are classified as those of
// bucket.BackendReader. Whatever is done for an account is done with its own credentials, so
// that it ends with them.
type Backend interface {
	// PresignDownload signs a URL to get an object.
	PresignDownload(ctx context.Context, download object.Download) (object.Signed, error)
	// PresignUpload gets temporary credentials with the policy and signs a URL with them.
	PresignUpload(ctx context.Context, upload object.Upload) (object.Signed, error)
	// List returns a page of the current objects, by key.
	List(ctx context.Context, login object.Login, in object.Listing) (object.Page, error)
	// Stat returns an object without its bytes, or object.ErrNotFound.
	Stat(ctx context.Context, login object.Login, bucket string, ref object.Ref) (object.Object, error)
}

// Backends finds a backend by its name.
type Backends interface {
	// Shared returns the backend of that name with its public endpoint, and an error
	// BACKEND_UNKNOWN for a name that is not configured.
	Shared(name string) (b Backend, endpoint string, err error)
}
