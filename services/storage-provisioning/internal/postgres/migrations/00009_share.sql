-- +goose Up
-- Public links to objects, what they were used for, and what people noted to find again.

create table object_share (
    id               text primary key,
    account_id       text        not null,
    bucket_id        text        not null,
    display_name     text        not null,
    scope            text        not null check (scope in ('OBJECT', 'PREFIX', 'UPLOAD')),
    -- Key of the object, or the prefix.
    path             text        not null,
    -- SHA-256 of the link's token, which has 260 random bits: it needs no salt.
    token_hash       bytea       not null,
    -- Argon2id, with its parameters and salt; empty for none.
    password_hash    text        not null,
    expire_time      timestamptz,
    -- Zero for any number.
    use_limit        bigint      not null check (use_limit >= 0),
    use_count        bigint      not null check (use_count >= 0),
    networks         text[]      not null,
    max_upload_bytes bigint      not null check (max_upload_bytes >= 0),
    creator_id       text        not null,
    -- Grows with every change of its owner, not with uses.
    version          bigint      not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    revoked_at       timestamptz,
    constraint object_share_token unique (token_hash),
    constraint object_share_account_id unique (account_id, id),
    constraint object_share_bucket foreign key (account_id, bucket_id) references bucket (account_id, id) on delete cascade
);
create index object_share_account on object_share (account_id, id);
create index object_share_of_bucket on object_share (bucket_id);
create index object_share_revoked on object_share (revoked_at) where revoked_at is not null;
create index object_share_expired on object_share (expire_time) where expire_time is not null;
alter table object_share enable row level security;
alter table object_share force row level security;
create policy tenant on object_share using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- The access log.
create table object_share_access (
    id         text primary key,
    account_id text        not null,
    share_id   text        not null,
    at         timestamptz not null,
    address    text        not null,
    user_agent text        not null,
    outcome    text        not null,
    key        text        not null,
    constraint object_share_access_share foreign key (account_id, share_id) references object_share (account_id, id) on delete cascade
);
create index object_share_access_of on object_share_access (share_id, id);
create index object_share_access_at on object_share_access (at);
alter table object_share_access enable row level security;
alter table object_share_access force row level security;
create policy tenant on object_share_access using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- Passwords that were tried and not found right, by address, in the window that began; address '' counts them all.
create table object_share_attempt (
    account_id text        not null,
    share_id   text        not null,
    address    text        not null,
    began      timestamptz not null,
    count      integer     not null,
    primary key (share_id, address),
    constraint object_share_attempt_share foreign key (account_id, share_id) references object_share (account_id, id) on delete cascade
);
create index object_share_attempt_began on object_share_attempt (began);
alter table object_share_attempt enable row level security;
alter table object_share_attempt force row level security;
create policy tenant on object_share_attempt using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

create table object_favourite (
    id         text primary key,
    account_id text        not null,
    user_id    text        not null check (user_id <> ''),
    bucket_id  text        not null,
    -- Key, prefix, or empty for the bucket itself.
    path       text        not null,
    created_at timestamptz not null,
    constraint object_favourite_place unique (account_id, user_id, bucket_id, path),
    constraint object_favourite_bucket foreign key (account_id, bucket_id) references bucket (account_id, id) on delete cascade
);
create index object_favourite_person on object_favourite (account_id, user_id, id);
create index object_favourite_of_bucket on object_favourite (bucket_id);
alter table object_favourite enable row level security;
alter table object_favourite force row level security;
create policy tenant on object_favourite using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');
