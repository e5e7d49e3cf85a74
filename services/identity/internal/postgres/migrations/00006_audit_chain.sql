-- +goose Up
-- The trail becomes a chain per account, kept by the month; docs/audit.md has the format. The serving role cannot insert
-- an entry or move a head by itself: audit_append does both, and moves a head along its chain alone.
--
-- A replica of the binary before this migration cannot append any more (its statement names a unique key that a
-- partitioned table cannot have): its events fail and go into dead_letter. Stop the consumers of older replicas before.

-- Where each account's chain ends; '' is the platform. No index but the key: an update then stays within
-- its page.
create table audit_head (
    account_id  text primary key,
    sequence    bigint not null check (sequence >= 0),
    hash        bytea not null check (length(hash) = 32),
    append_time timestamptz not null
) with (fillfactor = 10);
alter table audit_head enable row level security;
alter table audit_head force row level security;
create policy audit_head_scope on audit_head
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');

alter table audit_entry rename to audit_entry_unchained;

-- account_id is '' for acts that concern no account; nullif keeps them for the system's scope. append_time is when the
-- entry got its place in the chain and never goes back within an account, so that a month is one stretch of each chain.
-- before and after are json, not jsonb: that keeps the text that was hashed.
create table audit_entry (
    account_id       text not null,
    sequence         bigint not null check (sequence > 0),
    append_time      timestamptz not null,
    event_id         text not null,
    id               text not null,
    time             timestamptz not null,
    service          text not null,
    method           text not null,
    action           text not null,
    severity         text not null,
    outcome          text not null,
    reason           text not null,
    actor_kind       text not null,
    actor_id         text not null,
    actor_role       text not null,
    actor_address    text not null,
    actor_session_id text not null,
    target_kind      text not null,
    target_id        text not null,
    target_name      text not null,
    request_id       text not null,
    trace_id         text not null,
    before           json,
    after            json,
    hash             bytea not null check (length(hash) = 32),
    constraint audit_entry_chain primary key (account_id, sequence, append_time)
) partition by range (append_time);
alter table audit_entry enable row level security;
alter table audit_entry force row level security;
create policy audit_entry_scope on audit_entry
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');

-- Where a chain begins after its older months were dropped, signed.
create table audit_checkpoint (
    account_id text not null,
    sequence   bigint not null check (sequence > 0),
    hash       bytea not null check (length(hash) = 32),
    month      text not null,
    key_id     text not null,
    signature  bytea not null check (length(signature) = 64),
    primary key (account_id, sequence)
);
alter table audit_checkpoint enable row level security;
alter table audit_checkpoint force row level security;
create policy audit_checkpoint_scope on audit_checkpoint
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');

-- What checkpoints, anchors and exports are signed with. A key is never removed: what it signed lasts.
create table audit_key (
    kid            text primary key,
    public_key     bytea not null check (length(public_key) = 32),
    sealed_private bytea not null,
    create_time    timestamptz not null
);

-- +goose StatementBegin
-- Makes the month of the moment, and says whether it had to. Replicas take turns. Attaching holds up neither readers nor
-- appenders. Nothing but the trail itself leads to a month: it has no policy and no grants.
create function audit_make_month(at timestamptz) returns boolean
    language plpgsql security definer set search_path = identity, pg_temp
as $$
declare
    first timestamp := date_trunc('month', at at time zone 'UTC');
    name  text := 'audit_entry_' || to_char(first, 'YYYYMM');
begin
    if to_regclass(name) is not null then
        return false;
    end if;
    if at not between '2020-01-01Z' and now() + interval '10 years' then
        raise exception 'no month of the trail is made for %', at;
    end if;
    perform pg_advisory_xact_lock(hashtext('primecloud.identity.audit_month'));
    if to_regclass(name) is not null then
        return false;
    end if;
    execute format('create table %I (like audit_entry including all)', name);
    execute format('revoke all on %I from identity_app', name);
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    -- Once per event; across months the inbox sees to it.
    execute format('create unique index on %I (event_id)', name);
    execute format('alter table audit_entry attach partition %I for values from (%L) to (%L)',
        name, first at time zone 'UTC', (first + interval '1 month') at time zone 'UTC');
    return true;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Makes appending to the accounts' chains this transaction's turn until it ends, and returns where they end, and which of the
-- events the month has already: those come as rows with the event's id in place of an account's and the sequence -1. Turns are taken in one order, so that appenders wait for each other and never in a circle. An
-- advisory lock and not the head's row: that would be written twice.
create function audit_turn(accounts text[], event_ids text[], month timestamptz) returns setof audit_head
    language plpgsql security definer set search_path = identity, pg_temp
    -- A plan of its own for every call would cost several times what the call does, and one plan must fit a table that grows.
    set plan_cache_mode = force_generic_plan set enable_seqscan = off
