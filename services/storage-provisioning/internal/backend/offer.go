package backend

import (
	"context"
	"sync"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// askFor is how long a backend has to say what it can do, when all are asked.
const askFor = 2 * time.Second

// Offer is a backend with what it can do.
type Offer struct {
	Backend
	// Features is nil while it does not answer.
	Features *bucket.Features
}

// Offers returns the backends, the default one first, each with what it says that it can do.
// All are asked at once, and one that is down takes two seconds at most.
func (r *Registry) Offers(ctx context.Context) []Offer {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	offers := make([]Offer, len(r.order))
	var wait sync.WaitGroup
	for i, b := range r.order {
		offers[i] = Offer{Backend: b}
		wait.Go(func() {
			if can, err := r.ports[b.Name].Features.Features(ctx); err == nil {
				offers[i].Features = &can
			}
		})
	}
	wait.Wait()
	return offers
}
