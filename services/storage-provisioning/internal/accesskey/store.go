package accesskey

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// Rows are the access keys of the account, in the transaction.
type Rows interface {
	// Insert writes a new key, id and secret sealed.
	Insert(ctx context.Context, k AccessKey) error
	// ByID returns a key without its secret, and locks it.
	ByID(ctx context.Context, id string) (k AccessKey, ok bool, err error)
	// Save writes the key, which is locked, with one version more than it has, and returns
	// that. A zero SecretUntil destroys the secret; else it is replaced where there is one.
	Save(ctx context.Context, k AccessKey) (version int64, err error)
	// Note writes what only reconciliation keeps (SecretUntil, Unsure, SightedAt) and
	// leaves the version. A zero SecretUntil destroys the secret.
	Note(ctx context.Context, k AccessKey) error
	// Remove removes the key.
	Remove(ctx context.Context, id string) error
	// Buckets returns those of the named buckets that are the account's, all of them for nil.
	Buckets(ctx context.Context, names []string) ([]GrantedBucket, error)
}

// AdoptionRows are what taking a key over needs of the record, in the transaction.
type AdoptionRows interface {
	// Holding returns the account's key that has these credentials, visible or not, and locks
	// it.
	Holding(ctx context.Context, accountID, backend, keyID string) (k AccessKey, ok bool, err error)
	// Reserve inserts a key, unless some account's has these credentials already.
	Reserve(ctx context.Context, k AccessKey) (reserved bool, err error)
}

// Access is the account's identity on a backend, in the transaction.
type Access interface {
	// Touch raises the identity's generation, which it returns, and sets when it is due.
	Touch(ctx context.Context, accountID, backend string, due time.Time) (int64, error)
}

// Tx is a transaction of the account.
type Tx struct {
	change.Tx
	Keys      Rows
	Adoptions AdoptionRows
	Standings standing.Ends
	Quotas    quota.Rows
	Access    Access
	Drifts    drift.Rows
}

// Quota is the account's limits.
type Quota interface {
	// Admit lets one more of a kind be made, in the transaction that makes it, or is
	// QUOTA_EXCEEDED.
	Admit(ctx context.Context, rows quota.Rows, accountID string, k quota.Kind) error
}

// Query asks for a page of an account's keys, oldest first.
type Query struct {
	AccountID string
	// After is the last id of the page before; empty for the first page.
	After string
	// Limit is how many at most.
	Limit int
}

// Store keeps access keys.
type Store interface {
	// InAccount runs fn in a transaction in which only that account's rows exist. fn may
	// run several times.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Get returns the account's visible key of that id, without its secret.
	Get(ctx context.Context, accountID, id string) (k AccessKey, ok bool, err error)
	// Load returns a key, visible or not, with its secret as long as that is kept, and with
	// its open operation, if it has one.
	Load(ctx context.Context, ref reconcile.Ref) (k AccessKey, open *operation.Operation, ok bool, err error)
	// List returns visible keys of one page, oldest first, without their secrets.
	List(ctx context.Context, query Query) ([]AccessKey, error)
	// Operation returns an operation of the account.
	Operation(ctx context.Context, accountID, id string) (operation.Operation, error)
}

// Principals is what a key needs of its account's identity.
type Principals interface {
	// Identity returns the account's identity once it is on the backend as recorded.
	Identity(ctx context.Context, accountID, backend string) (principal.Principal, error)
	// Find returns the account's identity as it is recorded, if it has one there.
	Find(ctx context.Context, accountID, backend string) (p principal.Principal, ok bool, err error)
}

// Revision changes a key without its secret.
type Revision struct {
	// ID is the S3 access key id.
	ID string
	// Policy is the inline policy document. It is always written, since leaving it out
	// would widen the key to what its user can.
	Policy []byte
	// Enabled says whether it works.
	Enabled bool
	// ExpireTime is when it ends; zero for never.
	ExpireTime time.Time
}

// Keys is the part of a backend that keeps keys. Every method may be repeated. Ids stay
// out of errors and spans. Errors are classified as those of bucket.BackendReader.
type Keys interface {
	principal.Keys
	// ReviseKey changes a key; an absent one is no error, and exists is false.
	ReviseKey(ctx context.Context, revision Revision) (exists bool, err error)
	// TryKey uses the key as its owner would. A key that does not work is BACKEND_REJECTED.
	TryKey(ctx context.Context, trial Trial) error
	// RemoveHolder removes the user and the policy of that name, if they are there, and says
	// whether one was.
	RemoveHolder(ctx context.Context, user, policy string) (existed bool, err error)
}

// Strays is the part of a backend that has to do with credentials that somebody else has
// made: users that stand by themselves, and keys as they were found. Every method may be
// repeated. Names and ids stay out of errors and spans. Errors are classified as those of
// bucket.BackendReader.
type Strays interface {
	// ObserveUser returns the user as it is; an absent one is no error.
	ObserveUser(ctx context.Context, user string) (principal.User, error)
	// GetPolicy returns the named policy's document, and whether there is one.
	GetPolicy(ctx context.Context, name string) (document []byte, exists bool, err error)
	// ShapeUser switches a user on or off and, if on, takes it out of its groups and has it
	// have the wanted policies alone. Its secret stays. An absent one is no error, an absent
	// policy is BACKEND_UNAVAILABLE.
	ShapeUser(ctx context.Context, user string, want principal.User) error
	// RemoveUser removes a user, and with it every key under it; an absent one is no error.
	RemoveUser(ctx context.Context, user string) error
	// RestoreKey puts a key back as it was observed, secret excepted; an absent one is no error.
	RestoreKey(ctx context.Context, id string, was principal.Key) error
	// ListUsers returns all users but the administrator that we work as.
	ListUsers(ctx context.Context) (map[string]principal.User, error)
	// ListKeys returns the ids of the keys of each of the users, one user at least.
	ListKeys(ctx context.Context, users []string) (map[string][]string, error)
}

// Nowhere is the bucket, or the folder below a prefix, that a key is tried on where it must
// find nothing. What is asked about it is no use of the key.
const Nowhere = "primecloud-nowhere"

// Trial is how a key is tried before it is handed over.
type Trial struct {
	// ID and Secret are the key.
	ID, Secret string
	// Bucket is one that it was granted; empty when it was granted none yet: then the backend
	// must know the key and refuse it.
	Bucket string
	// Prefix is what may be listed there, if Lists; else only the bucket's location is asked.
	Prefix string
	Lists  bool
	// Address is one that it may be used from; empty for any.
	Address string
}

// Backends finds a backend by its name.
type Backends interface {
	// Keys returns the keys of the backend of that name, and an error BACKEND_UNKNOWN for
	// a name that is not configured.
	Keys(name string) (Keys, error)
	// Strays returns the credentials of the backend of that name that may be nobody's, and
	// errors as Keys does.
	Strays(name string) (Strays, error)
	// Name returns the name of a configured backend, the default one's for "".
	Name(name string) (string, error)
}