as $$
#variable_conflict use_column
begin
    perform pg_advisory_xact_lock(l.key)
    from (select distinct hashtextextended('primecloud.identity.audit_head ' || a, 0) as key from unnest(accounts) as a order by key) l;
    return query select * from audit_head where account_id = any (accounts);
    return query select u.event_id, -1::bigint, ''::bytea, 'epoch'::timestamptz
        from unnest(event_ids) as u(event_id)
        join lateral (select 1 from audit_entry e
            where e.event_id = u.event_id and e.append_time >= month and e.append_time < month + interval '1 month' limit 1) known on true;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Appends entries, given column by column with their places, and moves the heads of their accounts: each from where it starts
-- to its last entry, which is the one at that index. It refuses when a head is elsewhere, or would go back, when an account with
-- entries has not one head to move, and when its entries are not all places from there on, in their order. An absent object is ''.
create function audit_append(
    account_ids text[], sequences bigint[], append_times timestamptz[], event_ids text[], ids text[], times timestamptz[],
    services text[], methods text[], actions text[], severities text[], outcomes text[], reasons text[],
    actor_kinds text[], actor_ids text[], actor_roles text[], actor_addresses text[], actor_session_ids text[],
    target_kinds text[], target_ids text[], target_names text[], request_ids text[], trace_ids text[],
    befores text[], afters text[], hashes bytea[], heads text[], starts bigint[], places int[]) returns void
    language plpgsql security definer set search_path = identity, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    month timestamptz;
    moved bigint;
    begun bigint;
begin
    if (select bool_and(moves = 1 and n > 0 and n = places and first = start + 1 and last = start + n and place = at and sequences[place] = last) from (
            select count(start) as moves, max(start) as start, max(place) as place, count(sequence) as n, count(distinct sequence) as places,
                min(sequence) as first, max(sequence) as last, max(at) as at
            from (select account_id, sequence, at, null::bigint as start, null::int as place
                    from unnest(account_ids, sequences) with ordinality as u(account_id, sequence, at)
                union all select head, null, null, start, place from unnest(heads, starts, places) as m(head, start, place)) u
            group by account_id) g) is not true then
        raise exception 'the entries are not those between the ends of their accounts'' chains and where these are moved';
    end if;
    for month in select distinct date_trunc('month', t, 'UTC') from unnest(append_times) as t loop
        if to_regclass('audit_entry_' || to_char(month at time zone 'UTC', 'YYYYMM')) is null then
            perform audit_make_month(month);
        end if;
    end loop;
    insert into audit_entry (account_id, sequence, append_time, event_id, id, time, service, method, action, severity, outcome, reason, actor_kind, actor_id, actor_role,
        actor_address, actor_session_id, target_kind, target_id, target_name, request_id, trace_id, before, after, hash)
    select account_id, sequence, append_time, event_id, id, time, service, method, action, severity, outcome, reason, actor_kind, actor_id, actor_role,
        actor_address, actor_session_id, target_kind, target_id, target_name, request_id, trace_id, nullif(before, '')::json, nullif(after, '')::json, hash
    from unnest(account_ids, sequences, append_times, event_ids, ids, times, services, methods, actions, severities, outcomes, reasons, actor_kinds,
        actor_ids, actor_roles, actor_addresses, actor_session_ids, target_kinds, target_ids, target_names, request_ids, trace_ids,
        befores, afters, hashes)
        as u(account_id, sequence, append_time, event_id, id, time, service, method, action, severity, outcome, reason, actor_kind, actor_id, actor_role,
        actor_address, actor_session_id, target_kind, target_id, target_name, request_id, trace_id, before, after, hash);
    update audit_head h set sequence = e.sequence, hash = e.hash, append_time = e.append_time
    from unnest(heads, starts, places) as m(account_id, start, place)
    join lateral (select sequences[m.place] as sequence, hashes[m.place] as hash, append_times[m.place] as append_time) e on true
    where h.account_id = m.account_id and h.sequence = m.start and e.sequence > m.start and e.append_time >= h.append_time;
    get diagnostics moved = row_count;
    if moved < cardinality(heads) then
        insert into audit_head select h, sequences[place], hashes[place], append_times[place] from unnest(heads, starts, places) as m(h, start, place)
            where start = 0 on conflict do nothing;
        get diagnostics begun = row_count;
        if moved + begun < cardinality(heads) then
            raise exception 'entries do not go on where the chains of their accounts end';
        end if;
    end if;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Drops the oldest month, once every chain that has entries in it goes on from a checkpoint at the last of them. By the database's
-- clock, for a replica's may be wrong, it must lie before the running month and as many before that as are kept, at least one. The
-- lock is not waited for: the next round of upkeep comes soon, and appenders would queue behind it.
create function audit_drop_month(month text, kept int) returns void
    language plpgsql security definer set search_path = identity, pg_temp set lock_timeout = '2s'
as $$
declare
    begins timestamptz := to_date(month, 'YYYY-MM')::timestamp at time zone 'UTC';
    ends   timestamptz := (to_date(month, 'YYYY-MM') + interval '1 month') at time zone 'UTC';
    name   text := 'audit_entry_' || to_char(to_date(month, 'YYYY-MM'), 'YYYYMM');
    oldest text;
    open   bigint;
