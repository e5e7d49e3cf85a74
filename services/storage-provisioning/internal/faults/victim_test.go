package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

const (
	victimName = "victim"
	orderName  = "FAULTS_ORDER"
	// says begins the line in which a victim that lives tells its steps.
	says = "steps "
)

// order is what a victim is to do.
type order struct {
	Call call
	// Bearer is the caller's token, KeyID and KeyX the public key that it is verified with.
	Bearer, KeyID, KeyX string
	// Step is where it dies; none in a run that records. After is whether the step is done.
	Step  string
	After bool
	// Ordinal is at which step of its recovery an heir dies, whatever it is called.
	Ordinal int
	// Rows is where an heir sees whether anything is left to do.
	Rows string
}

// victim serves one call in its own process; each step is one of the call itself. It does
// nothing in the background but for access keys: who gives those out must know what is
// revoked, and learns it there.
func victim(ctx context.Context) error {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(orderName)), &o); err != nil {
		return err
	}
	k := &killer{step: o.Step, after: o.After, counts: map[string]int{}}
	service, err := newService(ctx, config.Environ(), storage.Deps{Around: k.around}, &identityv1.PublicKey{Kid: o.KeyID, X: o.KeyX})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(observe.WithRequestID(ctx, theCall), 20*time.Second)
	defer cancel()
	if o.Call.aboutKey() {
		go func() { _ = service.Run(context.Background()) }() // it ends with the process
	}
	_, err = o.Call.sendWhenFresh(rpc.WithBearer(ctx, o.Bearer), service.Channel("gateway"))
	err = o.Call.judge(err)
	if err != nil || o.Step != "" {
		return errors.Join(fmt.Errorf("%s still lives after steps %q", o.Call.Operation, k.steps), err)
	}
	steps, err := json.Marshal(k.steps)
	fmt.Println(says + string(steps))
	return err
}

// theCall is the request id of the call that is counted.
const theCall = "the-call"

// killer is the decorator that ends its process at a step. Steps are named by what is
// called and the how manieth call it is, since some run at the same time in any order.
type killer struct {
	step  string
	after bool

	mu     sync.Mutex
	counts map[string]int
	steps  []string
}

func (k *killer) around(ctx context.Context, name string, call func(context.Context) error) error {
	if observe.RequestID(ctx) != theCall {
		return call(ctx)
	}
	step := k.count(name)
	if step == k.step && !k.after {
		die()
	}
	err := call(ctx)
	if step == k.step && k.after {
		die()
	}
	return err
}

// count returns the name of the step.
func (k *killer) count(name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts[name]++
	step := fmt.Sprintf("%s#%d", name, k.counts[name])
	k.steps = append(k.steps, step)
	return step
}

// die is kill -9 by nobody's hand but the kernel's: nothing of the process runs after it.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// newService builds the service through its door. Identity is a few lines of this file.
func newService(ctx context.Context, settings config.Source, d storage.Deps, key *identityv1.PublicKey) (*storage.Service, error) {
	var c storage.Config
	if err := config.Load(&c, settings, "PRIMECLOUD_STORAGE_"); err != nil {
		return nil, err
	}
	c.AdminListen = ""
	if d.Telemetry == nil {
		d.Telemetry = observe.Discard()
	}
	d.Clock = clock.System()
	var err error
	if d.Identity, err = identity(key); err != nil {
		return nil, err
	}
	return storage.New(ctx, c, d)
}

// identity serves one key, and that nothing is revoked, in process.
func identity(key *identityv1.PublicKey) (grpc.ClientConnInterface, error) {
	server, err := rpc.NewServer(rpc.ServerConfig{
		Service: "identity", Noun: "identity",
		Authenticate: func(context.Context, string) (principal.Principal, error) {
			return principal.Nobody(), token.ErrInvalid
		},
	}, rpc.Deps{})
	if err != nil {
		return nil, err
	}
	identityv1.RegisterTokenServiceServer(server, tokenService{key: key})
	return server.Channel(storage.Name), nil
}

type tokenService struct {
	identityv1.UnimplementedTokenServiceServer
	key *identityv1.PublicKey
}

func (s tokenService) GetKeySet(context.Context, *identityv1.GetKeySetRequest) (*identityv1.GetKeySetResponse, error) {
	return &identityv1.GetKeySetResponse{Keys: []*identityv1.PublicKey{s.key}}, nil
}

func (tokenService) GetRevocationSnapshot(context.Context, *identityv1.GetRevocationSnapshotRequest) (*identityv1.GetRevocationSnapshotResponse, error) {
	return &identityv1.GetRevocationSnapshotResponse{}, nil
}
