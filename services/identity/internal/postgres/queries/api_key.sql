-- name: InsertKey :exec
insert into api_key (id, account_id, creator_id, display_name, role, scopes, secret_hash, version, create_time, expire_time)
values (@id, @account_id, @creator_id, @display_name, @role, @scopes, @secret_hash, @version, @create_time, @expire_time);

-- name: KeyForUpdate :one
select * from api_key where account_id = @account_id and id = @id for no key update;

-- name: GetKey :one
select * from api_key where account_id = @account_id and id = @id;

-- name: ListKeys :many
select * from api_key where account_id = @account_id and id > @after order by id limit @count;

-- name: RevokeKey :exec
update api_key set revoke_time = @revoke_time, version = @version where id = @id;

-- name: TouchKey :exec
update api_key set last_use_time = @last_use_time::timestamptz
where id = @id and (last_use_time is null or last_use_time < @last_use_time);

-- One statement is one snapshot: the epoch is that of the very moment.
-- name: KeyStanding :one
select sqlc.embed(k), a.state, h.epoch
from api_key k
join account a on a.id = k.account_id
cross join revocation_head h
where k.id = @id;

-- name: KeepSecret :exec
insert into api_key_secret (api_key_id, account_id, sealed, destroy_time)
values (@api_key_id, @account_id, @sealed, @destroy_time);

-- name: KeptSecret :one
select sealed from api_key_secret where api_key_id = @api_key_id;

-- name: DropSecret :exec
delete from api_key_secret where api_key_id = @api_key_id;

-- name: DestroySecrets :execrows
delete from api_key_secret where destroy_time <= @now;
