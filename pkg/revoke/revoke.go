// Package revoke knows which access tokens were taken back before their end. It owns the
// rule, the view that every service keeps of all revocations, and how identity spreads
// them: a NATS key-value bucket carries the entries and a heartbeat, a snapshot over gRPC
// fills every gap. The truth is identity's table.
//
// The rule: each revocation has an epoch, one more than the one before it, and each token
// carries the epoch at which it was minted. A token is refused when something it depends on
// (its session, its API key, its membership in the account, the account) was revoked at a
// later epoch than the token's. Clocks play no part in it: a token minted in the very
// second before a revocation is refused, one minted in the same second after it is not.
// That is exact only if epochs become visible in their order, so identity gives them out
// under a lock that is held until the transaction commits.
//
// Guarantees: an entry takes effect the moment it is seen, whatever was missed before it;
// a missed one is noticed by the next heartbeat, or by the heartbeats' absence, and
// fetched; Fresh says whether that worked lately. A view that is not fresh still refuses
// what it knows of and lets the rest pass: what it does not know of then lives on for at
// most the token's lifetime, which is why whoever mints something lasting asks
// RequireFresh first.
package revoke

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

// Bucket is the name of the key-value bucket.
const Bucket = "revocations"

const (
	entryPrefix  = "e."
	heartbeatKey = "heartbeat"
)

// Kind is what kind of thing a revocation ends.
type Kind string

// The kinds.
const (
	// Session is a login session.
	Session Kind = "session"
	// APIKey is an API key.
	APIKey Kind = "api_key"
	// Membership is a person's place in an account; its subject is MembershipSubject.
	Membership Kind = "membership"
	// Account is everybody's tokens for an account.
	Account Kind = "account"
)

// ErrRevoked is for a token that was taken back.
var ErrRevoked = errs.New(errs.Unauthenticated, "TOKEN_REVOKED",
	"the login, API key or membership behind the access token was revoked; log in again")

// errStale is for minting something lasting while revocations may be missing.
var errStale = errs.New(errs.Unavailable, "DEPENDENCY_UNAVAILABLE",
	"it cannot be checked right now whether the login was revoked; try again in a moment").WithRetryAfter(2 * time.Second)

// Entry is one revocation.
type Entry struct {
	// Epoch is its place in the order of all revocations, from 1.
	Epoch int64 `json:"epoch"`
	// Kind is what kind of thing is revoked.
	Kind Kind `json:"kind"`
	// Subject is its id.
	Subject string `json:"subject"`
	// RevokedAt is when; for people to read, the rule goes by the epoch.
	RevokedAt time.Time `json:"revoked_at"`
	// ExpiresAt is when the last token that it refuses has ended.
	ExpiresAt time.Time `json:"expires_at"`
}

// Snapshot is all revocations that still matter.
type Snapshot struct {
	// Epoch is the last one given out.
	Epoch int64
	// Entries are the revocations up to it whose tokens may still live.
	Entries []Entry
}

// heartbeat says, each second, how far the truth has come.
type heartbeat struct {
	Epoch int64     `json:"epoch"`
	Time  time.Time `json:"time"`
}

// MembershipSubject returns the subject of a membership's revocation.
func MembershipSubject(userID, accountID string) string { return userID + "/" + accountID }

func entryKey(epoch int64) string { return entryPrefix + strconv.FormatInt(epoch, 10) }

// decodeEntry reads an entry of the bucket and holds it against its key.
func decodeEntry(key string, value []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(value, &e); err != nil {
		return Entry{}, fmt.Errorf("revoke: entry %s: %w", key, err)
	}
	if key != entryKey(e.Epoch) || e.Epoch < 1 {
		return Entry{}, fmt.Errorf("revoke: entry %s says it is epoch %d", key, e.Epoch)
	}
	return e, nil
}

// subject is what an entry is about, split so that looking one up allocates nothing.
type subject struct {
	kind  Kind
	id    string
	inner string
}

func subjectOf(e Entry) subject {
	if e.Kind != Membership {
		return subject{kind: e.Kind, id: e.Subject}
	}
	user, account, _ := strings.Cut(e.Subject, "/")
	return subject{kind: Membership, id: user, inner: account}
}
