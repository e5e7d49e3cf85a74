package rpc

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/primecloud/primecloud/pkg/access"
)

// direct is a unary method that reads, as a caller in the same process reaches it: on the
// caller's own goroutine, through the same chain. A hop to another one costs more than the
// chain, since that one begins with a small stack each time.
//
// Such a call ends when its handler returns. A handler that reads ends with its context, whose
// deadline and cancellation are the caller's; one that changes something may have to see it
// through after the caller has gone, and so is called over the channel. Of the values of the
// caller's context nothing gets across but the metadata.
type direct struct {
	server *Server
	from   origin
	name   string
	method grpc.MethodDesc
	impl   any
}

// directly returns the unary methods of the registered services that read, by full name.
func (s *Server) directly(from origin, known *methods) map[string]*direct {
	methods := map[string]*direct{}
	for _, r := range s.services {
		for _, m := range r.desc.Methods {
			name := "/" + r.desc.ServiceName + "/" + m.MethodName
			if rule := known.byName[name].rule; rule == nil || rule.Idempotency != access.Read {
				continue
			}
			methods[name] = &direct{server: s, from: from, name: name, method: m, impl: r.impl}
		}
	}
	return methods
}

// call makes a call; headers and trailers of the answer go where the replies want them.
func (d *direct) call(ctx context.Context, request, response any, to replies) error {
	if !d.server.inFlight.enter() {
		return errStopped
	}
	defer d.server.inFlight.leave()
	stream := &replyStream{method: d.name}
	ctx, cancel := calleeContext(ctx, stream)
	defer cancel()
	take := func(target any) error { return handOver(target, request) }
	answer, err := d.method.Handler(d.impl, ctx, take, d.chain)
	stream.tell(to)
	if err != nil {
		return err
	}
	return handOver(response, answer)
}

func (d *direct) chain(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	return d.server.unary(ctx, d.from, request, d.name, handler)
}

// calleeContext returns the context of the callee: it ends with the caller's and shares none
// of its values; what goes out of the caller comes in there.
func calleeContext(caller context.Context, stream grpc.ServerTransportStream) (context.Context, context.CancelFunc) {
	outgoing, _ := metadata.FromOutgoingContext(caller)
	// Without a cancel function of its own, each timeout below would need a goroutine to
	// watch a context that package context does not know.
	ctx, cancel := context.WithCancel(bounds{caller})
	ctx = metadata.NewIncomingContext(ctx, outgoing)
	return grpc.NewContextWithServerTransportStream(ctx, stream), cancel
}

// bounds are a context's deadline and cancellation without its values.
type bounds struct{ context.Context }

// Value returns nil.
func (bounds) Value(any) any { return nil }

// AfterFunc has package context watch the caller's context without a goroutine.
func (b bounds) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(b.Context, f) }

// handOver makes target the message that was sent, without copying what is in it: both
// sides share it from then on, so neither changes a message that it has sent or received.
func handOver(target, sent any) error {
	to, ok1 := target.(proto.Message)
	from, ok2 := sent.(proto.Message)
	if !ok1 || !ok2 {
		return fmt.Errorf("rpc: %T and %T must be protobuf messages", target, sent)
	}
	out, in := to.ProtoReflect(), from.ProtoReflect()
	if !in.IsValid() || out.Descriptor() != in.Descriptor() {
		return fmt.Errorf("rpc: a %T was sent where a %T was wanted", sent, target)
	}
	proto.Reset(to)
	in.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		out.Set(field, value)
		return true
	})
	if unknown := in.GetUnknown(); len(unknown) > 0 {
		out.SetUnknown(unknown)
	}
	return nil
}

// replies is where a caller wants what comes beside the answer.
type replies struct{ header, trailer *metadata.MD }

// repliesOf returns what the options of a call ask for; ok is false when one of them asks
// for something else.
func repliesOf(options []grpc.CallOption) (to replies, ok bool) {
	for _, option := range options {
		switch o := option.(type) {
		case grpc.HeaderCallOption:
			to.header = o.HeaderAddr
		case grpc.TrailerCallOption:
			to.trailer = o.TrailerAddr
		case grpc.StaticMethodCallOption, grpc.EmptyCallOption:
		default:
			return to, false
		}
	}
	return to, true
}

// replyStream takes the headers and trailers that the callee sets.
type replyStream struct {
	method string

	mu              sync.Mutex
	header, trailer metadata.MD
}

// Method returns the method's full name.
func (s *replyStream) Method() string { return s.method }

// SetHeader adds to the headers.
func (s *replyStream) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header = metadata.Join(s.header, md)
	return nil
}

// SendHeader adds to the headers, which the caller sees with the answer.
func (s *replyStream) SendHeader(md metadata.MD) error { return s.SetHeader(md) }

// SetTrailer adds to the trailers.
func (s *replyStream) SetTrailer(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailer = metadata.Join(s.trailer, md)
	return nil
}

func (s *replyStream) tell(to replies) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to.header != nil {
		*to.header = s.header
	}
	if to.trailer != nil {
		*to.trailer = s.trailer
	}
}
