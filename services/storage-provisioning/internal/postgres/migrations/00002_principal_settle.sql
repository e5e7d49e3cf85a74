-- +goose Up
-- When the backend is to be looked at once more, since an attempt failed that it may have heard; null when all is certain.
-- It is kept here and not only as a due time: every attempt in between would replace that.
alter table principal add column settle_at timestamptz;
