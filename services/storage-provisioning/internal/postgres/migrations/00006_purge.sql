-- +goose Up
-- The removal of buckets with their content, and of closed accounts with all that they had.

-- A bucket that is being purged is its owner's still, and out of reach for keys.
alter table bucket drop constraint bucket_state_check;
alter table bucket add constraint bucket_state_check
    check (state in ('CREATING', 'READY', 'UPDATING', 'DELETING', 'VANISHING', 'CONFLICT', 'PURGING'));

-- One removal of a bucket with its content. It stays when the bucket is gone: it says what was removed and when.
create table bucket_purge (
    id               text primary key,
    account_id       text        not null,
    bucket_id        text        not null,
    bucket           text        not null,
    backend          text        not null,
    state            text        not null check (state in ('WAITING', 'RUNNING', 'BLOCKED', 'CANCELLING', 'CANCELLED', 'DONE')),
    -- Who asked for it; empty for the suite itself.
    requested_by     text        not null,
    -- It is part of the removal of a closed account.
    account_closed   boolean     not null,
    -- When the removal begins; null while the exit manifest of a closed account waits for the count.
    begins_at        timestamptz,
    -- What was found before the removal began, and up to which key it was counted.
    counted          boolean     not null,
    counted_to       bytea       not null,
    found_entries    bigint      not null,
    found_objects    bigint      not null,
    found_bytes      bigint      not null,
    removed_entries  bigint      not null,
    removed_bytes    bigint      not null,
    removed_uploads  bigint      not null,
    -- Where this round through the bucket has got to, past entries that the backend would not give up, and how many those are.
    passed_to        bytea       not null,
    locked           bigint      not null,
    -- The bucket itself is being removed, or that was tried and it is not known how it ended.
    last_step        boolean     not null,
    reason           text        not null,
    message          text        not null,
    version          bigint      not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    ended_at         timestamptz
);
create index bucket_purge_account on bucket_purge (account_id, id);
-- A bucket has one purge at a time.
create unique index bucket_purge_open on bucket_purge (bucket_id) where ended_at is null;
alter table bucket_purge enable row level security;
alter table bucket_purge force row level security;
create policy tenant on bucket_purge using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- The removal of all that a closed account had. It stays for good: exit manifest and deletion record are in it.
create table account_removal (
    id            text primary key,
    account_id    text        not null constraint account_removal_account unique,
    state         text        not null check (state in ('COUNTING', 'REMOVING', 'DONE')),
    -- What the account had; null until all is counted.
    exit_manifest jsonb,
    -- What was removed; null until all of it is.
    deletion      jsonb,
    -- How many keys and identities were removed so far.
    keys          bigint      not null,
    identities    bigint      not null,
    reason        text        not null,
    message       text        not null,
    version       bigint      not null,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    ended_at      timestamptz
);
alter table account_removal enable row level security;
alter table account_removal force row level security;
create policy tenant on account_removal using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- What is kept of deleted buckets for a while, so that a deletion can be undone.
create table deleted_bucket (
    id               text primary key,
    account_id       text        not null,
    name             text        not null,
    -- The bucket as it was.
    bucket           jsonb       not null,
    -- Who had which grant on it.
    grants           jsonb       not null,
    deleted_at       timestamptz not null,
    restorable_until timestamptz not null
);
create index deleted_bucket_account on deleted_bucket (account_id, id);
create index deleted_bucket_until on deleted_bucket (restorable_until);
alter table deleted_bucket enable row level security;
alter table deleted_bucket force row level security;
create policy tenant on deleted_bucket using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');
