-- name: InsertShare :exec
insert into object_share (id, account_id, bucket_id, display_name, scope, path, token_hash, password_hash, expire_time, use_limit, use_count,
    networks, max_upload_bytes, creator_id, version, created_at, updated_at)
values (@id, @account_id, @bucket_id, @display_name, @scope, @path, @token_hash, @password_hash, @expire_time, @use_limit, 0,
    @networks, @max_upload_bytes, @creator_id, @version, @created_at, @updated_at);

-- name: GetShare :one
select sqlc.embed(object_share), bucket.name as bucket
from object_share join bucket on bucket.id = object_share.bucket_id
where object_share.account_id = @account_id and object_share.id = @id;

-- name: LockShare :one
select sqlc.embed(object_share), bucket.name as bucket
from object_share join bucket on bucket.id = object_share.bucket_id
where object_share.account_id = @account_id and object_share.id = @id
for no key update of object_share;

-- name: ShareByToken :one
select sqlc.embed(object_share), bucket.name as bucket
from object_share join bucket on bucket.id = object_share.bucket_id
where object_share.token_hash = @token_hash;

-- name: ListShares :many
select sqlc.embed(object_share), bucket.name as bucket
from object_share join bucket on bucket.id = object_share.bucket_id
where object_share.account_id = @account_id and object_share.id > @after
  and (@bucket::text = '' or bucket.name = @bucket)
order by object_share.id
limit @count;

-- name: SaveShare :exec
update object_share set display_name = @display_name, password_hash = @password_hash, expire_time = @expire_time, use_limit = @use_limit,
    networks = @networks, version = @version, updated_at = @updated_at, revoked_at = @revoked_at
where id = @id;

-- Exact under concurrency: whoever comes second waits for the row and sees the new count.
-- name: UseShare :one
update object_share set use_count = use_count + 1
where id = @id and revoked_at is null and (expire_time is null or expire_time > @now::timestamptz) and (use_limit = 0 or use_count < use_limit)
returning use_count;

-- name: InsertShareAccess :exec
insert into object_share_access (id, account_id, share_id, at, address, user_agent, outcome, key)
values (@id, @account_id, @share_id, @at, @address, @user_agent, @outcome, @key);

-- name: ListShareAccesses :many
select * from object_share_access
where account_id = @account_id and share_id = @share_id and (@before::text = '' or id < @before)
order by id desc
limit @count;

-- name: TakeShareAttempt :one
insert into object_share_attempt (account_id, share_id, address, began, count) values (@account_id, @share_id, @address, @now, 1)
on conflict (share_id, address) do update set
    count = case when object_share_attempt.began <= @over then 1 else object_share_attempt.count + 1 end,
    began = case when object_share_attempt.began <= @over then excluded.began else object_share_attempt.began end
returning count, began;

-- name: ReturnShareAttempt :exec
update object_share_attempt set count = greatest(count - 1, 0) where share_id = @share_id and address = @address;

-- name: EndSharesOfBucket :many
delete from object_share where object_share.bucket_id = @bucket_id
returning sqlc.embed(object_share), (select b.name from bucket b where b.id = object_share.bucket_id)::text as bucket;

-- name: SweepShares :execrows
delete from object_share where id in (
    select s.id from object_share s where s.revoked_at < @before or s.expire_time < @before limit @count);

-- name: SweepShareAccesses :execrows
delete from object_share_access where id in (
    select a.id from object_share_access a where a.at < @before limit @count);

-- name: SweepShareAttempts :execrows
delete from object_share_attempt where (share_id, address) in (
    select a.share_id, a.address from object_share_attempt a where a.began < @before limit @count);
