// Package lastuse is what is known of who used which access key: the last time, operation
// and address, and whether it is safe to end a key.
//
// It guarantees: access key ids are turned into keyed hashes as soon as they are heard, and
// only those are kept; what is heard is written every few seconds, not with every request;
// a key counts as unused only as far back as uses were listened for.
//
// It is not exact: what happens while this service or the backend is down may be missed, and
// what was heard and not yet written is lost with the process. It is no basis for bills.
package lastuse

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
)

const (
	// flushEvery is how often what was heard is written.
	flushEvery = 2 * time.Second
	// flushWithin bounds one write.
	flushWithin = 10 * time.Second
	// maxHeard bounds what is remembered between two writes; more is dropped.
	maxHeard = 20_000
	// Keep is how long uses are kept, and the farthest that anybody may look back.
	Keep = 90 * 24 * time.Hour
	// DefaultDays is how far back is looked when nobody says.
	DefaultDays = 7
	// maxShown is how many uses are shown.
	maxShown = 20
)

// Lookup turns an access key id into a keyed hash: equal ids give equal hashes, and a hash
// gives no id away.
type Lookup struct{ key [sha256.Size]byte }

// NewLookup returns the hash under a secret of the deployment.
func NewLookup(secret []byte) Lookup {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte("access key lookup"))
	var l Lookup
	mac.Sum(l.key[:0])
	return l
}

// Of returns the hash of an id.
func (l Lookup) Of(id string) []byte {
	mac := hmac.New(sha256.New, l.key[:])
	_, _ = mac.Write([]byte(id))
	return mac.Sum(nil)
}

// Mark names the secret without giving it away: hashes of another mark are stale.
func (l Lookup) Mark() string {
	return fmt.Sprintf("%x", l.Of("mark"))[:16]
}

// Heard is one use as a backend tells of it.
type Heard struct {
	// KeyID is the access key id.
	KeyID string
	accesskey.Use
}

// Counted is a use as it is written: all alike since the last write.
type Counted struct {
	// Lookup is the hash of the key's id.
	Lookup []byte
	accesskey.Use
	Count int64
}

// Store keeps uses.
type Store interface {
	// RecordUses writes uses of keys that there are; others are dropped. listening notes that
	// something was heard at all.
	RecordUses(ctx context.Context, uses []Counted, listening time.Time) error
	// UsesOf returns the uses of a key and of its credentials before since then, the latest
	// first, and since when uses are listened for (zero when they are not).
	UsesOf(ctx context.Context, accountID, id string, since time.Time) (uses []accesskey.Use, listening time.Time, err error)
}

// Keys finds keys.
type Keys interface {
	// Get returns the account's key of that id.
	Get(ctx context.Context, accountID, id string) (accesskey.AccessKey, error)
}

// Deps is what the use cases need.
type Deps struct {
	Store  Store
	Keys   Keys
	Clock  clock.Clock
	Logger *slog.Logger
}

// Service hears uses, writes them, and answers for them.
type Service struct {
	Deps
	lookup Lookup

	mu      sync.Mutex
	heard   map[place]Counted
	any     bool
	dropped int
}

// place is what is counted together.
type place struct {
	lookup             [sha256.Size]byte
	operation, address string
}

// NewService returns the service.
func NewService(lookup Lookup, d Deps) *Service {
	return &Service{Deps: d, lookup: lookup, heard: map[place]Counted{}}
}

// Hear notes a use. It never blocks on anything.
func (s *Service) Hear(h Heard) {
	hash := s.lookup.Of(h.KeyID)
	at := place{operation: h.Operation, address: h.Address}
	copy(at.lookup[:], hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.any = true
	counted, known := s.heard[at]
	if !known && len(s.heard) >= maxHeard {
		s.dropped++
		return
	}
	if counted.Lookup == nil {
		counted = Counted{Lookup: hash, Use: h.Use}
	}
	if h.Time.After(counted.Time) {
		counted.Time = h.Time
	}
	counted.Count++
	s.heard[at] = counted
}

// Run writes what was heard until ctx is done, and then once more.
func (s *Service) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			s.flush(context.WithoutCancel(ctx))
			return nil
		case <-s.Clock.After(flushEvery):
			s.flush(ctx)
		}
	}
}

