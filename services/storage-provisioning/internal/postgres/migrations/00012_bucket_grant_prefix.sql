-- +goose Up
-- A grant may cover folders of a bucket alone, and may let write without reading.
alter table bucket_grant add column prefixes text[] not null default '{}';
alter table bucket_grant drop constraint bucket_grant_permission_check;
alter table bucket_grant add constraint bucket_grant_permission_check check (permission in ('READ', 'WRITE', 'READ_WRITE'));
