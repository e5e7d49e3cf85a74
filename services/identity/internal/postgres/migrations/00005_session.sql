-- +goose Up
-- What the provider knows a login by: who it vouched for, and the session there that it began, if it said so (sid). A
-- logout at the provider names either. Empty for sessions from before.
alter table session
    add column issuer           text not null default '',
    add column subject          text not null default '',
    add column provider_session text not null default '';
create index session_subject on session (issuer, subject) where end_time is null;
create index session_provider on session (issuer, provider_session) where end_time is null and provider_session <> '';

-- Logout tokens that were obeyed, each once, until they end.
create table logout_token (
    issuer      text not null,
    jti         text not null,
    expire_time timestamptz not null,
    primary key (issuer, jti)
);
create index logout_token_expiry on logout_token (expire_time);
