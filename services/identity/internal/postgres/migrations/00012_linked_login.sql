-- +goose Up
-- Further logins of a person, each linked by an explicit step. The first one stands with the person; a pair names one
-- person at most, here or there, which inserts see to under a lock on the pair.
create table linked_login (
    id             text primary key,
    user_id        text not null references users (id),
    issuer         text not null,
    subject        text not null,
    email          text not null,
    email_verified boolean not null,
    display_name   text not null,
    create_time    timestamptz not null,
    constraint linked_login_issuer_subject_key unique (issuer, subject)
);
create index linked_login_user on linked_login (user_id, id);
