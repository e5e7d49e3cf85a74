-- +goose Up
-- The tables of the shared mechanisms, in each service's own schema. Every migration here
-- is forward-only and compatible with the binary before it: columns are added with a
-- default, nothing is renamed or removed while an older replica may still run.
--
-- nullif: once a session has had the setting, "not set" reads as an empty string, and the
-- rows of the platform have an empty account. They are for the system scope alone.

create table outbox (
    seq               bigint generated always as identity,
    id                text primary key,
    type              text        not null,
    account_id        text        not null default '',
    aggregate_kind    text        not null,
    aggregate_id      text        not null,
    aggregate_version bigint      not null,
    payload           bytea       not null,
    created_at        timestamptz not null,
    published_at      timestamptz,
    incarnation       text
);
comment on table outbox is 'Events, written in the transaction of the change; the truth behind JetStream.';
comment on column outbox.incarnation is 'Creation time of the stream that acknowledged the event.';
create index outbox_unpublished on outbox (seq) where published_at is null;
create index outbox_published on outbox (published_at) where published_at is not null;
alter table outbox enable row level security;
alter table outbox force row level security;
create policy tenant on outbox using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

create table inbox (
    consumer    text        not null,
    event_id    text        not null,
    received_at timestamptz not null,
    primary key (consumer, event_id)
);
comment on table inbox is 'Events whose effect is in this database; written in the transaction of the effect.';
create index inbox_received on inbox (received_at);

create table dead_letter (
    consumer   text        not null,
    event_id   text        not null,
    type       text        not null,
    payload    bytea       not null,
    error      text        not null,
    deliveries bigint      not null,
    created_at timestamptz not null,
    primary key (consumer, event_id)
);
comment on table dead_letter is 'Events that a consumer could not handle and gave up; kept for a person to look at.';

create table relay_state (
    stream      text primary key,
    incarnation text        not null,
    last_seq    bigint      not null default 0,
    seen_at     timestamptz not null
);
comment on table relay_state is 'What the relay last knew of its stream; another incarnation means that the store was lost.';

create table operation (
    id              text primary key,
    account_id      text        not null,
    resource_kind   text        not null,
    resource_id     text        not null,
    method          text        not null,
    principal       text        not null,
    idempotency_key text,
    request_hash    bytea,
    state           text        not null check (state in ('TRYING', 'SUCCEEDED', 'ABANDONED')),
    generation      bigint      not null,
    previous        jsonb,
    result          jsonb,
    progress_done   bigint      not null default 0,
    progress_total  bigint      not null default 0,
    progress_unit   text        not null default '',
    failure_kind    text        not null default '',
    failure_reason  text        not null default '',
    failure_message text        not null default '',
    created_at      timestamptz not null,
    ended_at        timestamptz,
    expires_at      timestamptz not null,
    check ((state = 'TRYING') = (ended_at is null))
);
comment on table operation is 'One attempt to change a resource in a backend. It leaves TRYING exactly once.';
create unique index operation_open on operation (resource_kind, resource_id) where state = 'TRYING';
create unique index operation_key on operation (principal, method, idempotency_key)
    where idempotency_key is not null and state in ('TRYING', 'SUCCEEDED');
create index operation_account on operation (account_id, id);
create index operation_resource on operation (resource_kind, resource_id, id);
create index operation_ended on operation (ended_at) where ended_at is not null;
alter table operation enable row level security;
alter table operation force row level security;
create policy tenant on operation using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

create table managed_resource (
    kind                text        not null,
    id                  text        not null,
    account_id          text        not null,
    backend             text        not null,
    generation          bigint      not null,
    observed_generation bigint      not null default 0,
    due_at              timestamptz,
    lease_owner         text,
    lease_until         timestamptz,
    fence               bigint      not null default 0,
    failures            integer     not null default 0,
    conditions          jsonb       not null default '[]',
    updated_at          timestamptz not null,
    primary key (kind, id)
);
comment on table managed_resource is 'What must be made so in a backend: when it is due, who works on it, how far it is.';
create index managed_resource_due on managed_resource (due_at) where due_at is not null;
create index managed_resource_leased on managed_resource (lease_until) where lease_until is not null;
create index managed_resource_account on managed_resource (account_id, kind, id);
alter table managed_resource enable row level security;
alter table managed_resource force row level security;
create policy tenant on managed_resource using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

create table drift (
    id            text primary key,
    account_id    text        not null,
    resource_kind text        not null,
    resource_id   text        not null,
    resource_name text        not null default '',
    kind          text        not null check (kind in ('MISSING', 'EXTRA', 'DIFFERENT')),
    field         text        not null default '',
    desired       text        not null default '',
    observed      text        not null default '',
    detected_at   timestamptz not null,
    repaired_at   timestamptz
);
comment on table drift is 'Where a backend was found to differ from what is recorded.';
create unique index drift_open on drift (resource_kind, resource_id, kind, field) where repaired_at is null;
create index drift_account on drift (account_id, id);
alter table drift enable row level security;
alter table drift force row level security;
create policy tenant on drift using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

create table schedule_run (
    job           text        not null,
    scheduled_for timestamptz not null,
    started_at    timestamptz not null,
    finished_at   timestamptz,
    primary key (job, scheduled_for)
);
comment on table schedule_run is 'Runs of schedules; the key makes each happen once, however many replicas tick.';

create table refusal_count (
    minute  timestamptz not null,
    service text        not null,
    method  text        not null,
    reason  text        not null,
    address text        not null,
    count   bigint      not null,
    primary key (minute, service, method, reason, address)
);
comment on table refusal_count is 'Refused calls without a login, counted by the minute instead of stored one by one.';
