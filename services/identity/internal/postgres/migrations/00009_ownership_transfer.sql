-- +goose Up
-- Proposals to hand an account over, one pending at most. They are history and stay.
create table ownership_transfer (
    id             text primary key,
    account_id     text not null references account (id),
    from_user_id   text not null references users (id),
    to_user_id     text not null references users (id),
    keep_ownership boolean not null,
    state          text not null check (state in ('pending', 'confirmed', 'declined', 'canceled', 'expired')),
    version        bigint not null,
    create_time    timestamptz not null,
    expire_time    timestamptz not null,
    end_time       timestamptz,
    check (from_user_id <> to_user_id)
);
create unique index ownership_transfer_pending on ownership_transfer (account_id) where state = 'pending';
create index ownership_transfer_listing on ownership_transfer (account_id, id);
alter table ownership_transfer enable row level security;
alter table ownership_transfer force row level security;
create policy ownership_transfer_scope on ownership_transfer
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');
