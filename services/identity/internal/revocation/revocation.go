// Package revocation is the list of what ended before its tokens did. It owns the entry
// and its rule: a token that was minted at a lower epoch than that of an entry about its
// session, key, membership or account has ended.
//
// The store guarantees that epochs have no gaps and follow the order of commits, so that
// whoever has seen epoch n has seen everything up to n.
package revocation

import (
	"slices"
	"time"
)

// Kind is what kind of thing is revoked.
type Kind string

// The kinds.
const (
	// Session is a login of a person.
	Session Kind = "session"
	// APIKey is a login of a machine.
	APIKey Kind = "api_key"
	// Membership is a person's role in one account.
	Membership Kind = "membership"
	// Account is everything about one account.
	Account Kind = "account"
)

// Window is how long an entry matters: the longest that a token may live (an hour, by the
// contract of all verifiers) and what clocks may differ.
const Window = time.Hour + 5*time.Minute

// Entry is one revocation.
type Entry struct {
	// Epoch is its place in the order, given by the store.
	Epoch int64
	// Kind is what kind of thing is revoked.
	Kind Kind
	// Subject is its id; MembershipSubject for a membership.
	Subject string
	// RevokeTime is when.
	RevokeTime time.Time
	// ExpireTime is when no token that it could end is left.
	ExpireTime time.Time
}

// New returns an entry without its epoch.
func New(kind Kind, subject string, now time.Time) Entry {
	return Entry{Kind: kind, Subject: subject, RevokeTime: now, ExpireTime: now.Add(Window)}
}

// MembershipSubject returns how a membership is named.
func MembershipSubject(userID, accountID string) string { return userID + "/" + accountID }

// Snapshot is all entries after an epoch that still matter, and the epoch up to which they are complete.
type Snapshot struct {
	// Epoch is the last one given out.
	Epoch int64
	// Entries are in the order of their epochs.
	Entries []Entry
}

// Latest returns the last entry of each subject, which ends whatever those before it end.
// It is for whoever begins to know: an account whose member's role changes all day long
// must not make the list longer than others can take in.
func (s Snapshot) Latest() Snapshot {
	type subject struct {
		kind Kind
		id   string
	}
	seen := make(map[subject]bool, len(s.Entries))
	latest := Snapshot{Epoch: s.Epoch}
	for _, e := range slices.Backward(s.Entries) {
		if key := (subject{e.Kind, e.Subject}); !seen[key] {
			seen[key] = true
			latest.Entries = append(latest.Entries, e)
		}
	}
	slices.Reverse(latest.Entries)
	return latest
}
