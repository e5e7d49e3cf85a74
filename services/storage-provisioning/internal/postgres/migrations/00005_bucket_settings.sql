-- +goose Up
-- What an owner can ask of a bucket besides versioning, quota and lifecycle rules.
alter table bucket
    -- The owner's own labels, which no backend knows: {"key": "value"}.
    add column labels   jsonb not null default '{}',
    -- What is wanted of the backend: tags, object_lock, default_encryption, public_access; each absent where it is not set.
    add column settings jsonb not null default '{}';
