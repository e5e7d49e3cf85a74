// Package port holds the one shape of decorator that stands around every call a
// service makes through a port, and around every commit. Production puts a span and
// a duration metric there; fault tests put a killer there. Adapters call it by name,
// so that the steps of a use case can be enumerated without touching the use case.
package port

import "context"

// Around runs call, named "<port>.<method>" such as "minio.MakeBucket" or
// "postgres.commit", and returns its error unchanged.
type Around func(ctx context.Context, name string, call func(context.Context) error) error

// Plain runs the call and nothing else.
func Plain(ctx context.Context, _ string, call func(context.Context) error) error {
	return call(ctx)
}

// Chain returns a decorator that applies the given ones, the first outermost.
func Chain(arounds ...Around) Around {
	return func(ctx context.Context, name string, call func(context.Context) error) error {
		next := call
		for i := len(arounds) - 1; i >= 0; i-- {
			around, inner := arounds[i], next
			next = func(ctx context.Context) error { return around(ctx, name, inner) }
		}
		return next(ctx)
	}
}

// Value runs a call that also returns a value through the decorator.
func Value[T any](ctx context.Context, around Around, name string, call func(context.Context) (T, error)) (T, error) {
	var value T
	err := around(ctx, name, func(ctx context.Context) error {
		var err error
		value, err = call(ctx)
		return err
	})
	return value, err
}
