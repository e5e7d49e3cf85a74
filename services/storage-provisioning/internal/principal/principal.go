// Package principal is the concept of an account's identity on a backend: its user, the
// one policy that says which buckets it reaches, and the hidden key that signs downloads.
//
// Several resources share it, so it is a managed resource of its own, keyed by account
// and backend, with a generation that every change of what the account reaches raises.
// What is wanted is always read afresh from the record: the names of the account's
// buckets, none of them while the account is stopped, and whether it may write. Names and secrets are ours, random, sealed in the record before the backend
// hears of them, so that no crash can lose them.
//
// A key that cannot have its bounds in an inline policy has a user of its own (Holder) with a
// named policy. These users belong to the identity: whatever changes what the account
// reaches is written to the account's policy and to theirs under one lease, before the
// change is told done. So the account's policy bounds them as it bounds the other keys.
//
// Guarantees: the policy names exactly the buckets that are the account's own; the
// backend is written only where it differs; two processes never write one identity at
// once. It removes an identity only with all else of a closed account.
package principal

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

// Kind is the kind of an identity as a managed resource.
const Kind = "principal"

// Principal is an account's identity on one backend.
type Principal struct {
	// ID is `pri_…`; it is no secret, the names below are.
	ID string
	// AccountID and Backend are its key.
	AccountID string
	Backend   string
	// User and UserSecret are the user's credentials. Nobody logs in with them: they are
	// the parent of the account's keys.
	User       string
	UserSecret string
	// ReaderKey and ReaderSecret are the hidden key that signs downloads.
	ReaderKey    string
	ReaderSecret string
	// Applied is the hash of the policy that the backend was last seen to have; empty when
	// the identity was not seen there as a whole, or an attempt has failed since.
	Applied string
	// SettleAt is when the backend is to be looked at once more, since an attempt failed
	// that it may have heard; zero when all is certain.
	SettleAt time.Time
	// Generation counts what was wanted, Observed is the last that was seen fulfilled.
	Generation int64
	Observed   int64
	CreatedAt  time.Time
}

// New returns an identity with names and secrets of its own.
func New(accountID, backend string, now time.Time) Principal {
	return Principal{
		ID: id.New("pri", now), AccountID: accountID, Backend: backend,
		// Access key ids are secrets as much as the secrets: whoever knows one can abuse
		// holes of the backend. So they are not derived from anything.
		User: "pcu" + random(10), UserSecret: secret(),
		ReaderKey: strings.ToUpper("pcr" + random(8)), ReaderSecret: secret(),
		CreatedAt: now,
	}
}

// Ref names the identity as a managed resource.
func (p Principal) Ref() reconcile.Ref {
	return reconcile.Ref{Kind: Kind, ID: p.ID, AccountID: p.AccountID}
}

// Policy is the name of the identity's policy on the backend.
func (p Principal) Policy() string { return "primecloud-" + p.ID }

// random returns n random bytes in hexadecimal.
func random(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails: it ends the process rather than return weak bytes
	return hex.EncodeToString(raw)
}

// secret returns 30 random bytes in 40 characters, the longest secret S3 clients know.
func secret() string {
	raw := make([]byte, 30)
	_, _ = rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}
