// Package rpc builds the gRPC servers and clients of the suite. It owns the chain that
// every call goes through, the translation between package errs and google.rpc.Status,
// the names in the metadata, and the in-process channel, which is the same server without
// a wire.
//
// # The chain
//
// In this order, for unary calls and streams, over TCP and in process alike:
//
//  1. recovery: a panic is an INTERNAL error, logged with its stack;
//  2. request id: the caller's when it is well-formed, a new one otherwise;
//  3. deadline: the caller's, at most Config.MaxDeadline; Config.DefaultDeadline without one;
//  4. tracing: a span that continues the caller's trace, and the duration as a metric;
//  5. logging: one line per call;
//  6. error translation: errs to google.rpc.Status, here and nowhere else;
//  7. authentication; 8. authorisation; 9. validation; 10. the idempotency key.
//
// A caller is told first who he is not, then what he may not, then what he got wrong. A
// method of level PUBLIC ignores the authorization header, also one that is malformed or
// expired: nobody is locked out of logging in by the remains of an old login. A method of
// level SERVICE goes by the certificate and ignores the header too.
//
// Of a stream, the caller is checked when it opens, and every message for its account and
// its shape when it is received.
//
// # Guarantees
//
// A server with a method that does not declare its access and idempotency does not start.
// Nothing in the metadata makes a peer: the name comes from the verified certificate, or
// from the process itself for the in-process channel. What only the gateway may assert (the
// client's address) is read from it alone. An unknown error shows its text to the log only.
// Neither servers nor clients retry anything by themselves: whoever calls knows whether the
// call may be repeated, and has the idempotency key to do it with. (gRPC itself sends a call
// anew only if it never left the client.)
//
// Deadlines and durations are those of the machine's monotonic clock: a moved clock in
// Deps of a service changes what is due, not how long a call may take.
package rpc
