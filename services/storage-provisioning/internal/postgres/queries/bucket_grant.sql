-- name: HeldGrant :one
select sqlc.embed(bucket_grant), bucket.name as bucket
from bucket join bucket_grant on bucket_grant.bucket_id = bucket.id
where bucket.account_id = @account_id and bucket.name = @name and bucket_grant.user_id = @user_id
  and (bucket.desired = 'PRESENT' or bucket.state = 'DELETING');

-- name: ListBucketGrants :many
select sqlc.embed(bucket_grant), bucket.name as bucket
from bucket_grant join bucket on bucket.id = bucket_grant.bucket_id
where bucket_grant.account_id = @account_id and bucket_grant.id > @after
  and (@bucket::text = '' or bucket.name = @bucket)
  and (@user_id::text = '' or bucket_grant.user_id = @user_id)
order by bucket_grant.id
limit @count;

-- name: HasBucket :one
select exists (select from bucket where account_id = @account_id and name = @name and (desired = 'PRESENT' or state = 'DELETING'));

-- name: MemberRole :one
select role from account_member where account_id = @account_id and user_id = @user_id;

-- There must be a row to lock, or two events about somebody new would not see each other.
-- name: NoteMember :exec
insert into account_member (account_id, user_id, role, version, applied, heard_at) values (@account_id, @user_id, '', 0, 0, @heard_at)
on conflict do nothing;

-- name: LockMember :one
select * from account_member where account_id = @account_id and user_id = @user_id for no key update;

-- name: SaveMember :exec
update account_member set role = @role, version = @version, applied = @applied, heard_at = @heard_at
where account_id = @account_id and user_id = @user_id;

-- name: SweepMembers :execrows
delete from account_member where (account_id, user_id) in (
    select m.account_id, m.user_id from account_member m where m.role = '' and m.heard_at < @heard_before limit @count);

-- name: ShareBucketByName :one
select id, name, state from bucket
where account_id = @account_id and name = @name and (desired = 'PRESENT' or state = 'DELETING') for share;

-- name: ShareBucketByID :one
select id, name, state from bucket
where account_id = @account_id and id = @id and (desired = 'PRESENT' or state = 'DELETING') for share;

-- name: FindBucketGrant :one
select * from bucket_grant where bucket_id = @bucket_id and user_id = @user_id for no key update;

-- name: InsertBucketGrant :exec
insert into bucket_grant (id, account_id, bucket_id, user_id, permission, prefixes, membership_version, version, created_at, updated_at)
values (@id, @account_id, @bucket_id, @user_id, @permission, @prefixes, @membership_version, @version, @created_at, @updated_at);

-- name: SaveBucketGrant :exec
update bucket_grant set permission = @permission, prefixes = @prefixes, version = @version, updated_at = @updated_at where id = @id;

-- name: EndBucketGrant :exec
delete from bucket_grant where id = @id;

-- name: EndEarlierGrants :many
delete from bucket_grant
where bucket_grant.account_id = @account_id and bucket_grant.user_id = @user_id and bucket_grant.membership_version < @before
returning sqlc.embed(bucket_grant), (select b.name from bucket b where b.id = bucket_grant.bucket_id)::text as bucket;

-- name: EndGrantsOfBucket :many
delete from bucket_grant
where bucket_grant.bucket_id = @bucket_id
returning sqlc.embed(bucket_grant), (select b.name from bucket b where b.id = bucket_grant.bucket_id)::text as bucket;
