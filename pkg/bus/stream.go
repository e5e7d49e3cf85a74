package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// Retention is how long a stream keeps messages.
	Retention = 7 * 24 * time.Hour
	// duplicates is how long JetStream remembers message ids.
	duplicates = 2 * time.Minute
)

// StreamName returns the name of a noun's stream.
func StreamName(noun string) string { return strings.ToUpper(noun) }

// Subjects returns what a noun may publish under.
func Subjects(noun string) string { return "primecloud." + noun + ".>" }

// EnsureStream returns the noun's stream, which it makes if it is not there. Only the
// noun's own service may do that.
func EnsureStream(ctx context.Context, js jetstream.JetStream, noun string) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, StreamName(noun))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, streamConfig(noun))
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another replica was faster
		stream, err = js.Stream(ctx, StreamName(noun))
	}
	if err != nil {
		return nil, fmt.Errorf("ensure stream %s: %w", StreamName(noun), err)
	}
	return stream, nil
}

func streamConfig(noun string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        StreamName(noun),
		Description: "events of " + noun + "; the outbox in its database is the truth",
		Subjects:    []string{Subjects(noun)},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      Retention,
		Duplicates:  duplicates,
	}
}
