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
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
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
}

// victim serves one call in its own process, without any background work: each step is
// one of the call itself.
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
	k.arm()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = o.Call.judge(o.Call.send(rpc.WithBearer(ctx, o.Bearer), service.Channel("gateway")))
	if err != nil || o.Step != "" {
		return errors.Join(fmt.Errorf("%s still lives after steps %q", o.Call.Operation, k.steps), err)
	}
	steps, err := json.Marshal(k.steps)
	fmt.Println(says + string(steps))
	return err
}

// killer is the decorator that ends its process at a step. Steps are named by what is
// called and the how manieth call it is, since some run at the same time in any order.
type killer struct {
	step  string
	after bool

	mu     sync.Mutex
	armed  bool
	counts map[string]int
	steps  []string
}

func (k *killer) arm() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.armed = true
}

func (k *killer) around(ctx context.Context, name string, call func(context.Context) error) error {
	step := k.count(name)
	if step != "" && step == k.step && !k.after {
		die()
	}
	err := call(ctx)
	if step != "" && step == k.step && k.after {
		die()
	}
	return err
}

// count returns the name of the step; none before the call has begun.
func (k *killer) count(name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.armed {
		return ""
	}
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

// call is one call that changes a bucket, the same whoever sends it and how often.
type call struct {
	// Operation is create, update, delete, or refusedDelete.
	Operation string
	// Account and Bucket are this call's alone.
	Account, Bucket string
	// Key is the idempotency key; none for one that is sent once.
	Key string
}

// refusedDelete deletes a bucket that has content: the one that ends ABANDONED.
const refusedDelete = "refused delete"

// told is how the operation of a call that was answered has ended.
func (c call) told() string {
	if c.Operation == refusedDelete {
		return abandoned
	}
	return succeeded
}

// judge says what is wrong with an answer.
func (c call) judge(answer error) error {
	switch {
	case c.Operation != refusedDelete:
		return answer
	case errs.ReasonOf(answer) == "BUCKET_NOT_EMPTY":
		return nil
	default:
		return errors.Join(errors.New("wanted the answer BUCKET_NOT_EMPTY"), answer)
	}
}

func (c call) send(ctx context.Context, conn grpc.ClientConnInterface) error {
	buckets := storagev1.NewBucketServiceClient(conn)
	if c.Key != "" {
		ctx = rpc.WithIdempotencyKey(ctx, c.Key)
	}
	var err error
	switch c.Operation {
	case "create":
		_, err = buckets.CreateBucket(ctx, createRequest(c))
	case "update":
		_, err = buckets.UpdateBucket(ctx, updateRequest(c))
	default:
		_, err = buckets.DeleteBucket(ctx, &storagev1.DeleteBucketRequest{AccountId: c.Account, Bucket: c.Bucket})
	}
	return err
}
