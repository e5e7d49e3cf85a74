package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/config"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

const (
	heirName = "heir"
	// The lines in which an heir tells where it dies, or that it has come to rest.
	dies  = "heir dies "
	rests = "heir rests after "
)

// heir is a whole replica in a process of its own that rolls forward what a dead one has
// left, and dies at a step of that. One that has nothing left to do ends, and says after
// how many steps.
func heir(ctx context.Context) error {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(orderName)), &o); err != nil {
		return err
	}
	rows, err := pgx.Connect(ctx, o.Rows)
	if err != nil {
		return err
	}
	k := &heirKiller{ordinal: o.Ordinal, after: o.After}
	service, err := newService(ctx, config.Environ(), storage.Deps{Around: k.around}, &identityv1.PublicKey{Kid: o.KeyID, X: o.KeyX})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, restWithin)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		left, err := unsettled(ctx, rows, o.Call.Account)
		if err != nil {
			return err
		}
		if left == 0 {
			fmt.Println(rests + fmt.Sprint(k.taken()))
			return nil
		}
		select {
		case <-tick.C:
		case err := <-ended:
			return errors.Join(errors.New("the heir ended"), err)
		}
	}
}

// heirKiller ends its process at the n-th step of a recovery.
type heirKiller struct {
	ordinal int
	after   bool

	mu    sync.Mutex
	steps int
}

func (k *heirKiller) taken() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.steps
}

func (k *heirKiller) around(ctx context.Context, name string, call func(context.Context) error) error {
	mine := k.count(name)
	if mine && !k.after {
		k.die(name)
	}
	err := call(ctx)
	if mine && k.after {
		k.die(name)
	}
	return err
}

// count says whether this is the step to die at.
func (k *heirKiller) count(name string) bool {
	if !ofRecovery(name) {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.steps++
	return k.steps == k.ordinal
}

func (k *heirKiller) die(name string) {
	fmt.Printf("%s%s %s (step %d)\n", dies, when(k.after), name, k.ordinal)
	die()
}

// ofRecovery tells the steps of bringing a resource to what is recorded from what else a
// replica does: its commits happen within the reconciler, as the stack shows.
func ofRecovery(name string) bool {
	if strings.HasPrefix(name, "minio.") {
		return name != "minio.ObserveAll" && name != "minio.ReportUsage" && name != "minio.TallyBucket"
	}
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	for {
		frame, more := frames.Next()
		if strings.Contains(frame.Function, "reconcile.(*Loop).attempt") {
			return true
		}
		if !more {
			return false
		}
	}
}
