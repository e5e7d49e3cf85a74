package rpc

import (
	"context"
	"sync"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/primecloud/primecloud/pkg/errs"
)

// Channel returns a connection to the server without a wire, for callers in the same
// process: same chain, same rules. peer is the caller's name, as its certificate would say
// it; whoever holds the channel is that peer, and no metadata makes anybody else it. The
// services may be registered after Channel, but before its first use.
func (s *Server) Channel(peer string) grpc.ClientConnInterface {
	c := &channel{server: s, client: client{timeout: defaultTimeout, telemetry: s.telemetry}}
	c.open = sync.OnceValues(func() (*inprocgrpc.Channel, error) { return s.channel(origin{peer: peer, inProcess: true}) })
	return c
}

func (s *Server) channel(from origin) (*inprocgrpc.Channel, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	inner := &inprocgrpc.Channel{}
	inner.WithServerUnaryInterceptor(func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if !s.inFlight.enter() {
			return nil, errStopped
		}
		defer s.inFlight.leave()
		return s.unary(ctx, from, request, info.FullMethod, handler)
	})
	inner.WithServerStreamInterceptor(func(impl any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if !s.inFlight.enter() {
			return errStopped
		}
		defer s.inFlight.leave()
		return s.stream(stream, from, info.FullMethod, func(wrapped grpc.ServerStream) error { return handler(impl, wrapped) })
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.services {
		inner.RegisterService(r.desc, r.impl)
	}
	healthv1.RegisterHealthServer(inner, s.health)
	return inner, nil
}

// channel is one caller's connection in process.
type channel struct {
	server *Server
	client client
	open   func() (*inprocgrpc.Channel, error)
}

var errStopped = errs.New(errs.Unavailable, reasonDependency, "the server is stopping; try again")

// Invoke makes a unary call.
func (c *channel) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	inner, err := c.open()
	if err != nil {
		return err
	}
	ctx, cancel := c.client.outgoing(ctx)
	defer cancel()
	return FromStatus(inner.Invoke(ctx, method, request, response, options...))
}

// NewStream opens a stream.
func (c *channel) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	inner, err := c.open()
	if err != nil {
		return nil, err
	}
	stream, err := inner.NewStream(c.client.decorate(ctx), desc, method, options...)
	if err != nil {
		return nil, FromStatus(err)
	}
	return translating{stream}, nil
}
