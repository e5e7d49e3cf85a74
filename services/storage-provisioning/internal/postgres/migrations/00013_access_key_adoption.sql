-- +goose Up
-- Keys that stood on the backend before they were managed.
alter table access_key
    -- It stood there before, so that nobody here knows its secret.
    add column adopted  boolean not null default false,
    -- It is being taken over, or, should that have been given up, being put back.
    add column adopting boolean not null default false,
    -- How it was found, sealed, while that goes on.
    add column found    bytea,
    -- The one of its credentials that is a user of the backend by itself, sealed; null when none ever was.
    add column solo     bytea;
-- No two keys have the same credentials, whoever's they are: what a tenant's row is hidden from, this still holds.
drop index access_key_lookup;
create unique index access_key_lookup on access_key (lookup, backend);

-- Keys on backends that nobody manages: what the place that a finding names stands for, the id sealed. The platform's, not
-- a tenant's.
create table access_key_stray (
    place  text  primary key,
    key_id bytea not null
);
