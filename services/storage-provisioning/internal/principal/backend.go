package principal

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// User is a user as the backend has it.
type User struct {
	// Exists says whether there is one; the other fields mean nothing without.
	Exists bool
	// Enabled says whether its keys work.
	Enabled bool
	// Policies are the names of the policies attached to it, in order.
	Policies []string
	// Groups are those that it is in; their policies add to its own.
	Groups []string
	// Administrator says that it is whom we work as on the backend.
	Administrator bool
}

// Users is the part of a backend that keeps users and named policies. Every method may
// be repeated. User names are access key ids and so are secrets: they stay out of errors
// and spans. Errors are classified as those of bucket.BackendReader.
type Users interface {
	// ObserveUser returns the user as it is; an absent one is no error.
	ObserveUser(ctx context.Context, user string) (User, error)
	// PutUser makes or replaces the user, enabled, with the secret.
	PutUser(ctx context.Context, user, secret string) error
	// GetPolicy returns the named policy's document, and whether there is one.
	GetPolicy(ctx context.Context, name string) (document []byte, exists bool, err error)
	// PutPolicy makes or replaces the named policy.
	PutPolicy(ctx context.Context, name string, document []byte) error
	// AttachPolicy makes the named policy the one policy of the user. Where one of them is absent
	// it is BACKEND_UNAVAILABLE: it was just made, and may be there in a moment.
	AttachPolicy(ctx context.Context, user, policy string) error
}

// KeySpec is a key (a MinIO service account) to make under a user.
type KeySpec struct {
	// User is the parent; its policy bounds the key.
	User string
	// ID is the S3 access key id, chosen by us.
	ID string
	// Secret is the S3 secret key, chosen by us.
	Secret string
	// Policy is the inline policy document, 2048 characters at most.
	Policy []byte
	// ExpireTime is when it ends; zero for never.
	ExpireTime time.Time
	// Description is shown to operators; never a secret.
	Description string
}

// Key is a key as the backend has it.
type Key struct {
	// Exists says whether there is one; the other fields mean nothing without.
	Exists bool
	// Enabled says whether it works.
	Enabled bool
	// User is its parent.
	User string
	// Policy is its inline policy document.
	Policy []byte
	// ExpireTime is when it ends; zero for never.
	ExpireTime time.Time
}

// Keys is the part of a backend that keeps keys. Every method may be repeated. Ids stay
// out of errors and spans. Errors are classified as those of bucket.BackendReader.
type Keys interface {
	// ObserveKey returns the key as it is; an absent one is no error.
	ObserveKey(ctx context.Context, id string) (Key, error)
	// PutKey makes the key, or brings an existing one of the same user to the spec,
	// secret included. An id that another user holds is BACKEND_REJECTED.
	PutKey(ctx context.Context, spec KeySpec) error
	// RemoveKey removes the key; an absent one is no error.
	RemoveKey(ctx context.Context, id string) error
}

// Policies writes and compares policy documents. It is pure.
type Policies interface {
	// Account returns the policy of an account's user: exactly these buckets, and an
	// explicit denial of making keys by itself. Read-only, it reads and deletes.
	Account(buckets []string, readOnly bool) []byte
	// Holder returns the policy of the user of one key: what its scope reaches of exactly
	// these buckets, and the same denial.
	Holder(scope policy.Scope, buckets []string, readOnly bool) []byte
	// Reader returns the inline policy of the hidden key that signs downloads: it reads
	// objects, wherever the user may.
	Reader() []byte
	// Same reports whether two documents say the same, however the backend spells them.
	Same(a, b []byte) bool
}

// Backend is one S3 deployment, seen from here.
type Backend struct {
	// Name is what requests and rows call it.
	Name string
	// Users keeps users and policies.
	Users Users
	// Keys keeps keys.
	Keys Keys
	// Removals removes what an identity is made of.
	Removals Removals
}

// Backends finds a backend by its name.
type Backends interface {
	// Principals returns the backend of that name, the default one for "", and an error
	// BACKEND_UNKNOWN for a name that is not configured.
	Principals(name string) (Backend, error)
}