begin
    if current_setting('app.scope', true) is distinct from 'system' then
        raise exception 'a month is dropped in the system scope';
    end if;
    if (kept >= 1 and ends <= (date_trunc('month', now() at time zone 'UTC') - make_interval(months => kept)) at time zone 'UTC') is not true then
        raise exception '% is too young to be dropped when % months are kept', month, kept;
    end if;
    lock table audit_entry in access exclusive mode;
    select min(c.relname) into oldest from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'audit_entry'::regclass;
    if oldest is distinct from name then
        raise exception 'the oldest month is %, not %', oldest, name;
    end if;
    select count(*) into open
    from audit_head h
    cross join lateral (
        select e.sequence, e.hash from audit_entry e
        where e.account_id = h.account_id and e.append_time >= begins and e.append_time < ends
        order by e.sequence desc limit 1) l
    where not exists (
        select from audit_checkpoint c where c.account_id = h.account_id and c.sequence = l.sequence and c.hash = l.hash);
    if open > 0 then
        raise exception '% chains have no checkpoint at their last entry of %', open, month;
    end if;
    execute format('drop table %I', name);
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- What was there is chained in the order of its time. It is appended now: when it came was not recorded.
do $$
declare
    at   timestamptz := now();
    n    bigint := 0;
    last text;
    hash bytea;
    r    record;
    moment constant text := 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';
begin
    perform audit_make_month(at + make_interval(months => m)) from generate_series(0, 2) as m;
    for r in
        select u.*, coalesce(account_id, '') as account, to_char(at at time zone 'UTC', moment) as appended,
            to_char(u.time at time zone 'UTC', moment) as done, coalesce(before::text, '') as old, coalesce(after::text, '') as new
        from audit_entry_unchained u order by coalesce(account_id, ''), time, event_id
    loop
        if last is distinct from r.account then
            last := r.account;
            n := 0;
            hash := decode(repeat('00', 32), 'hex');
        end if;
        n := n + 1;
        hash := sha256(convert_to(concat('19:primecloud.audit.v1,64:', encode(hash, 'hex'), ',', octet_length(n::text), ':', n, ',',
            octet_length(r.account), ':', r.account, ',', octet_length(r.appended), ':', r.appended, ',',
            octet_length(r.event_id), ':', r.event_id, ',', octet_length(r.id), ':', r.id, ',', octet_length(r.done), ':', r.done, ',',
            octet_length(r.service), ':', r.service, ',', octet_length(r.method), ':', r.method, ',',
            octet_length(r.action), ':', r.action, ',', octet_length(r.severity), ':', r.severity, ',',
            octet_length(r.outcome), ':', r.outcome, ',', octet_length(r.reason), ':', r.reason, ',',
            octet_length(r.actor_kind), ':', r.actor_kind, ',', octet_length(r.actor_id), ':', r.actor_id, ',',
            octet_length(r.actor_role), ':', r.actor_role, ',', octet_length(r.actor_address), ':', r.actor_address, ',',
            octet_length(r.actor_session_id), ':', r.actor_session_id, ',', octet_length(r.target_kind), ':', r.target_kind, ',',
            octet_length(r.target_id), ':', r.target_id, ',', octet_length(r.target_name), ':', r.target_name, ',',
            octet_length(r.request_id), ':', r.request_id, ',', octet_length(r.trace_id), ':', r.trace_id, ',',
            octet_length(r.old), ':', r.old, ',', octet_length(r.new), ':', r.new, ','), 'UTF8'));
        insert into audit_entry values (r.account, n, at, r.event_id, r.id, r.time, r.service, r.method, r.action, r.severity, r.outcome,
            r.reason, r.actor_kind, r.actor_id, r.actor_role, r.actor_address, r.actor_session_id,
            r.target_kind, r.target_id, r.target_name, r.request_id, r.trace_id, r.before::text::json, r.after::text::json, hash);
    end loop;
end
$$;
-- +goose StatementEnd
insert into audit_head select distinct on (account_id) account_id, sequence, hash, append_time from audit_entry order by account_id, sequence desc;

drop table audit_entry_unchained;

-- A page ends at (time, sequence).
create index audit_entry_time on audit_entry (account_id, time desc, sequence desc);
create index audit_entry_actor on audit_entry (account_id, actor_id, time desc, sequence desc);
create index audit_entry_action on audit_entry (account_id, action, time desc, sequence desc);
create index audit_entry_target on audit_entry (account_id, target_id, time desc, sequence desc);

-- Append-only: grants are given when a table is made and never repeated, so this stays.
revoke insert, update, delete, truncate on audit_entry, audit_head from identity_app;
revoke update, delete, truncate on audit_checkpoint, audit_key from identity_app;
revoke execute on function audit_make_month, audit_turn, audit_append, audit_drop_month from public;
grant execute on function audit_make_month, audit_turn, audit_append, audit_drop_month to identity_app;
