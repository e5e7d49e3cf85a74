-- +goose Up
-- What accounts may use and what they do: limits, what was measured of each bucket, what presigned uploads may still
-- bring, and requests for higher limits.

-- An account's limits and where it stands with them. There is a row once something had to be locked or kept.
create table account_quota (
    account_id        text        primary key,
    -- Whether an operator has set the limits; else the platform's defaults count, and the six columns mean nothing.
    own_limits        boolean     not null default false,
    storage_soft      bigint      not null default 0 check (storage_soft >= 0),
    storage_hard      bigint      not null default 0 check (storage_hard >= 0),
    buckets_soft      bigint      not null default 0 check (buckets_soft >= 0),
    buckets_hard      bigint      not null default 0 check (buckets_hard >= 0),
    access_keys_soft  bigint      not null default 0 check (access_keys_soft >= 0),
    access_keys_hard  bigint      not null default 0 check (access_keys_hard >= 0),
    -- The version of the limits, which callers see, and the one of whatever is told.
    revision          bigint      not null default 0,
    version           bigint      not null default 0,
    -- Since when the account's credentials may not write; null while they may.
    stopped_at        timestamptz,
    -- Which soft limits are exceeded and were told so.
    storage_over      boolean     not null default false,
    buckets_over      boolean     not null default false,
    access_keys_over  boolean     not null default false,
    limits_updated_at timestamptz
);
create index account_quota_stopped on account_quota (account_id) where stopped_at is not null;
alter table account_quota enable row level security;
alter table account_quota force row level security;
create policy tenant on account_quota using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- What was measured of a bucket.
create table bucket_usage (
    bucket_id    text        primary key,
    account_id   text        not null,
    -- The figures that count. A lower one comes from a listing alone.
    bytes        bigint      not null check (bytes >= 0),
    versions     bigint      not null check (versions >= 0),
    measured_at  timestamptz not null,
    source       text        not null check (source in ('REPORT', 'LISTING')),
    -- What the backend last reported: only what it reports beyond that is news.
    reported     bigint      not null check (reported >= 0),
    -- When the last whole listing began, and how long it took; null before the first.
    listed_at    timestamptz,
    listing_ms   bigint      not null default 0,
    -- A listing under way: when it began, after which key it goes on, and what it has counted.
    tally_began  timestamptz,
    tally_after  text        not null default '',
    tally_bytes  bigint      not null default 0,
    tally_versions bigint    not null default 0,
    constraint bucket_usage_bucket foreign key (account_id, bucket_id) references bucket (account_id, id) on delete cascade
);
create index bucket_usage_account on bucket_usage (account_id);
alter table bucket_usage enable row level security;
alter table bucket_usage force row level security;
create policy tenant on bucket_usage using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- What uploads by presigned URL may still bring: one row per object.
create table upload_reservation (
    bucket_id   text        not null,
    key         text        not null,
    account_id  text        not null,
    bytes       bigint      not null check (bytes >= 0),
    reserved_at timestamptz not null,
    -- When the last URL for the object ends.
    expire_at   timestamptz not null,
    primary key (bucket_id, key),
    constraint upload_reservation_bucket foreign key (account_id, bucket_id) references bucket (account_id, id) on delete cascade
);
create index upload_reservation_account on upload_reservation (account_id, expire_at);
alter table upload_reservation enable row level security;
alter table upload_reservation force row level security;
create policy tenant on upload_reservation using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- Requests for higher limits.
create table quota_request (
    id               text        primary key,
    account_id       text        not null,
    storage_hard     bigint      not null check (storage_hard >= 0),
    buckets_hard     bigint      not null check (buckets_hard >= 0),
    access_keys_hard bigint      not null check (access_keys_hard >= 0),
    note             text        not null,
    state            text        not null check (state in ('OPEN', 'APPROVED', 'REFUSED', 'WITHDRAWN')),
    created_by       text        not null,
    decided_by       text        not null default '',
    decision_note    text        not null default '',
    version          bigint      not null,
    created_at       timestamptz not null,
    decided_at       timestamptz
);
create index quota_request_account on quota_request (account_id, id);
create unique index quota_request_open on quota_request (account_id) where state = 'OPEN';
alter table quota_request enable row level security;
alter table quota_request force row level security;
create policy tenant on quota_request using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');
