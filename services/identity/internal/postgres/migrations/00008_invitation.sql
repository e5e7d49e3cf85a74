-- +goose Up
-- Invitations into an account by e-mail address. email_key is the address with A to Z in small letters: what two
-- spellings of one address have in common. The token is there only after the notifier fetched one, as a hash.
create table invitation (
    id             text primary key,
    account_id     text not null references account (id),
    email          text not null,
    email_key      text not null,
    role           text not null check (role in ('owner', 'admin', 'developer', 'billing', 'viewer', 'external')),
    grants         jsonb not null,
    state          text not null check (state in ('pending', 'accepted', 'declined', 'revoked', 'expired')),
    inviter_id     text not null references users (id),
    delivery       int not null check (delivery > 0),
    token_hash     bytea check (length(token_hash) = 32),
    accept_user_id text references users (id),
    version        bigint not null,
    create_time    timestamptz not null,
    send_time      timestamptz not null,
    expire_time    timestamptz not null,
    end_time       timestamptz,
    check ((state = 'accepted') = (accept_user_id is not null)),
    constraint invitation_token_hash_key unique (token_hash)
);
create unique index invitation_pending on invitation (account_id, email_key) where state = 'pending';
create index invitation_received on invitation (email_key, id) where state = 'pending';
create index invitation_listing on invitation (account_id, id);
create index invitation_ended on invitation (send_time);
alter table invitation enable row level security;
alter table invitation force row level security;
create policy invitation_scope on invitation
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');

-- One row per e-mail that an account caused, for a day: what its limits are counted from.
create table invitation_mail (
    account_id text not null references account (id),
    email_key  text not null,
    time       timestamptz not null
);
create index invitation_mail_account on invitation_mail (account_id, time);
create index invitation_mail_time on invitation_mail (time);
alter table invitation_mail enable row level security;
alter table invitation_mail force row level security;
create policy invitation_mail_scope on invitation_mail
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');
