-- +goose Up
-- Everything identity owns. The serving role has DML on every table made here, and nothing else; on audit_entry the end
-- of this file takes update and delete back.
--
-- Tenant tables carry a policy: a row is seen and written in the scope of its account, or in the declared system scope.
-- nullif: once a session has had the setting, "not set" reads as an empty string.

-- People, keyed on (issuer, subject). The plural because user is a reserved word.
create table users (
    id             text primary key,
    issuer         text not null,
    subject        text not null,
    email          text not null,
    email_verified boolean not null,
    display_name   text not null,
    version        bigint not null,
    create_time    timestamptz not null,
    update_time    timestamptz not null,
    constraint users_issuer_subject_key unique (issuer, subject)
);

create table account (
    id                 text primary key,
    display_name       text not null,
    customer_reference text not null,
    state              text not null check (state in ('active', 'suspended')),
    version            bigint not null,
    -- The last version given to a membership of the account; its update is the lock under which members change.
    membership_version bigint not null,
    create_time        timestamptz not null,
    update_time        timestamptz not null
);
alter table account enable row level security;
alter table account force row level security;
create policy account_scope on account
    using (id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');

create table membership (
    account_id  text not null references account (id),
    user_id     text not null references users (id),
    role        text not null check (role in ('owner', 'admin', 'developer', 'billing', 'viewer', 'external')),
    version     bigint not null,
    create_time timestamptz not null,
    update_time timestamptz not null,
    primary key (account_id, user_id)
);
create index membership_user on membership (user_id, account_id);
create index membership_listing on membership (account_id, create_time, user_id);
alter table membership enable row level security;
alter table membership force row level security;
create policy membership_scope on membership
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');

-- Logins. The idle limit is applied when a session is read, so that a changed setting holds at once.
create table session (
    id            text primary key,
    user_id       text not null references users (id),
    secret_hash   bytea not null check (length(secret_hash) = 32),
    address       text not null,
    user_agent    text not null,
    create_time   timestamptz not null,
    last_use_time timestamptz not null,
    expire_time   timestamptz not null,
    end_time      timestamptz,
    constraint session_secret_hash_key unique (secret_hash)
);
create index session_owner on session (user_id, id);
create index session_expiry on session (expire_time);

create table api_key (
    id            text primary key,
    account_id    text not null references account (id),
    creator_id    text not null references users (id),
    display_name  text not null,
    role          text not null check (role in ('owner', 'admin', 'developer', 'billing', 'viewer')),
    scopes        text[] not null check (cardinality(scopes) > 0),
    secret_hash   bytea not null check (length(secret_hash) = 32),
    version       bigint not null,
    create_time   timestamptz not null,
    expire_time   timestamptz,
    last_use_time timestamptz,
    revoke_time   timestamptz
);
create index api_key_listing on api_key (account_id, id);
alter table api_key enable row level security;
alter table api_key force row level security;
create policy api_key_scope on api_key
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');

-- Sealed secrets of keys that were made with an idempotency key, for the retry; gone when the window ends.
create table api_key_secret (
    api_key_id   text primary key references api_key (id),
    account_id   text not null,
    sealed       bytea not null,
    destroy_time timestamptz not null
);
create index api_key_secret_due on api_key_secret (destroy_time);
alter table api_key_secret enable row level security;
alter table api_key_secret force row level security;
create policy api_key_secret_scope on api_key_secret
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');

-- A key is published from create_time, signs from sign_from until sign_until, and stays published until retire_time,
-- when the last token that it signed has ended.
create table signing_key (
    kid            text primary key,
    public_key     bytea not null check (length(public_key) = 32),
    sealed_private bytea not null,
    create_time    timestamptz not null,
    sign_from      timestamptz not null,
    sign_until     timestamptz not null,
    retire_time    timestamptz not null
);

-- One row whose lock puts revocations in the order of their commits, without gaps.
create table revocation_head (
    one   boolean primary key default true check (one),
    epoch bigint not null
);
insert into revocation_head (epoch) values (0);

create table revocation (
    epoch       bigint primary key,
    kind        text not null check (kind in ('session', 'api_key', 'membership', 'account')),
    subject     text not null,
    revoke_time timestamptz not null,
    expire_time timestamptz not null
);
create index revocation_subject on revocation (kind, subject, epoch);
create index revocation_expiry on revocation (expire_time);

-- The trail of all services. account_id is null for acts that concern no account, so that no scope but the system's sees them.
create table audit_entry (
    event_id         text primary key,
    id               text not null,
    account_id       text,
    time             timestamptz not null,
    service          text not null,
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
    method           text not null,
    before           jsonb,
    after            jsonb
);
create index audit_entry_time on audit_entry (account_id, time desc, event_id desc);
create index audit_entry_actor on audit_entry (account_id, actor_id, time desc, event_id desc);
create index audit_entry_action on audit_entry (account_id, action, time desc, event_id desc);
create index audit_entry_target on audit_entry (account_id, target_id, time desc, event_id desc);
alter table audit_entry enable row level security;
alter table audit_entry force row level security;
create policy audit_entry_scope on audit_entry
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');

-- Append-only: grants are given when a table is made and never repeated, so this stays.
revoke update, delete, truncate on audit_entry from identity_app;
