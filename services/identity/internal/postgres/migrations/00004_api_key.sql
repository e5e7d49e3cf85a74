-- +goose Up
-- Rotation: a key has its present secret and, while a rotation overlaps, the one before it. Both stand in the key's row,
-- so that an exchange reads one row, and a binary that knows the present one alone goes on working.
alter table api_key
    add column former_secret_hash   bytea check (length(former_secret_hash) = 32),
    -- Until when that one works; it stays afterwards, so that its use is told from a guess.
    add column former_expire_time   timestamptz,
    add column last_use_address     text not null default '',
    -- Where it can be exchanged, canonical CIDR; empty for everywhere.
    add column allowed_networks     text[] not null default '{}' check (cardinality(allowed_networks) <= 50),
    add constraint api_key_former_secret check ((former_secret_hash is null) = (former_expire_time is null));

-- Which call a kept secret is for: empty for the one that made the key, else the id of the rotation.
alter table api_key_secret add column rotation_id text not null default '';

-- Personal keys act for their person. Their role is that of the membership and is read there; the column keeps the
-- lowest, so that a binary that does not know personal keys gives them no more.
alter table api_key add column user_id text references users (id);
