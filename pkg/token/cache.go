package token

import (
	"crypto/ed25519"
	"sync"
	"time"
)

// shards is how many locks the cache has; a power of two.
const shards = 16

// verified is one token that was found genuine.
type verified struct {
	claims Claims
	keyID  string
	key    ed25519.PublicKey
}

// cache remembers verified tokens by their whole text. The shard is picked by a character
// of the signature, which nobody chooses: only genuine tokens get in.
type cache struct {
	limit  int
	shards [shards]shard
}

type shard struct {
	mu     sync.RWMutex
	tokens map[string]*verified
}

func newCache(size int) *cache {
	c := &cache{limit: (size + shards - 1) / shards}
	if size < 0 {
		c.limit = 0
	}
	for i := range c.shards {
		c.shards[i].tokens = map[string]*verified{}
	}
	return c
}

func (c *cache) shard(raw string) *shard {
	// The last character of an Ed25519 signature carries two bits only, and so is skipped.
	if len(raw) < 2 {
		return &c.shards[0]
	}
	return &c.shards[raw[len(raw)-2]&(shards-1)]
}

func (c *cache) get(raw string) *verified {
	s := c.shard(raw)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tokens[raw]
}

func (c *cache) drop(raw string) {
	s := c.shard(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, raw)
}

// put remembers a token. A full shard first forgets what has ended and, if nothing has,
// an arbitrary token: that one is verified again when it comes back.
func (c *cache) put(raw string, v *verified, now time.Time) {
	if c.limit == 0 {
		return
	}
	s := c.shard(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tokens) >= c.limit {
		s.evict(now)
	}
	s.tokens[raw] = v
}

// evict makes room. It looks at a few tokens only, so that a full cache stays cheap.
func (s *shard) evict(now time.Time) {
	victim, looked := "", 0
	for raw, v := range s.tokens {
		if victim = raw; !now.Before(v.claims.Expires) {
			break
		}
		if looked++; looked == 8 {
			break
		}
	}
	delete(s.tokens, victim)
}
