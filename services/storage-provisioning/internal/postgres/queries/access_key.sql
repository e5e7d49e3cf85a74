-- name: InsertAccessKey :execrows
insert into access_key (id, account_id, backend, display_name, customer_reference, key_id, secret, secret_until, grants,
    expire_time, desired, state, version, unsure, sighted_at, created_at, updated_at, networks, holder, disabled, adopted, adopting,
    found, solo, lookup, lookup_mark)
values (@id, @account_id, @backend, @display_name, @customer_reference, @key_id, @secret, @secret_until, @grants,
    @expire_time, @desired, @state, @version, false, null, @created_at, @updated_at, @networks, @holder, @disabled, @adopted, @adopting,
    @found, @solo, @lookup, @lookup_mark)
on conflict (lookup, backend) do nothing;

-- name: LockAccessKey :one
select id from access_key where id = @id for no key update;

-- name: LoadAccessKey :one
select sqlc.embed(access_key), coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, coalesce(m.conditions, '[]')::jsonb as conditions
from access_key left join managed_resource m on m.kind = 'access_key' and m.id = access_key.id
where access_key.id = @id;

-- name: KeysOnBackend :many
select sqlc.embed(access_key), coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, coalesce(m.conditions, '[]')::jsonb as conditions
from access_key left join managed_resource m on m.kind = 'access_key' and m.id = access_key.id
where access_key.backend = @backend and access_key.id > @after
order by access_key.id
limit @count;

-- name: ListAccessKeys :many
select sqlc.embed(access_key), coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, coalesce(m.conditions, '[]')::jsonb as conditions
from access_key left join managed_resource m on m.kind = 'access_key' and m.id = access_key.id
where access_key.account_id = @account_id and access_key.id > @after
  and (access_key.desired = 'PRESENT' or access_key.state = 'DELETING')
order by access_key.id
limit @count;

-- name: SaveAccessKey :one
update access_key
set secret = case when @secret_until::timestamptz is null then null else coalesce(@secret, secret) end, secret_until = @secret_until,
    desired = @desired, state = @state, version = @version, unsure = @unsure, sighted_at = @sighted_at, updated_at = @updated_at,
    display_name = @display_name, customer_reference = @customer_reference, grants = @grants, networks = @networks,
    expire_time = @expire_time, disabled = @disabled, secret_generation = @secret_generation, key_id = @key_id,
    former_key_id = @former_key_id, former_end = @former_end, doomed = @doomed,
    adopting = @adopting, found = case when @adopting then found end
where id = @id
returning version;

-- name: NoteAccessKey :exec
update access_key
set secret = case when @secret_until::timestamptz is null then null else secret end, secret_until = @secret_until,
    unsure = @unsure, sighted_at = @sighted_at
where id = @id;

-- name: RemoveAccessKey :exec
delete from access_key where id = @id;

-- name: BucketsForGrants :many
select name, backend, (state in ('READY', 'UPDATING'))::boolean as usable from bucket
where (@everything::boolean or name = any(@names::text[])) and (desired = 'PRESENT' or state = 'DELETING');

-- name: DestroyAccessKeySecrets :execrows
update access_key set secret = null, secret_until = null
where id in (select k.id from access_key k where k.secret is not null and k.secret_until <= @now and k.state <> 'CREATING' limit @count);

-- name: KeyHolders :many
select id, account_id, holder, holder_applied, grants, networks from access_key
where account_id = @account_id and backend = @backend and holder is not null and (desired = 'PRESENT' or state = 'DELETING')
  and (expire_time is null or expire_time > @now)
order by id;

-- name: ApplyKeyHolders :exec
update access_key set holder_applied = a.hash
from (select unnest(@ids::text[]) as id, unnest(@hashes::text[]) as hash) a
where access_key.id = a.id;
