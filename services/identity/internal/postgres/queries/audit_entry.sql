-- Ends of chains, and then the events that the month has already, with the sequence -1.
-- name: TakeTurn :many
select account_id::text, sequence::bigint, hash::bytea, append_time::timestamptz
from audit_turn(@account_ids::text[], @event_ids::text[], @month::timestamptz);

-- name: AppendEntries :exec
select audit_append(@account_ids::text[], @sequences::bigint[], @append_times::timestamptz[], @event_ids::text[], @ids::text[], @times::timestamptz[],
    @services::text[], @methods::text[], @actions::text[], @severities::text[], @outcomes::text[], @reasons::text[],
    @actor_kinds::text[], @actor_ids::text[], @actor_roles::text[], @actor_addresses::text[], @actor_session_ids::text[], @target_kinds::text[],
    @target_ids::text[], @target_names::text[], @request_ids::text[], @trace_ids::text[], @befores::text[], @afters::text[],
    @hashes::bytea[], @heads::text[], @starts::bigint[], @places::int[]);
