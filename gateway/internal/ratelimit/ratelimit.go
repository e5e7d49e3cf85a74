// Package ratelimit gives every principal the same budget of requests per minute. It owns
// the counting and the headers that tell a client of it.
//
// The budget is a bucket that fills evenly: a client that was quiet may send a minute's
// worth at once. It is per process; with several replicas the budget is per replica.
//
// Guarantees: memory is bounded, whatever keys callers make up. When it is full, budgets
// of idle callers are forgotten first, which costs nothing; then any.
package ratelimit

import (
	"hash/maphash"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

const (
	window    = time.Minute
	shards    = 64
	shardSize = 2048
	// written is up to which number headers are written ahead.
	written = 8192
)

// ErrLimited is what a caller beyond the budget is told.
var ErrLimited = errs.New(errs.ResourceExhausted, "RATE_LIMITED", "too many requests; wait as long as Retry-After says")

// Limiter counts. The zero budget counts nothing and allows everything.
type Limiter struct {
	budget int64
	// apart is how long one request takes out of the window.
	apart  time.Duration
	seed   maphash.Seed
	shards [shards]shard
	// begin is how RateLimit begins; the others are written ahead.
	begin  string
	policy []string
	limit  []string
	digits [][]string
}

// shard is a part of the keys: when each bucket will be full again.
type shard struct {
	mu   sync.Mutex
	full map[string]int64
}

// New returns a limiter of budget requests per minute; zero is no limit. The name is what
// clients see of the policy.
func New(name string, budget int64) *Limiter {
	l := &Limiter{budget: budget, seed: maphash.MakeSeed(), begin: strconv.Quote(name) + ";r="}
	if budget <= 0 {
		return l
	}
	l.apart = max(1, window/time.Duration(budget))
	for i := range l.shards {
		l.shards[i].full = map[string]int64{}
	}
	number := strconv.FormatInt(budget, 10)
	l.limit = []string{number}
	l.policy = []string{strconv.Quote(name) + ";q=" + number + ";w=60"}
	l.digits = make([][]string, min(budget, written)+61)
	for i := range l.digits {
		l.digits[i] = []string{strconv.Itoa(i)}
	}
	return l
}

// Decision is the answer to one request.
type Decision struct {
	// Allowed says whether the request may go on.
	Allowed bool
	// Remaining is how many more are allowed now.
	Remaining int64
	// Reset is when the whole budget is there again.
	Reset time.Duration
	// RetryAfter is when the next request is allowed; zero when one is allowed now.
	RetryAfter time.Duration
}

// Take takes one request out of the key's budget.
func (l *Limiter) Take(key string, now time.Time) Decision {
	if l.budget <= 0 {
		return Decision{Allowed: true, Remaining: math.MaxInt64}
	}
	s := &l.shards[maphash.String(l.seed, key)%shards]
	at := now.UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	full, known := s.full[key]
	before := max(full, at)
	after := before + int64(l.apart)
	if wait := time.Duration(after-at) - window; wait > 0 {
		return Decision{RetryAfter: wait, Reset: time.Duration(before - at)}
	}
	if !known && len(s.full) >= shardSize {
		s.evict(at)
	}
	s.full[key] = after
	reset := time.Duration(after - at)
	return Decision{Allowed: true, Remaining: int64((window - reset) / l.apart), Reset: reset}
}

// evict makes room: first the buckets that are full, then an eighth of the others.
func (s *shard) evict(at int64) {
	for key, full := range s.full {
		if full <= at {
			delete(s.full, key)
		}
	}
	for key := range s.full {
		if len(s.full) < shardSize*7/8 {
			return
		}
		delete(s.full, key)
	}
}

// Tell writes the decision into the header of the response: the fields of the current
// draft (RateLimit, RateLimit-Policy) and those of the earlier ones, which more clients know.
func (l *Limiter) Tell(header http.Header, d Decision) {
	if l.budget <= 0 {
		return
	}
	reset := int64((d.Reset + time.Second - 1) / time.Second)
	header["Ratelimit-Policy"] = l.policy
	var text [96]byte
	b := strconv.AppendInt(append(text[:0], l.begin...), d.Remaining, 10)
	b = strconv.AppendInt(append(b, ";t="...), reset, 10)
	header["Ratelimit"] = []string{string(b)}
	header["Ratelimit-Limit"] = l.limit
	header["Ratelimit-Remaining"] = l.number(d.Remaining)
	header["Ratelimit-Reset"] = l.number(reset)
}

func (l *Limiter) number(n int64) []string {
	if n < int64(len(l.digits)) {
		return l.digits[n]
	}
	return []string{strconv.FormatInt(n, 10)}
}

// Key returns the key of an address: a whole IPv6 network of 64 bits is one caller, since
// that is what one line gets.
func Key(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is4() {
		return "address:" + address
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return "address:" + address
	}
	return "address:" + network.String()
}

// Size returns how many budgets are kept.
func (l *Limiter) Size() int {
	n := 0
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].full)
		l.shards[i].mu.Unlock()
	}
	return n
}
