package rpc

import (
	"context"

	"google.golang.org/grpc"
)

// Unary runs the chain as if a call had come in.
func (s *Server) Unary(ctx context.Context, peer string, request any, method string, handler grpc.UnaryHandler) (any, error) {
	return s.unary(ctx, origin{peer: peer}, request, method, handler)
}

// Validate runs the rules of shape alone.
func (s *Server) Validate(request any) error {
	m, err := s.check()
	if err != nil {
		return err
	}
	return m.validate(request)
}

// Hash is the idempotency hash.
func Hash(request any) ([32]byte, error) { return hash(request) }
