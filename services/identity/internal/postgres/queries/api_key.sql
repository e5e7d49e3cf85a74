-- name: InsertKey :exec
insert into api_key (id, account_id, creator_id, display_name, role, scopes, secret_hash, version, create_time, expire_time,
    allowed_networks, user_id)
values (@id, @account_id, @creator_id, @display_name, @role, @scopes, @secret_hash, @version, @create_time, @expire_time,
    @allowed_networks, @user_id);

-- name: KeyForUpdate :one
select sqlc.embed(k), m.role as member_role
from api_key k
left join membership m on m.account_id = k.account_id and m.user_id = k.user_id
where k.account_id = @account_id and k.id = @id
for no key update of k;

-- name: GetKey :one
select sqlc.embed(k), m.role as member_role
from api_key k
left join membership m on m.account_id = k.account_id and m.user_id = k.user_id
where k.account_id = @account_id and k.id = @id;

-- name: ListKeys :many
select sqlc.embed(k), m.role as member_role
from api_key k
left join membership m on m.account_id = k.account_id and m.user_id = k.user_id
where k.account_id = @account_id and k.id > @after
  and (@person::text = '' or k.user_id = @person or @shared::boolean and k.user_id is null)
order by k.id limit @count;

-- name: EndPersonalKeys :many
update api_key set revoke_time = @revoke_time, version = version + 1
where account_id = @account_id and user_id = @user_id::text and revoke_time is null
returning *;

-- name: UpdateKey :exec
update api_key
set display_name = @display_name, expire_time = @expire_time, allowed_networks = @allowed_networks, revoke_time = @revoke_time,
    version = @version
where id = @id;

-- The right-hand sides are the values before: the present secret becomes the former one.
-- name: RotateKey :exec
update api_key
set former_secret_hash = secret_hash, former_expire_time = @former_expire_time, secret_hash = @secret_hash, version = @version
where id = @id;

-- name: TouchKey :exec
update api_key set last_use_time = @last_use_time::timestamptz, last_use_address = @last_use_address
where id = @id and (last_use_time is null or last_use_time <= @last_use_time);

-- One statement is one snapshot: the epoch is that of the very moment.
-- name: KeyStanding :one
select sqlc.embed(k), a.state, m.role as member_role, h.epoch
from api_key k
join account a on a.id = k.account_id
left join membership m on m.account_id = k.account_id and m.user_id = k.user_id
cross join revocation_head h
where k.id = @id;

-- name: KeepSecret :exec
insert into api_key_secret (api_key_id, account_id, rotation_id, sealed, destroy_time)
values (@api_key_id, @account_id, @rotation_id, @sealed, @destroy_time)
on conflict (api_key_id) do update
set rotation_id = excluded.rotation_id, sealed = excluded.sealed, destroy_time = excluded.destroy_time;

-- name: KeptSecret :one
select * from api_key_secret where api_key_id = @api_key_id and rotation_id = @rotation_id;

-- name: DropSecret :exec
delete from api_key_secret where api_key_id = @api_key_id;

-- name: DestroySecrets :execrows
delete from api_key_secret where destroy_time <= @now;
