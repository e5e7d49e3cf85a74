// Package load is a closed loop of callers that cost as little as they can: the machine
// that is measured also runs them, so what they take is missing on both sides of a
// comparison and makes it look better than it is.
//
// Each caller has a connection of its own, which it keeps, and one call under way at a
// time. It checks that the answer is a success and throws its content away; that the
// content is right is checked by others, before the measuring.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Caller makes calls over one connection, one after the other.
type Caller interface {
	// Call makes one call and returns when it was answered with a success.
	Call() error
	// Close closes the connection.
	Close() error
}

// warmUp is how long callers work before anybody counts.
const warmUp = 300 * time.Millisecond

// Plan is one measurement.
type Plan struct {
	// Dial makes a caller.
	Dial func(ctx context.Context) (Caller, error)
	// Callers is how many of them work at a time.
	Callers int
	// For is how long they are counted.
	For time.Duration
}

// Result is what a measurement came to.
type Result struct {
	// PerSecond is how many calls were answered per second while they were counted.
	PerSecond float64
	// Calls is how many there were in all, those before the counting included.
	Calls int64
}

// Run carries the plan out.
func Run(ctx context.Context, p Plan) (Result, error) {
	callers := make([]Caller, 0, p.Callers)
	defer func() {
		for _, c := range callers {
			_ = c.Close()
		}
	}()
	for range p.Callers {
		c, err := p.Dial(ctx)
		if err != nil {
			return Result{}, err
		}
		callers = append(callers, c)
	}
	var done atomic.Bool
	calls := make([]paddedCount, len(callers))
	failures := make([]error, len(callers))
	var working sync.WaitGroup
	for i, c := range callers {
		working.Go(func() {
			for !done.Load() && failures[i] == nil {
				failures[i] = c.Call()
				calls[i].n.Add(1)
			}
		})
	}
	began, before := settle(ctx, warmUp, calls)
	ended, after := settle(ctx, p.For, calls)
	done.Store(true)
	working.Wait()
	if err := errors.Join(append(failures, ctx.Err())...); err != nil {
		return Result{}, err
	}
	_, all := settle(ctx, 0, calls)
	return Result{PerSecond: float64(after-before) / ended.Sub(began).Seconds(), Calls: all}, nil
}

// paddedCount is the count of one caller on a cache line of its own.
type paddedCount struct {
	n atomic.Int64
	_ [56]byte
}

// settle waits and then counts.
func settle(ctx context.Context, wait time.Duration, calls []paddedCount) (at time.Time, total int64) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
	for i := range calls {
		total += calls[i].n.Load()
	}
	return time.Now(), total
}

// Digits is a place in a request that every call fills anew, so that no two are the same.
const Digits = "000000000000"

// placesIn returns the runs of Digits in a request.
func placesIn(request []byte) (places [][]byte) {
	for rest := request; ; {
		at := bytes.Index(rest, []byte(Digits))
		if at < 0 {
			return places
		}
		end := at + len(Digits)
		places, rest = append(places, rest[at:end]), rest[end:]
	}
}

var serial atomic.Int64

// renew writes the next number into the place.
func renew(place []byte) {
	text := strconv.AppendInt(nil, serial.Add(1), 10)
	copy(place[len(place)-len(text):], text)
}

func unexpected(what string, got []byte) error { return fmt.Errorf("load: %s: %q", what, got) }
