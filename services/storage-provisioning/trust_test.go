package storage

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/observe"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// busyIdentity has many revocations.
type busyIdentity struct {
	identityv1.UnimplementedTokenServiceServer
	snapshot *identityv1.GetRevocationSnapshotResponse
}

func newBusyIdentity(many int) *busyIdentity {
	snapshot := &identityv1.GetRevocationSnapshotResponse{Epoch: int64(many)}
	for i := range many {
		snapshot.Revocations = append(snapshot.Revocations, &identityv1.Revocation{
			Epoch: int64(i + 1), Kind: identityv1.RevocationKind_REVOCATION_KIND_MEMBERSHIP,
			Subject:    fmt.Sprintf("usr_%026d/acc_%026d", i, i),
			RevokeTime: timestamppb.Now(), ExpireTime: timestamppb.New(time.Now().Add(time.Hour)),
		})
	}
	return &busyIdentity{snapshot: snapshot}
}

func (s *busyIdentity) GetRevocationSnapshot(context.Context, *identityv1.GetRevocationSnapshotRequest) (*identityv1.GetRevocationSnapshotResponse, error) {
	return s.snapshot, nil
}

func TestA_long_list_of_revocations_is_taken_in(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const many = 100_000
	server, busy := grpc.NewServer(), newBusyIdentity(many)
	identityv1.RegisterTokenServiceServer(server, busy)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	conn, err := dialIdentity(Config{IdentityTarget: listener.Addr().String()}, Deps{Telemetry: observe.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// This is about how long the list may be, not about how fast a busy machine is.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := source{identityv1.NewTokenServiceClient(conn)}.revocations(ctx)
	if err != nil || got.Epoch != many || len(got.Entries) != many {
		t.Errorf("epoch %d with %d entries, %v", got.Epoch, len(got.Entries), err)
	}
}
