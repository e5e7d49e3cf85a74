-- name: InsertAccountRemoval :execrows
insert into account_removal (id, account_id, state, exit_manifest, deletion, keys, identities, reason, message, version,
    created_at, updated_at, ended_at)
values (@id, @account_id, @state, null, null, 0, 0, '', '', @version, @created_at, @updated_at, null)
on conflict (account_id) do nothing;

-- name: GetAccountRemoval :one
select * from account_removal where account_id = @account_id;

-- name: LockAccountRemoval :one
select * from account_removal where account_id = @account_id for no key update;

-- name: ListAccountRemovals :many
select * from account_removal where (@before::text = '' or id < @before) order by id desc limit @count;

-- name: SaveAccountRemoval :exec
update account_removal
set state = @state, exit_manifest = @exit_manifest, deletion = @deletion, keys = @keys, identities = @identities,
    reason = @reason, message = @message, version = @version, updated_at = @updated_at, ended_at = @ended_at
where id = @id;

-- name: ClosedWithoutRemoval :many
select account_id from account_standing s
where state = 'closed' and not exists (select from account_removal r where r.account_id = s.account_id)
limit @count;

-- name: BucketsOfAccount :many
select sqlc.embed(bucket), coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, coalesce(m.conditions, '[]')::jsonb as conditions,
    exists (select from account_standing s where s.account_id = bucket.account_id and s.state not in ('', 'active')) as stopped
from bucket left join managed_resource m on m.kind = 'bucket' and m.id = bucket.id
where bucket.account_id = @account_id
order by bucket.name;

-- name: AccessKeysOfAccount :many
select sqlc.embed(access_key), coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, coalesce(m.conditions, '[]')::jsonb as conditions
from access_key left join managed_resource m on m.kind = 'access_key' and m.id = access_key.id
where access_key.account_id = @account_id
order by access_key.id;

-- name: PurgesForRemoval :many
select * from bucket_purge where account_id = @account_id and account_closed order by bucket, id;

-- name: RemovePrincipal :exec
delete from principal where id = @id;
