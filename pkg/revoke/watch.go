package revoke

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// reopenAfter is how long to wait before the bucket is tried again.
const reopenAfter = time.Second

// watch follows the bucket until ctx is done, and follows it anew whenever the watcher ends
// or the supervisor hears nothing from it.
func (v *View) watch(ctx context.Context, js jetstream.JetStream) {
	quiet := false
	for ctx.Err() == nil {
		err := v.follow(ctx, js)
		if ctx.Err() != nil {
			return
		}
		// A bucket that is away is said once, not each second.
		if err != nil && !quiet {
			v.config.Logger.WarnContext(ctx, "revocations are not followed", "error", err)
		}
		quiet = err != nil
		select {
		case <-ctx.Done():
		case <-v.config.Clock.After(reopenAfter):
		}
	}
}

// follow watches the bucket from its present state on. What passed between two watchers is
// not known, so each one begins with a snapshot being wanted.
func (v *View) follow(ctx context.Context, js jetstream.JetStream) error {
	opening, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	bucket, err := js.KeyValue(opening, Bucket)
	if err != nil {
		return err
	}
	// Not ctx: its end would leave the server's side of the watcher behind.
	watcher, err := bucket.WatchAll(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Stop() }()
	select {
	case <-v.rewatch: // meant for the watcher before
	default:
	}
	v.demand()
	live := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-v.rewatch:
			return errors.New("revoke: no heartbeat")
		case update, open := <-watcher.Updates():
			switch {
			case !open:
				return errors.New("revoke: the watcher ended")
			case update == nil:
				live = true
			case update.Operation() == jetstream.KeyValuePut:
				v.take(update.Key(), update.Value(), live)
			}
		}
	}
}

// bucketConfig describes the bucket. Entries vanish by themselves once no token can depend
// on them, so that it stays small.
func bucketConfig(ttl time.Duration, replicas int) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket:      Bucket,
		Description: "revoked logins, keys and memberships; made again from identity's table when lost",
		History:     1,
		TTL:         ttl,
		Replicas:    max(replicas, 1),
	}
}
