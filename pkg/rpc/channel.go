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
//
// Caller and server share the messages of calls that read, so neither changes one that it
// has sent or received.
func (s *Server) Channel(peer string) grpc.ClientConnInterface {
	c := &channel{server: s, client: client{timeout: defaultTimeout, telemetry: s.telemetry}}
	c.open = sync.OnceValues(func() (*ways, error) { return s.ways(origin{peer: peer, inProcess: true}) })
	return c
}

// ways are how calls get to the server: those that read directly, all others over a channel.
type ways struct {
	direct  map[string]*direct
	channel *inprocgrpc.Channel
}

func (s *Server) ways(from origin) (*ways, error) {
	known, err := s.check()
	if err != nil {
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
	return &ways{direct: s.directly(from, known), channel: inner}, nil
}

// channel is one caller's connection in process.
type channel struct {
	server *Server
	client client
	open   func() (*ways, error)
}

var errStopped = errs.New(errs.Unavailable, reasonDependency, "the server is stopping; try again")

// Invoke makes a unary call.
func (c *channel) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	to, err := c.open()
	if err != nil {
		return err
	}
	ctx, cancel := c.client.outgoing(ctx)
	defer cancel()
	if method, found := to.direct[method]; found {
		if replies, ok := repliesOf(options); ok {
			return FromStatus(method.call(ctx, request, response, replies))
		}
	}
	return FromStatus(to.channel.Invoke(ctx, method, request, response, options...))
}

// NewStream opens a stream.
func (c *channel) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	to, err := c.open()
	if err != nil {
		return nil, err
	}
	stream, err := to.channel.NewStream(c.client.decorate(ctx), desc, method, options...)
	if err != nil {
		return nil, FromStatus(err)
	}
	return translating{stream}, nil
}