// flush writes what was heard. What cannot be written for now is heard again.
func (s *Service) flush(ctx context.Context) {
	s.mu.Lock()
	heard, any, dropped := s.heard, s.any, s.dropped
	s.heard, s.any, s.dropped = map[place]Counted{}, false, 0
	s.mu.Unlock()
	if dropped > 0 {
		s.Logger.WarnContext(ctx, "uses of access keys were dropped: too many different ones at once", "count", dropped)
	}
	if !any {
		return
	}
	uses := make([]Counted, 0, len(heard))
	for _, u := range heard {
		uses = append(uses, u)
	}
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	err := s.Store.RecordUses(ctx, uses, s.Clock.Now())
	switch {
	case err == nil:
	case ctx.Err() != nil || passes(err):
		s.Logger.WarnContext(ctx, "uses of access keys could not be written; they will be tried again", "error", err)
		s.again(heard)
	default:
		// Tried again, one that the database refuses would keep all others from being written.
		s.Logger.ErrorContext(ctx, "uses of access keys were refused, and are dropped", "error", err, "count", len(uses))
	}
}

// passes says whether what has failed so may succeed as it is.
func passes(err error) bool {
	switch errs.KindOf(err) {
	case errs.Unavailable, errs.DeadlineExceeded, errs.Canceled:
		return true
	default:
		return false
	}
}

// again puts back what could not be written.
func (s *Service) again(heard map[place]Counted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.any = true
	for at, u := range heard {
		if now, known := s.heard[at]; known {
			u.Count += now.Count
			if now.Time.After(u.Time) {
				u.Time = now.Time
			}
		} else if len(s.heard) >= maxHeard {
			s.dropped++
			continue
		}
		s.heard[at] = u
	}
}

// Check says whether it is safe to end a key.
type Check struct {
	// Safe says that no use was heard of in the time that was asked about.
	Safe bool
	// Summary is the answer in words.
	Summary string
	// Uses are what used it, the latest first.
	Uses []accesskey.Use
	// KnownSince is since when uses are listened for; zero when they are not.
	KnownSince time.Time
}

// CheckRevocation says what used the key in the last days.
func (s *Service) CheckRevocation(ctx context.Context, accountID, id string, days int) (Check, error) {
	if days <= 0 {
		days = DefaultDays
	}
	if _, err := s.Keys.Get(ctx, accountID, id); err != nil {
		return Check{}, err
	}
	now := s.Clock.Now()
	since := now.Add(-time.Duration(days) * 24 * time.Hour)
	uses, listening, err := s.Store.UsesOf(ctx, accountID, id, since)
	if err != nil {
		return Check{}, err
	}
	check := Check{Uses: uses, KnownSince: listening}
	period := fmt.Sprintf("the last %d days", days)
	switch {
	case len(uses) > 0:
		last := uses[0]
		check.Summary = fmt.Sprintf("not safe: it was last used %s by %s for %s; %d different uses in %s",
			last.Time.UTC().Format(time.RFC3339), last.Address, last.Operation, len(uses), period)
	case listening.IsZero():
		check.Summary = "unknown: nothing was heard of any use here yet, so that silence says nothing"
	case listening.After(since):
		check.Summary = fmt.Sprintf("unknown: no use was heard of, but uses are listened for only since %s", listening.UTC().Format(time.RFC3339))
	default:
		check.Safe = true
		check.Summary = "safe as far as can be known: no use in " + period
	}
	if len(check.Uses) > maxShown {
		check.Uses = check.Uses[:maxShown]
	}
	return check, nil
}
