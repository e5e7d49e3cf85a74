-- name: InsertBucketPurge :exec
insert into bucket_purge (id, account_id, bucket_id, bucket, backend, state, requested_by, account_closed, begins_at, counted,
    counted_to, found_entries, found_objects, found_bytes, removed_entries, removed_bytes, removed_uploads, passed_to, locked, last_step,
    reason, message, version, created_at, updated_at, ended_at)
values (@id, @account_id, @bucket_id, @bucket, @backend, @state, @requested_by, @account_closed, @begins_at, false,
    '', 0, 0, 0, 0, 0, 0, '', 0, false, '', '', @version, @created_at, @updated_at, null);

-- name: LockBucketPurge :one
select * from bucket_purge where id = @id for no key update;

-- name: LockOpenBucketPurge :one
select * from bucket_purge where bucket_id = @bucket_id and ended_at is null for no key update;

-- name: GetBucketPurge :one
select * from bucket_purge where id = @id;

-- name: ListBucketPurges :many
select * from bucket_purge
where account_id = @account_id and (@before::text = '' or id < @before) and (@bucket::text = '' or bucket = @bucket)
order by id desc
limit @count;

-- name: SaveBucketPurge :exec
update bucket_purge
set state = @state, account_closed = @account_closed, begins_at = @begins_at, counted = @counted, counted_to = @counted_to,
    found_entries = @found_entries, found_objects = @found_objects, found_bytes = @found_bytes, removed_entries = @removed_entries,
    removed_bytes = @removed_bytes, removed_uploads = @removed_uploads, passed_to = @passed_to, locked = @locked, last_step = @last_step,
    reason = @reason, message = @message, version = @version, updated_at = @updated_at, ended_at = @ended_at
where id = @id;
