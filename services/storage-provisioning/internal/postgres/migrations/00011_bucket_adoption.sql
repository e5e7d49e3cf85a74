-- +goose Up
-- The bucket stood on the backend before it was ours, and is being taken over: it is never made, and should that be given up, our
-- mark is taken off again and nothing else.
alter table bucket add column adopting boolean not null default false;
