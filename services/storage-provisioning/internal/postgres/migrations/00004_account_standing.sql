-- +goose Up
-- How accounts stand: the newest state that was heard of from identity's events, and whether the account's writes are stopped.
create table account_standing (
    account_id     text        primary key,
    -- As tokens carry it; empty before the first event.
    state          text        not null,
    -- The account's version of that state; zero before the first event.
    version        bigint      not null check (version >= 0),
    -- The account reads and deletes and does not write.
    writes_stopped boolean     not null default false,
    changed_at     timestamptz not null
);
alter table account_standing enable row level security;
alter table account_standing force row level security;
create policy tenant on account_standing using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');
