-- +goose Up
-- Whoever knows of a difference and accepts it says so, with the reason; null when nobody did.
alter table drift add column ignored_at timestamptz;
alter table drift add column ignore_reason text not null default '';
