package accesstoken

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/token"
)

// Key is one signing key as it is kept. It is published from CreateTime, signs from
// SignFrom until SignUntil, and is published until RetireTime, when the last token that it
// signed has ended.
type Key struct {
	// ID is the key id in the header of tokens.
	ID string
	// Public is the half for verifying.
	Public ed25519.PublicKey
	// Sealed is the private half, sealed.
	Sealed []byte
	// CreateTime, SignFrom, SignUntil and RetireTime are its life.
	CreateTime, SignFrom, SignUntil, RetireTime time.Time
}

// Schedule says how keys follow each other.
type Schedule struct {
	// SignFor is how long a key signs.
	SignFor time.Duration
	// PublishAhead is how long before that it is published; verifiers fetch the set more
	// often than that.
	PublishAhead time.Duration
}

// Check reports a schedule that would sign with keys nobody knows yet.
func (s Schedule) Check() error {
	if s.PublishAhead < 5*time.Minute || s.SignFor <= s.PublishAhead {
		return fmt.Errorf("a signing key must be published at least 5 minutes ahead and sign for longer than that, not %s and %s",
			s.PublishAhead, s.SignFor)
	}
	return nil
}

// next returns when the key that should be made now would begin to sign, and whether one
// is due: with no key that signs now, at once; with one that ends soon and no successor,
// at its end.
func (s Schedule) next(keys []Key, now time.Time) (time.Time, bool) {
	var last time.Time
	for _, k := range keys {
		if k.SignUntil.After(last) {
			last = k.SignUntil
		}
	}
	switch {
	case !last.After(now):
		return now, true
	case last.Sub(now) <= s.PublishAhead:
		return last, true
	default:
		return time.Time{}, false
	}
}

// life returns the times of a key that begins to sign at from.
func (s Schedule) life(k Key, from, now time.Time) Key {
	k.CreateTime, k.SignFrom, k.SignUntil = now, from, from.Add(s.SignFor)
	// The margin is for a replica that takes the next key into use a little late.
	k.RetireTime = k.SignUntil.Add(token.MaxLifetime + 10*time.Minute)
	return k
}

// signs reports whether the key is the one to sign with now.
func (k Key) signs(now time.Time) bool { return !now.Before(k.SignFrom) && now.Before(k.SignUntil) }

// place is where the private half is kept: what it is sealed for.
func place(kid string) seal.Context {
	return seal.Context{Table: "signing_key", Column: "sealed_private", Row: kid}
}
