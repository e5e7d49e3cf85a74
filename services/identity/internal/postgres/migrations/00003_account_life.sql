-- +goose Up
-- An account's life: five states, how it came to stand where it does, and what time will do to it.
select set_config('app.scope', 'system', true);

alter table account
    add column slug             text,
    add column state_reason     text not null default '',
    add column state_actor_kind text not null default '',
    add column state_actor_id   text not null default '',
    add column state_time       timestamptz,
    -- Where a closing is taken back to; empty unless closing.
    add column resumes          text not null default '',
    add column trial_end_time   timestamptz,
    add column close_time       timestamptz;
-- Accounts from before have a slug that says nothing, until their owner chooses one.
update account set slug = 'account-' || lower(right(id, 20)), state_time = create_time;
alter table account
    alter column slug set not null,
    alter column state_time set not null,
    add constraint account_slug_key unique (slug),
    drop constraint account_state_check,
    add constraint account_state_check check (state in ('pending', 'active', 'suspended', 'closing', 'closed')),
    add constraint account_closing_check check ((state = 'closing') = (close_time is not null) and (state = 'closing') = (resumes <> ''));
-- What time will do: trials of active accounts and closings alone.
create index account_trial_due on account (trial_end_time) where state = 'active' and trial_end_time is not null;
create index account_close_due on account (close_time) where state = 'closing';
create index account_newest on account (create_time desc, id desc);
create index account_name on account (lower(display_name) text_pattern_ops);

-- The groups of a login that make its person an operator of the platform, as the provider said them at the login.
alter table session add column operator_groups text[] not null default '{}';

-- An operator's way into a tenant's account: for a reason, until an end.
create table operator_access (
    id          text primary key,
    account_id  text not null references account (id),
    user_id     text not null references users (id),
    role        text not null check (role in ('admin', 'billing', 'viewer')),
    reason      text not null check (reason <> ''),
    create_time timestamptz not null,
    expire_time timestamptz not null,
    end_time    timestamptz
);
create index operator_access_listing on operator_access (account_id, id);
create index operator_access_holder on operator_access (user_id, account_id, expire_time);
alter table operator_access enable row level security;
alter table operator_access force row level security;
create policy operator_access_scope on operator_access
    using (account_id = nullif(current_setting('app.account_id', true), '')
        or current_setting('app.scope', true) = 'system');
