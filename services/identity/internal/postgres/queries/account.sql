-- name: InsertAccount :exec
insert into account (id, display_name, customer_reference, state, version, membership_version, create_time, update_time)
values (@id, @display_name, @customer_reference, @state, @version, 1, @create_time, @update_time);

-- name: AccountForUpdate :one
select id, display_name, customer_reference, state, version, create_time, update_time
from account where id = @id for no key update;

-- name: GetAccount :one
select id, display_name, customer_reference, state, version, create_time, update_time
from account where id = @id;

-- name: UpdateAccount :exec
update account
set display_name = @display_name, customer_reference = @customer_reference, state = @state, version = @version, update_time = @update_time
where id = @id;

-- name: LockAccount :one
update account set membership_version = membership_version + 1 where id = @id
returning membership_version;

-- name: AccountsOf :many
select a.id, a.display_name, a.customer_reference, a.state, a.version, a.create_time, a.update_time, m.role
from membership m
join account a on a.id = m.account_id
where m.user_id = @user_id and m.account_id > @after
order by m.account_id
limit @count;
