package auditlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/principal"
)

const (
	// flushEvery is how often counts go to the database.
	flushEvery = 10 * time.Second
	// keepCounts is how long counts are kept there.
	keepCounts = 30 * 24 * time.Hour
	// queueLength bounds the entries that wait to be written.
	queueLength = 256
	// maxAddresses bounds the counts begun in a minute, and so the rows that a flood from
	// many addresses can make; those beyond it share one address.
	maxAddresses = 500
	// maxCounters bounds the counts that wait while the database is away.
	maxCounters = 10_000
	// otherAddress is that of those beyond either.
	otherAddress = "other"
	// writeWithin bounds one write.
	writeWithin = 5 * time.Second
)

// RefusalDeps is what the process lends. Nil fields are replaced by ones that do nothing.
type RefusalDeps struct {
	Meter  metric.MeterProvider
	Logger *slog.Logger
}

// Refusals records calls that authentication or authorisation refused. A caller with an
// account leaves an entry in that account's trail, up to a rate; everybody else is counted
// by the minute, method, reason and address. Nobody who is refused can fill the database.
type Refusals struct {
	log     *Log
	db      *pg.DB
	deps    RefusalDeps
	counter metric.Int64Counter
	queue   chan refusal
	pace    *pace

	mu     sync.Mutex
	counts map[countKey]int64
	// begun is how many counts the minute has seen.
	minute time.Time
	begun  int
}

// refusal is an entry that waits to be written, with the context of its call.
type refusal struct {
	ctx   context.Context
	entry audit.Entry
	key   countKey
}

type countKey struct {
	minute                  time.Time
	method, reason, address string
}

