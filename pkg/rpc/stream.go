package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/access"
)

// streamOverWire is the chain for streams from the network.
func (s *Server) streamOverWire(impl any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return s.stream(stream, originOf(stream.Context()), info.FullMethod, func(wrapped grpc.ServerStream) error {
		return handler(impl, wrapped)
	})
}

// stream is the chain for streams.
func (s *Server) stream(inner grpc.ServerStream, from origin, name string, handler func(grpc.ServerStream) error) (err error) {
	c := &call{server: s, origin: from, began: time.Now(), stream: true}
	ctx := c.begin(inner.Context(), name)
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
		err = c.end(ctx, err)
	}()
	ctx, err = c.admitStream(ctx)
	if err != nil {
		return err
	}
	return handler(&checkedStream{ServerStream: inner, ctx: ctx, call: c})
}

// admitStream checks the caller before there is a request: for an account's method as if
// the request named the caller's own account.
func (c *call) admitStream(ctx context.Context) (context.Context, error) {
	if c.foreign() {
		return ctx, nil
	}
	if c.method.rule == nil {
		return ctx, errUnimplemented
	}
	ctx, err := c.authenticate(ctx)
	if err == nil {
		err = access.Decide(c.method.rule, &c.principal, c.principal.AccountID)
	}
	if err != nil {
		c.refused(ctx, nil, err)
	}
	return ctx, err
}

// checkedStream holds every message it receives against the caller's account and the rules
// of shape. A stream takes no idempotency key.
type checkedStream struct {
	grpc.ServerStream
	ctx  context.Context
	call *call
}

// Context returns the context that the chain made.
func (s *checkedStream) Context() context.Context { return s.ctx }

// RecvMsg receives a message that the caller may send.
func (s *checkedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	c := s.call
	if c.foreign() {
		return nil
	}
	if err := access.Decide(c.method.rule, &c.principal, accountOf(m)); err != nil {
		c.refused(s.ctx, m, err)
		return err
	}
	if c.method.validate {
		return c.methods.validate(m)
	}
	return nil
}
