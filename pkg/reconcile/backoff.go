package reconcile

import (
	"math/rand/v2"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

// MaxDelay caps the time between two attempts.
const MaxDelay = 30 * time.Second

// Delay returns how long to wait after the given number of failures in a row, the last of
// which was err. A dependency that is down is asked again after 2 to 15 seconds; anything
// else backs off from 1 second to MaxDelay. Half of it is chance, so that what failed
// together does not come back together.
func Delay(err error, failures int) time.Duration {
	base, limit := time.Second, MaxDelay
	if errs.KindOf(err) == errs.Unavailable {
		base, limit = 4*time.Second, 15*time.Second
	}
	delay := limit
	if shift := max(failures, 1) - 1; shift < 10 {
		delay = min(base<<shift, limit)
	}
	return delay/2 + rand.N(delay/2+1)
}
