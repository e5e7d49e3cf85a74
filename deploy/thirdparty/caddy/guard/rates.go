package guard

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// most is how many clients a generation remembers: some 20 MB.
const most = 100_000

// rates is one rate for each client. A client that is not seen for two generations has its full burst again anyway,
// so forgetting it changes nothing; only a flood of more than 100 000 clients within a generation makes it earlier.
type rates struct {
	limit rate.Limit
	burst int

	mu            sync.Mutex
	young, old    map[string]*rate.Limiter
	since         time.Time
	everyInterval time.Duration
}

// newRates returns nil, which allows everything, for no limit.
func newRates(perSecond int) *rates {
	if perSecond <= 0 {
		return nil
	}
	return &rates{
		limit: rate.Limit(perSecond), burst: 2 * perSecond, young: map[string]*rate.Limiter{}, old: map[string]*rate.Limiter{},
		// A burst is full again after two seconds.
		everyInterval: 10 * time.Second,
	}
}

func (r *rates) allow(client string, now time.Time) bool {
	if r == nil || client == "" {
		return true
	}
	return r.of(client, now).AllowN(now, 1)
}

func (r *rates) of(client string, now time.Time) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) > r.everyInterval || len(r.young) >= most {
		r.young, r.old, r.since = make(map[string]*rate.Limiter, len(r.young)), r.young, now
	}
	limiter := r.young[client]
	if limiter == nil {
		if limiter = r.old[client]; limiter == nil {
			limiter = rate.NewLimiter(r.limit, r.burst)
		}
		r.young[client] = limiter
	}
	return limiter
}

// counts is how many requests of each client are under way.
type counts struct {
	most int

	mu    sync.Mutex
	under map[string]int
}

// newCounts returns nil, which lets everybody in, for no limit.
func newCounts(most int) *counts {
	if most <= 0 {
		return nil
	}
	return &counts{most: most, under: map[string]int{}}
}

func (c *counts) enter(client string) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.under[client] >= c.most {
		return false
	}
	c.under[client]++
	return true
}

func (c *counts) leave(client string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.under[client]--; c.under[client] <= 0 {
		delete(c.under, client)
	}
}
