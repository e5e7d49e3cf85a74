-- name: InsertAccess :exec
insert into operator_access (id, account_id, user_id, role, reason, create_time, expire_time)
values (@id, @account_id, @user_id, @role, @reason, @create_time, @expire_time);

-- name: AccessForUpdate :one
select * from operator_access where account_id = @account_id and id = @id for no key update;

-- name: EndAccess :exec
update operator_access set end_time = @end_time where id = @id;

-- name: ListAccesses :many
select * from operator_access
where account_id = @account_id and (@before::text = '' or id < @before)
order by id desc
limit @count;
