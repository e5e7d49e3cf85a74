-- name: RecordKeyUses :exec
insert into access_key_use (account_id, lookup, operation, address, last_at, count)
select k.account_id, u.lookup, u.operation, u.address, u.at, u.count
from (select unnest(@lookups::bytea[]) as lookup, unnest(@operations::text[]) as operation, unnest(@addresses::text[]) as address,
        unnest(@times::timestamptz[]) as at, unnest(@counts::bigint[]) as count) u
    join access_key k on k.lookup = u.lookup or k.former_lookup = u.lookup
on conflict (lookup, operation, address) do update
    set last_at = greatest(access_key_use.last_at, excluded.last_at), count = access_key_use.count + excluded.count;

-- name: NoteListening :exec
insert into access_key_listening (since, heard_at) values (@at, @at)
on conflict (single) do update
    set since = case when access_key_listening.heard_at < @silent then excluded.since else access_key_listening.since end,
        heard_at = excluded.heard_at;

-- name: ListeningSince :one
select since from access_key_listening where heard_at >= @silent;

-- name: LastKeyUses :many
select distinct on (lookup) lookup, operation, address, last_at from access_key_use
where lookup = any(@lookups::bytea[])
order by lookup, last_at desc;

-- name: KeyUses :many
select u.operation, u.address, max(u.last_at)::timestamptz as last_at
from access_key_use u join access_key k on u.lookup = k.lookup or u.lookup = k.former_lookup
where k.id = @id and u.last_at > @since
group by u.operation, u.address
order by 3 desc
limit @count;

-- name: SweepKeyUses :execrows
delete from access_key_use where (lookup, operation, address) in (
    select old.lookup, old.operation, old.address from access_key_use old where old.last_at < @before limit @count);

-- name: KeysWithoutLookup :many
select id, account_id, key_id, former_key_id from access_key where lookup_mark <> @mark limit @count;

-- name: SetKeyLookup :exec
update access_key set lookup = @lookup, former_lookup = @former_lookup, lookup_mark = @mark where id = @id;
