-- +goose Up
-- What storage owns besides the tables of the mechanisms (operation, managed_resource, drift, outbox, …). The serving
-- role has DML on every table made here, and nothing else.
--
-- Tenant tables carry a policy: a row is seen and written in the scope of its account, or in the declared system scope.
-- nullif: once a session has had the setting, "not set" reads as an empty string.

-- Buckets, and names that are still reserved after their bucket went (desired ABSENT).
create table bucket (
    id                     text primary key,
    account_id             text        not null,
    backend                text        not null,
    name                   text        not null,
    customer_reference     text        not null,
    versioning             text        not null check (versioning in ('OFF', 'ENABLED', 'SUSPENDED')),
    quota_bytes            bigint      not null check (quota_bytes >= 0),
    lifecycle              jsonb       not null,
    desired                text        not null check (desired in ('PRESENT', 'ABSENT')),
    state                  text        not null check (state in ('CREATING', 'READY', 'UPDATING', 'DELETING', 'VANISHING', 'CONFLICT')),
    version                bigint      not null,
    -- Our mark was once seen on it, and the bucket not missing since.
    marked                 boolean     not null,
    -- When, and for which generation, the backend was seen without it right before it was made; null once it is marked.
    seen_absent_at         timestamptz,
    seen_absent_generation bigint      not null,
    -- An attempt was given up whose last request may still be applied.
    unsure                 boolean     not null,
    -- When the backend was first seen as wanted since.
    sighted_at             timestamptz,
    created_at             timestamptz not null,
    updated_at             timestamptz not null,
    -- The reservation: a name belongs to one account on a backend, whoever asks.
    constraint bucket_name unique (backend, name),
    -- A request names a bucket by account and name alone.
    constraint bucket_account_name unique (account_id, name)
);
alter table bucket enable row level security;
alter table bucket force row level security;
create policy tenant on bucket using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- An account's identity on a backend. Every name in it is an access key id and so a secret: sealed like the secrets,
-- each for tenant, table, column and row.
create table principal (
    id             text primary key,
    account_id     text        not null,
    backend        text        not null,
    user_name      bytea       not null,
    user_secret    bytea       not null,
    reader_key     bytea       not null,
    reader_secret  bytea       not null,
    -- Hash of the policy that the backend was last seen to have; empty until the identity was seen there as a whole.
    applied        text        not null default '',
    created_at     timestamptz not null,
    constraint principal_place unique (account_id, backend)
);
alter table principal enable row level security;
alter table principal force row level security;
create policy tenant on principal using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- Tenants' S3 credentials. The key id is sealed like the secret; the secret is null once it was destroyed.
create table access_key (
    id                 text primary key,
    account_id         text        not null,
    backend            text        not null,
    display_name       text        not null,
    customer_reference text        not null,
    key_id             bytea       not null,
    secret             bytea,
    secret_until       timestamptz,
    grants             jsonb       not null,
    expire_time        timestamptz,
    desired            text        not null check (desired in ('PRESENT', 'ABSENT')),
    state              text        not null check (state in ('CREATING', 'READY', 'LOST', 'DELETING', 'VANISHING')),
    version            bigint      not null,
    -- An attempt was given up whose last request may still be applied.
    unsure             boolean     not null,
    -- When the backend was first seen as wanted since.
    sighted_at         timestamptz,
    created_at         timestamptz not null,
    updated_at         timestamptz not null,
    check (secret_until is not null or secret is null)
);
create index access_key_account on access_key (account_id, id);
create index access_key_secret on access_key (secret_until) where secret is not null;
alter table access_key enable row level security;
alter table access_key force row level security;
create policy tenant on access_key using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');
