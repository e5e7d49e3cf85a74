package outbox

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/pg"
)

// An incarnation is one life of a stream: when it was created, and how often its end was
// found missing since (JetStream acknowledges before it syncs to disk, so a power failure
// takes the newest messages).

// recognise looks whether the stream is the one we published to. If its store was lost it
// is another one, and everything the outbox still holds becomes unpublished again: the new
// stream remembers no ids, so the same ones go through, and consumers know what they had.
// It reports whether anything waits to be published.
func (r *Relay) recognise(ctx context.Context) (waiting bool, err error) {
	known, lastSeq, waiting, err := r.look(ctx)
	if err != nil {
		return false, err
	}
	stream, err := bus.EnsureStream(ctx, r.js, r.config.Noun)
	if err != nil {
		return false, err
	}
	info := stream.CachedInfo()
	created := info.Created.UTC().Format(time.RFC3339Nano)
	found := known
	switch life, losses := split(known); {
	case life != created:
		found = created
	case info.State.LastSeq < lastSeq:
		found = created + "+" + strconv.Itoa(losses+1)
	}
	if found != known {
		if err := r.adopt(ctx, known, found, info.State.LastSeq); err != nil {
			return false, err
		}
		waiting = true
	}
	r.incarnation = found
	return waiting, nil
}

func split(incarnation string) (created string, losses int) {
	created, count, _ := strings.Cut(incarnation, "+")
	losses, _ = strconv.Atoi(count)
	return created, losses
}

// look reads what is known of the stream, and whether anything waits. It comes before the
// look at the stream itself: what other replicas publish between the two only makes the
// stream longer than we expect.
func (r *Relay) look(ctx context.Context) (incarnation string, lastSeq uint64, waiting bool, err error) {
	var last int64
	err = r.db.Read(pg.System("relay")).QueryRow(ctx, `-- name: LookAtOutbox :one
		select coalesce(s.incarnation, ''), coalesce(s.last_seq, 0), exists (select from outbox where published_at is null)
		from (select) one left join relay_state s on s.stream = $1`, r.stream).Scan(&incarnation, &last, &waiting)
	if err != nil {
		return "", 0, false, fmt.Errorf("look at the outbox of stream %s: %w", r.stream, err)
	}
	return incarnation, uint64(max(last, 0)), waiting, nil
}

// adopt goes over from one incarnation to another, once for all replicas.
func (r *Relay) adopt(ctx context.Context, known, found string, lastSeq uint64) error {
	var again int64
	err := r.db.InTx(ctx, pg.System("relay"), func(ctx context.Context, tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, `-- name: AdoptStream :execrows
			insert into relay_state as s (stream, incarnation, last_seq, seen_at) values ($1, $3, $4, $5)
			on conflict (stream) do update set incarnation = $3, last_seq = $4, seen_at = $5 where s.incarnation = $2`,
			r.stream, known, found, int64(lastSeq), r.deps.Clock.Now())
		if err != nil || tag.RowsAffected() == 0 {
			return err // another replica was faster
		}
		// A statement of its own, to see what was marked while we waited for the row above.
		tag, err = tx.Exec(ctx, `-- name: RedriveEvents :execrows
			update outbox set published_at = null, incarnation = null where published_at is not null and incarnation is distinct from $1`, found)
		again = tag.RowsAffected()
		return err
	})
	if err != nil {
		return fmt.Errorf("go over to another life of stream %s: %w", r.stream, err)
	}
	if known != "" {
		r.deps.Logger.WarnContext(ctx, "the stream has lost what it held; its events are published again",
			"stream", r.stream, "before", known, "now", found, "events", again)
	}
	return nil
}

// Redrive publishes all events since a moment once more, whether they were published or
// not, for a consumer that lost its own data. Their message ids get a suffix, as JetStream
// would drop them as duplicates otherwise; the events themselves keep their ids, so that a
// consumer which had them skips them. It returns how many went out.
func (r *Relay) Redrive(ctx context.Context, since time.Time) (int64, error) {
	suffix := ".again." + strconv.FormatInt(r.deps.Clock.Now().UnixMilli(), 10)
	var count, after int64
	for {
		rows, err := r.db.Read(pg.System("redrive")).Query(ctx, `-- name: EventsSince :many
			select seq, id, type, payload from outbox where created_at >= $1 and seq > $2 order by seq limit $3`,
			since.UTC(), after, r.config.Batch)
		if err != nil {
			return count, fmt.Errorf("redrive: %w", err)
		}
		batch, err := collect(rows)
		if err != nil || len(batch) == 0 {
			return count, err
		}
		acked, _, err := r.publish(ctx, batch, suffix)
		count += int64(len(acked))
		if err != nil {
			return count, fmt.Errorf("redrive: %w", err)
		}
		after = batch[len(batch)-1].seq
	}
}
