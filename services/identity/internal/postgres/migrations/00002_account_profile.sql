-- +goose Up
-- Who an account is in law and how it wants to be addressed. No row is the empty profile, so that an account is made
-- without one.
create table account_profile (
    account_id   text primary key references account (id),
    legal_name   text not null,
    tax_id_type  text not null,
    tax_id_value text not null,
    contacts     jsonb not null,
    time_zone    text not null,
    currency     text not null,
    locale       text not null,
    branding     jsonb not null,
    settings     jsonb not null,
    version      bigint not null,
    update_time  timestamptz not null
);
alter table account_profile enable row level security;
alter table account_profile force row level security;
create policy account_profile_scope on account_profile
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');
