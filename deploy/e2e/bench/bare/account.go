package bare

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/id"
)

// Sample is an account as the suite made it: the rows of a bare write are made after its rows,
// with new ids in their places, so that both sides insert the same.
type Sample struct {
	// AccountID and OperationID are the sample's ids, UserID is its owner's.
	AccountID, UserID string
	// Method and Principal are those of its operation.
	Method, Principal string
	// Events are its events.
	Events []SampleEvent
}

// SampleEvent is one row of the outbox.
type SampleEvent struct {
	ID, Type, Kind, Aggregate string
	Version                   int64
	Payload                   []byte
}

// The statements of a write. The operation is inserted as it is in the end.
const (
	setSystem     = `select set_config('app.account_id', '', true), set_config('app.scope', 'system', true)`
	insertAccount = `insert into account (id, display_name, customer_reference, slug, state, state_actor_kind, state_actor_id, state_time,
    version, membership_version, create_time, update_time)
values ($1, $2, $3, $4, 'active', 'person', $5, $6, 1, 1, $6, $6)
on conflict on constraint account_slug_key do nothing`
	insertMembership = `insert into membership (account_id, user_id, role, version, create_time, update_time)
values ($1, $2, 'owner', 1, $3, $3)`
	insertOperation = `insert into operation (id, account_id, resource_kind, resource_id, method, principal, idempotency_key, request_hash,
    state, generation, previous, progress_total, progress_unit, created_at, ended_at, expires_at)
values ($1, $2, 'account', $2, $3, $4, $5, $6, 'SUCCEEDED', 0, null, 0, '', $7, $7, $8)`
	insertEvent = `insert into outbox (id, type, account_id, aggregate_kind, aggregate_id, aggregate_version, payload, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)`
)

// account is an account in JSON.
type account struct {
	ID                string    `json:"id"`
	DisplayName       string    `json:"displayName"`
	CustomerReference string    `json:"customerReference"`
	Slug              string    `json:"slug"`
	State             string    `json:"state"`
	ETag              string    `json:"etag"`
	CreateTime        time.Time `json:"createTime"`
	UpdateTime        time.Time `json:"updateTime"`
}

// createAccount inserts statement by statement, as programs mostly do.
func (s *server) createAccount(w http.ResponseWriter, r *http.Request) {
	s.create(w, r, func(ctx context.Context, batch *pgx.Batch) error {
		return pgx.BeginFunc(ctx, s.identity, func(tx pgx.Tx) error {
			for _, q := range batch.QueuedQueries {
				if _, err := tx.Exec(ctx, q.SQL, q.Arguments...); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// createAccountBatched sends everything at once, in one implicit transaction: the least that
// PostgreSQL can be asked for these rows.
func (s *server) createAccountBatched(w http.ResponseWriter, r *http.Request) {
	s.create(w, r, func(ctx context.Context, batch *pgx.Batch) error { return s.identity.SendBatch(ctx, batch).Close() })
}

func (s *server) create(w http.ResponseWriter, r *http.Request, run func(context.Context, *pgx.Batch) error) {
	if _, err := s.caller(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	var asked struct{ DisplayName, CustomerReference string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	made := account{
		ID: id.New("acc", now), DisplayName: asked.DisplayName, CustomerReference: asked.CustomerReference,
		Slug:  strings.ReplaceAll(asked.DisplayName, " ", "-"),
		State: "ACCOUNT_STATE_ACTIVE", ETag: "v1", CreateTime: now, UpdateTime: now,
	}
	answer(w, made, run(r.Context(), s.rows(made, r.Header.Get("Idempotency-Key"))))
}

// rows are the statements that insert what the suite inserts for a new account.
func (s *server) rows(a account, key string) *pgx.Batch {
	now, sample := a.CreateTime, s.config.Account
	batch := &pgx.Batch{}
	batch.Queue(setSystem)
	batch.Queue(insertOperation, id.New("opn", now), a.ID, sample.Method, sample.Principal, key, make([]byte, 32), now, now.Add(24*time.Hour))
	batch.Queue(insertAccount, a.ID, a.DisplayName, a.CustomerReference, a.Slug, sample.UserID, now)
	batch.Queue(insertMembership, a.ID, sample.UserID, now)
	for _, e := range sample.Events {
		fresh := id.New("evt", now)
		payload := bytes.ReplaceAll(e.Payload, []byte(e.ID), []byte(fresh))
		payload = bytes.ReplaceAll(payload, []byte(sample.AccountID), []byte(a.ID))
		aggregate := strings.ReplaceAll(e.Aggregate, sample.AccountID, a.ID)
		if prefix, _, ok := strings.Cut(e.Aggregate, "_"); ok && aggregate == e.Aggregate {
			aggregate = id.New(prefix, now)
			payload = bytes.ReplaceAll(payload, []byte(e.Aggregate), []byte(aggregate))
		}
		batch.Queue(insertEvent, fresh, e.Type, a.ID, e.Kind, aggregate, e.Version, payload, now)
	}
	return batch
}
