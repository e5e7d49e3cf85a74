-- +goose Up
-- Access keys complete: prefixes, patterns and networks, rotation, disabling, last use.
alter table access_key drop constraint access_key_state_check;
alter table access_key add constraint access_key_state_check
    check (state in ('CREATING', 'READY', 'UPDATING', 'LOST', 'DELETING', 'VANISHING'));

alter table access_key
    -- CIDR ranges that it may be used from; none for anywhere.
    add column networks           jsonb       not null default '[]',
    -- Switched off by its owner.
    add column disabled           boolean     not null default false,
    -- The generation whose call issued the secret that is kept; zero for the one that made the key.
    add column secret_generation  bigint      not null default 0,
    -- The credentials before the last rotation, sealed, until their end.
    add column former_key_id      bytea,
    add column former_end         timestamptz,
    -- A list of ids, sealed, of credentials that are to be removed from the backend.
    add column doomed             bytea,
    -- The user of its own that the key has on the backend, sealed; null for the account's. Then the hash of the policy
    -- that the backend was last seen to have for it, empty when that is not known.
    add column holder             bytea,
    add column holder_applied     text        not null default '';
create index access_key_holder on access_key (account_id, backend) where holder is not null;

-- Which key a request used is found by a keyed hash of its id, made anew where the mark of the hashing key differs.
alter table access_key
    add column lookup             bytea,
    add column former_lookup      bytea,
    add column lookup_mark        text        not null default '';
create index access_key_lookup on access_key (lookup);
create index access_key_former_lookup on access_key (former_lookup) where former_lookup is not null;

-- What used a key, each operation and address once, with the last time. It belongs to the credentials and not to the key,
-- so that after a rotation the uses of the ones before are told apart.
create table access_key_use (
    account_id text        not null,
    lookup     bytea       not null,
    operation  text        not null,
    address    text        not null,
    last_at    timestamptz not null,
    count      bigint      not null,
    primary key (lookup, operation, address)
);
create index access_key_use_age on access_key_use (last_at);
alter table access_key_use enable row level security;
alter table access_key_use force row level security;
create policy tenant on access_key_use using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- Since when uses are heard without a longer silence; the platform's, not a tenant's.
create table access_key_listening (
    single   boolean primary key default true check (single),
    since    timestamptz not null,
    heard_at timestamptz not null
);
