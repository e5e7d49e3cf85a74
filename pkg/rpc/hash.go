package rpc

import (
	"crypto/sha256"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// hash returns the SHA-256 of a request, so that an idempotency key used with another
// request is noticed. The encoding is the same for equal messages within one version of
// the contract; should an upgrade change it in the 24 hours that a key lives, a repetition
// is refused as a reused key, never taken for another call's.
func hash(request any) ([sha256.Size]byte, error) {
	message, ok := request.(proto.Message)
	if !ok {
		return [sha256.Size]byte{}, fmt.Errorf("rpc: the request is no protobuf message but %T", request)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("rpc: %w", err)
	}
	return sha256.Sum256(raw), nil
}
