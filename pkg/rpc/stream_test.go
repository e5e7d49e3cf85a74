package rpc_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// echo serves GetBucket of the contract as a stream: the contract has none yet, and the
// chain must be ready for the first.
func echo(handle func(grpc.ServerStream) error) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "primecloud.storage.v1.BucketService",
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName: "GetBucket", ServerStreams: true, ClientStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error { return handle(stream) },
		}},
	}
}

func answer(stream grpc.ServerStream) error {
	for {
		request := &storagev1.GetBucketRequest{}
		if err := stream.RecvMsg(request); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		switch request.GetBucket() {
		case "panic":
			panic("boom")
		case "fail":
			return errs.New(errs.Aborted, "OPERATION_IN_PROGRESS", "wait")
		}
		who, ctx := principal.FromContext(stream.Context()), stream.Context()
		if _, limited := ctx.Deadline(); !limited || observe.RequestID(ctx) == "" {
			return errors.New("no deadline or request id")
		}
		reply := &storagev1.GetBucketResponse{Bucket: &storagev1.Bucket{Name: request.GetBucket(), AccountId: who.AccountID}}
		if err := stream.SendMsg(reply); err != nil {
			return err
		}
	}
}

// exchange sends the requests one by one and returns the names in the answers.
func exchange(ctx context.Context, conn grpc.ClientConnInterface, requests ...*storagev1.GetBucketRequest) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	desc := &grpc.StreamDesc{StreamName: "GetBucket", ServerStreams: true, ClientStreams: true}
	stream, err := conn.NewStream(ctx, desc, storagev1.BucketService_GetBucket_FullMethodName)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, request := range requests {
		if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) {
			return names, err
		}
		reply := &storagev1.GetBucketResponse{}
		if err := stream.RecvMsg(reply); err != nil {
			return names, err
		}
		names = append(names, reply.GetBucket().GetName())
	}
	if err := stream.CloseSend(); err != nil {
		return names, err
	}
	if err := stream.RecvMsg(&storagev1.GetBucketResponse{}); !errors.Is(err, io.EOF) {
		return names, err
	}
	return names, nil
}

func TestStream_goes_through_the_same_chain(t *testing.T) {
	w := start(t, func(w *world) { w.streaming = echo(answer) })
	of := func(account, name string) *storagev1.GetBucketRequest {
		return &storagev1.GetBucketRequest{AccountId: account, Bucket: name}
	}
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		w.lines.all(t)
		names, err := exchange(as(t, "owner"), conn, of(mine, "a"), of(mine, "b"))
		if err != nil || strings.Join(names, "") != "ab" {
			t.Fatalf("got %v, %v", names, err)
		}
		cases := map[string]struct {
			bearer   string
			requests []*storagev1.GetBucketRequest
			kind     errs.Kind
			reason   string
		}{
			"no login":                 {"", []*storagev1.GetBucketRequest{of(mine, "a")}, errs.Unauthenticated, "LOGIN_REQUIRED"},
			"a forged token":           {"forged", []*storagev1.GetBucketRequest{of(mine, "a")}, errs.Unauthenticated, "TOKEN_INVALID"},
			"another account":          {"owner", []*storagev1.GetBucketRequest{of("acc_2", "a")}, errs.NotFound, "NOT_FOUND"},
			"another account later on": {"owner", []*storagev1.GetBucketRequest{of(mine, "a"), of("acc_2", "a")}, errs.NotFound, "NOT_FOUND"},
			"a malformed message":      {"owner", []*storagev1.GetBucketRequest{of(mine, "a"), of(mine, "")}, errs.InvalidArgument, "REQUEST_INVALID"},
			"an error of the handler":  {"owner", []*storagev1.GetBucketRequest{of(mine, "fail")}, errs.Aborted, "OPERATION_IN_PROGRESS"},
			"a panic of the handler":   {"owner", []*storagev1.GetBucketRequest{of(mine, "panic")}, errs.Internal, "INTERNAL"},
		}
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				_, err := exchange(as(t, c.bearer), conn, c.requests...)
				wants(t, err, c.kind, c.reason)
			})
		}
	})
}

func TestStop_waits_for_a_stream_in_process(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	w := start(t, func(w *world) {
		w.streaming = echo(func(grpc.ServerStream) error {
			close(entered)
			<-release
			return nil
		})
	})
	ctx := rpc.WithBearer(t.Context(), "owner")
	done := make(chan error, 1)
	go func() {
		_, err := exchange(ctx, w.server.Channel(""), &storagev1.GetBucketRequest{AccountId: mine, Bucket: "a"})
		done <- err
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- w.server.Stop(as(t, "")) }()
	select {
	case err := <-stopped:
		t.Fatalf("stopped while a stream was open: %v", err)
	case <-afterAMoment():
	}
	close(release)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Fatalf("the stream ended with %v", err)
	}
}

func TestChannel_in_process_tells_the_health_of_the_server(t *testing.T) {
	w := start(t)
	asked := healthv1.NewHealthClient(w.server.Channel("gateway"))
	for _, healthy := range []bool{true, false} {
		w.server.SetHealthy(healthy)
		answer, err := asked.Check(t.Context(), &healthv1.HealthCheckRequest{})
		if err != nil || (answer.GetStatus() == healthv1.HealthCheckResponse_SERVING) != healthy {
			t.Errorf("healthy %v is told as %v, %v", healthy, answer.GetStatus(), err)
		}
	}
}
