-- +goose Up
-- What external people reach, bucket by bucket, and what was heard of the accounts' memberships from identity's events.

-- A removed member stays for a while, with an empty role: events come in no particular order.
create table account_member (
    account_id text        not null,
    user_id    text        not null,
    role       text        not null,
    -- The newest version heard of; zero while a first one is being noted.
    version    bigint      not null check (version >= 0),
    -- The version whose invitation's grants were dealt with.
    applied    bigint      not null check (applied >= 0),
    heard_at   timestamptz not null,
    primary key (account_id, user_id)
);
create index account_member_removed on account_member (heard_at) where role = '';
alter table account_member enable row level security;
alter table account_member force row level security;
create policy tenant on account_member using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');

-- So that a grant can be of no other account than its bucket.
alter table bucket add constraint bucket_account_id unique (account_id, id);

create table bucket_grant (
    id                 text primary key,
    account_id         text        not null,
    bucket_id          text        not null,
    user_id            text        not null check (user_id <> ''),
    permission         text        not null check (permission in ('READ', 'READ_WRITE')),
    -- The version of the membership that it belongs to, and ends with.
    membership_version bigint      not null,
    version            bigint      not null,
    created_at         timestamptz not null,
    updated_at         timestamptz not null,
    constraint bucket_grant_place unique (bucket_id, user_id),
    constraint bucket_grant_bucket foreign key (account_id, bucket_id) references bucket (account_id, id) on delete cascade
);
create index bucket_grant_person on bucket_grant (account_id, user_id);
create index bucket_grant_account on bucket_grant (account_id, id);
alter table bucket_grant enable row level security;
alter table bucket_grant force row level security;
create policy tenant on bucket_grant using (
    account_id = nullif(current_setting('app.account_id', true), '')
    or current_setting('app.scope', true) = 'system');