// NewRefusals returns a recorder that writes to the service's own database; Run makes it work.
func NewRefusals(log *Log, db *pg.DB, deps RefusalDeps) (*Refusals, error) {
	if deps.Meter == nil {
		deps.Meter = metricnoop.NewMeterProvider()
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	counter, err := deps.Meter.Meter("github.com/primecloud/primecloud/pkg/audit/auditlog").Int64Counter("rpc.refusals", metric.WithDescription("calls refused by authentication or authorisation"))
	if err != nil {
		return nil, err
	}
	return &Refusals{
		log: log, db: db, deps: deps, counter: counter,
		queue: make(chan refusal, queueLength), pace: newPace(), counts: map[countKey]int64{},
	}, nil
}

// Refused is rpc.ServerConfig.OnRefusal. It never blocks and never fails the call.
func (r *Refusals) Refused(ctx context.Context, method string, request proto.Message, err error) {
	now := r.log.clock.Now()
	p := principal.FromContext(ctx)
	reason := errs.ReasonOf(err)
	r.counter.Add(ctx, 1, metric.WithAttributes(attribute.String("method", method), attribute.String("reason", reason)))
	key := countKey{minute: now.Truncate(time.Minute), method: method, reason: reason, address: network(p.Address)}
	// An operator of the platform is known by name; without an account the entry is the platform's.
	if p.AccountID == "" && p.Kind != principal.Operator || p.Kind == principal.Anonymous || !r.pace.allow(p.Subject(), now) {
		r.count(key, 1)
		return
	}
	if idempotency.FromContext(ctx).Method == "" {
		ctx = idempotency.NewContext(ctx, idempotency.Key{Principal: p.Subject(), Method: method})
	}
	entry := audit.Entry{
		Action: actionOf(method), Outcome: audit.Denied, Reason: reason, AccountID: p.AccountID, Target: targetOf(request),
	}
	select {
	case r.queue <- refusal{ctx: context.WithoutCancel(ctx), entry: entry, key: key}:
	default:
		r.count(key, 1)
	}
}

// Operated is rpc.ServerConfig.OnOperatorCall: what an operator of the platform looks at in a
// tenant's account is an entry in its trail. It never fails the call.
func (r *Refusals) Operated(ctx context.Context, method string, request proto.Message) {
	p := principal.FromContext(ctx)
	entry := audit.Entry{
		Action: actionOf(method), Severity: audit.Notice, Outcome: audit.Succeeded, AccountID: p.AccountID, Target: targetOf(request),
	}
	if idempotency.FromContext(ctx).Method == "" {
		ctx = idempotency.NewContext(ctx, idempotency.Key{Principal: p.Subject(), Method: method})
	}
	key := countKey{minute: r.log.clock.Now().Truncate(time.Minute), method: method, address: network(p.Address)}
	// Operators are few and wait for room: their entries are not to be lost.
	select {
	case r.queue <- refusal{ctx: context.WithoutCancel(ctx), entry: entry, key: key}:
	case <-ctx.Done():
		r.deps.Logger.WarnContext(ctx, "what an operator looked at could not be written to the audit trail", "method", method, "principal", p.Subject())
	}
}

// Run writes entries and counts until ctx ends, and then what is left.
func (r *Refusals) Run(ctx context.Context) error {
	flush := r.log.clock.After(flushEvery)
	for {
		select {
		case <-ctx.Done():
			for {
				select {
				case one := <-r.queue:
					r.write(one)
					continue
				default:
				}
				r.flush(context.WithoutCancel(ctx))
				return nil
			}
		case one := <-r.queue:
			r.write(one)
		case <-flush:
			r.flush(ctx)
			flush = r.log.clock.After(flushEvery)
		}
	}
}

func (r *Refusals) write(one refusal) {
	ctx, cancel := context.WithTimeout(one.ctx, writeWithin)
	defer cancel()
	scope := pg.System("an operator's refused call")
	if one.entry.AccountID != "" {
		scope = pg.Account(one.entry.AccountID)
	}
	err := r.db.InTx(ctx, scope, func(ctx context.Context, tx *pg.Tx) error {
		return r.log.Record(ctx, tx, one.entry)
	})
	if err != nil {
		r.deps.Logger.WarnContext(ctx, "a refusal could not be written to the audit trail and is counted instead", "error", err)
		r.count(one.key, 1)
	}
}

func (r *Refusals) count(key countKey, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !key.minute.Equal(r.minute) {
		r.minute, r.begun = key.minute, 0
	}
	if _, known := r.counts[key]; !known {
		if r.begun++; r.begun > maxAddresses {
			key.address = otherAddress
		}
	}
	r.add(key, n)
}

func (r *Refusals) add(key countKey, n int64) {
	if _, known := r.counts[key]; !known && len(r.counts) >= maxCounters {
		key.address = otherAddress
	}
	r.counts[key] += n
}

const addCounts = `-- name: AddRefusals :exec
insert into refusal_count as c (minute, service, method, reason, address, count)
select u.minute, $1, u.method, u.reason, u.address, u.count
from unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bigint[]) as u(minute, method, reason, address, count)
on conflict (minute, service, method, reason, address) do update set count = c.count + excluded.count`

// flush adds the counts to the table; those that cannot be written now stay.
func (r *Refusals) flush(ctx context.Context) {
	r.mu.Lock()
	counts := maps.Clone(r.counts)
	clear(r.counts)
	r.mu.Unlock()
	if len(counts) == 0 {
		return
	}
	var minutes []time.Time
	var methods, reasons, addresses []string
	var values []int64
	for key, n := range counts {
		minutes, methods = append(minutes, key.minute), append(methods, key.method)
		reasons, addresses, values = append(reasons, key.reason), append(addresses, key.address), append(values, n)
	}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	err := r.db.InTx(ctx, pg.System("refusals"), func(ctx context.Context, tx *pg.Tx) error {
		_, err1 := tx.Exec(ctx, addCounts, r.log.service, minutes, methods, reasons, addresses, values)
		_, err2 := tx.Exec(ctx, `-- name: SweepRefusals :exec
			delete from refusal_count where minute < $1`, r.log.clock.Now().Add(-keepCounts))
		return errors.Join(err1, err2)
	})
	if err != nil {
		r.deps.Logger.WarnContext(ctx, "counts of refusals could not be written and are kept", "error", err)
		// An unknown outcome may have counted them already; better twice than not at all.
		r.mu.Lock()
		defer r.mu.Unlock()
		for key, n := range counts {
			r.add(key, n)
		}
	}
}

// network is what refusals are counted by: an IPv4 address, or the /64 of an IPv6 one, as
// nobody owns less than that.
func network(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// actionOf turns "/primecloud.storage.v1.BucketService/CreateBucket" into "bucket.create".
func actionOf(method string) string {
	name := method[strings.LastIndexByte(method, '/')+1:]
	var words []string
	start := 0
	for i, c := range name {
		if i > 0 && unicode.IsUpper(c) {
			words = append(words, strings.ToLower(name[start:i]))
			start = i
		}
	}
	words = append(words, strings.ToLower(name[start:]))
	if len(words) == 1 {
		return fmt.Sprintf("call.%s", words[0])
	}
	return strings.Join(words[1:], "_") + "." + words[0]
}

// targetOf names the account that a request was about, which need not be the caller's.
func targetOf(request proto.Message) audit.Target {
	type ofAccount interface{ GetAccountId() string }
	if r, ok := request.(ofAccount); ok && r.GetAccountId() != "" && len(r.GetAccountId()) <= 64 {
		return audit.Target{Kind: "account", ID: r.GetAccountId()}
	}
	return audit.Target{}
}
