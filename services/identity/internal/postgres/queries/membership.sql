-- name: SaveMembership :exec
insert into membership (account_id, user_id, role, version, create_time, update_time)
values (@account_id, @user_id, @role, @version, @create_time, @update_time)
on conflict (account_id, user_id) do update
set role = excluded.role, version = excluded.version, update_time = excluded.update_time;

-- The share lock keeps a role from changing while somebody acts on it.
-- name: GetMembership :one
select m.account_id, m.user_id, m.role, m.version, m.create_time, m.update_time, u.display_name, u.email
from membership m
join users u on u.id = m.user_id
where m.account_id = @account_id and m.user_id = @user_id
for share of m;

-- name: ReadMembership :one
select m.account_id, m.user_id, m.role, m.version, m.create_time, m.update_time, u.display_name, u.email
from membership m
join users u on u.id = m.user_id
where m.account_id = @account_id and m.user_id = @user_id;

-- name: RemoveMembership :exec
delete from membership where account_id = @account_id and user_id = @user_id;

-- name: CountOwners :one
select count(*) from membership where account_id = @account_id and role = 'owner';

-- name: ListMemberships :many
select m.account_id, m.user_id, m.role, m.version, m.create_time, m.update_time, u.display_name, u.email
from membership m
join users u on u.id = m.user_id
where m.account_id = @account_id and (m.create_time, m.user_id) > (@after_time::timestamptz, @after_user::text)
order by m.create_time, m.user_id
limit @count;
