// Package auditchain proves that the audit trail is whole: each account's entries form a
// chain of hashes, and signed statements say how far a chain was at some moment.
//
// It owns the format: what is hashed, and how a chain is followed. The migration that chained
// what was there computes it in SQL; a test holds the two against each other.
//
// It guarantees that Verify and VerifyExport notice an entry that was changed, left out,
// swapped or added, a beginning that no checkpoint vouches for, and a tail that was cut
// off although an anchor or the export's own ending tells of it. What was appended after
// the last anchor can be cut off unnoticed; that is what the anchors' interval is for.
package auditchain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
)

// format names what is hashed; another format would have another name.
const format = "primecloud.audit.v1"

// Columns are the names of an entry's values, in the order in which they are hashed.
var Columns = []string{
	"account_id", "append_time", "event_id", "id", "time", "service", "method", "action", "severity", "outcome", "reason",
	"actor_kind", "actor_id", "actor_role", "actor_address", "actor_session_id", "target_kind", "target_id", "target_name",
	"request_id", "trace_id", "before", "after",
}

// Digest is a SHA-256 hash.
type Digest [sha256.Size]byte

// String returns it in small hexadecimal letters, as it is written everywhere.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// DigestOf reads what String wrote.
func DigestOf(text string) (Digest, error) {
	var d Digest
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(d) || hex.EncodeToString(raw) != text {
		return d, fmt.Errorf("%q is no SHA-256 hash in small hexadecimal letters", text)
	}
	copy(d[:], raw)
	return d, nil
}

// Position is a place in a chain: an entry's sequence and hash. The zero Position is that
// before the first entry.
type Position struct {
	// Sequence counts the account's entries from one.
	Sequence int64
	// Hash is the entry's.
	Hash Digest
}

// Record is an entry as it is hashed and exported: every value as text.
type Record struct {
	// Position is where it stands.
	Position
	// Values are those of Columns; an absent one is empty.
	Values []string
}

// AccountID returns whose entry it is.
func (r Record) AccountID() string { return r.Values[0] }

// RecordOf returns a stored entry as it was hashed.
func RecordOf(e audittrail.Entry) Record {
	return Record{
		Position: Position{Sequence: e.Link.Sequence, Hash: e.Link.Hash},
		Values: []string{
			e.AccountID, Moment(e.Link.AppendTime), e.EventID, e.ID, Moment(e.Time), e.Service, e.Method, e.Action, e.Severity, e.Outcome,
			e.Reason, e.Actor.Kind, e.Actor.ID, e.Actor.Role, e.Actor.Address, e.Actor.SessionID, e.Target.Kind, e.Target.ID,
			e.Target.Name, e.RequestID, e.TraceID, string(e.Before), string(e.After),
		},
	}
}

// After returns the place of the entry that is appended after the position, whose account
// and times are set.
func After(at Position, e audittrail.Entry) Position {
	return Position{Sequence: at.Sequence + 1, Hash: Hash(at, RecordOf(e).Values)}
}

// momentLayout is UTC to the microsecond, always with all digits.
const momentLayout = "2006-01-02T15:04:05.000000Z"

// Moment writes a time as it is hashed, signed and exported.
func Moment(t time.Time) string { return t.UTC().Format(momentLayout) }

// MomentOf reads what Moment wrote.
func MomentOf(text string) (time.Time, error) { return time.Parse(momentLayout, text) }

// Hash returns the hash of the entry with these values, next after the position.
func Hash(after Position, values []string) Digest {
	message := appendField(make([]byte, 0, 1024), format)
	message = appendField(message, after.Hash.String())
	message = appendField(message, strconv.FormatInt(after.Sequence+1, 10))
	for _, value := range values {
		message = appendField(message, value)
	}
	return sha256.Sum256(message)
}

// appendField writes a netstring: the length in bytes, a colon, the text, a comma. So no
// two lists of fields look alike.
func appendField(to []byte, value string) []byte {
	to = strconv.AppendInt(to, int64(len(value)), 10)
	to = append(to, ':')
	to = append(to, value...)
	return append(to, ',')
}

// fields returns the netstrings of the values.
func fields(values ...string) []byte {
	var message []byte
	for _, value := range values {
		message = appendField(message, value)
	}
	return message
}

// Walk follows one chain. Make it with the account and the position that it goes on from.
type Walk struct {
	// AccountID is whose chain it is.
	AccountID string
	// At is the last entry that was seen to be right.
	At Position
}

// Next takes the next entry and says what is wrong with it.
func (w *Walk) Next(r Record) error {
	switch {
	case len(r.Values) != len(Columns):
		return fmt.Errorf("entry %d has %d values, not %d", r.Sequence, len(r.Values), len(Columns))
	case r.AccountID() != w.AccountID:
		return fmt.Errorf("entry %d is of account %q, not %q", r.Sequence, r.AccountID(), w.AccountID)
	case r.Sequence != w.At.Sequence+1:
		return fmt.Errorf("entry %d stands where entry %d belongs: entries are missing, repeated or out of order", r.Sequence, w.At.Sequence+1)
	case r.Hash != Hash(w.At, r.Values):
		return fmt.Errorf("entry %d does not have the hash of what it says: it, or what comes before it, was changed", r.Sequence)
	}
	w.At = r.Position
	return nil
}
